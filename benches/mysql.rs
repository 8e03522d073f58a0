//! Rows without any mail: what MySQL alone takes.
//!
//! With `--single` one connection inserts one row after another, each in a statement and a transaction of
//! its own, as go-guerrilla's processor does with one worker; by the same client library, without this
//! crate. Else as the server does it: threads bring rows at the same time, and those that are there go in
//! together. Prints the same line of JSON as `load`.

mod figures;
#[path = "figures/together.rs"]
mod together;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use maiasaura::mysql::{Database, Endpoint, Row, Settings, Tls};
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;

use figures::{Figures, microseconds};
use together::together;

/// Inserts rows into a table and prints one line of JSON.
#[derive(Parser)]
#[command(name = "mysql")]
struct Options {
    /// Where MySQL listens: a Unix socket
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Who we are there, without a password
    #[arg(long, default_value = "root")]
    user: String,
    /// The database that has the table `new_mail`
    #[arg(long, default_value = "mail")]
    database: String,
    /// Who bring rows at the same time
    #[arg(long, default_value_t = 10)]
    threads: usize,
    /// Connections to the server
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Rows in all
    #[arg(long, default_value_t = 5000)]
    rows: u64,
    /// One after another, each by itself
    #[arg(long)]
    single: bool,
    /// Cargo adds this one
    #[arg(long, hide = true)]
    bench: bool,
}

const INSERT: &str = "INSERT INTO new_mail (`date`, `to`, `from`, `subject`, `body`, `mail`, `spam_score`, `hash`, \
                      `content_type`, `recipient`, `has_attach`, `ip_addr`, `return_path`, `is_tls`, `message_id`, \
                      `reply_to`, `sender`, `attach_info`) \
                      VALUES (NOW(), ?, ?, ?, '', '', 0, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, '')";

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(socket) = &options.socket else {
        println!("mysql: no --socket given, nothing written; see benches/README.md");
        return ExitCode::SUCCESS;
    };
    let begin = Instant::now();
    let outcome = if options.single {
        smol::block_on(one_by_one(&options, socket)).map_err(|error| error.to_string())
    } else {
        in_company(&options, socket)
    };
    let elapsed = begin.elapsed();
    let (waits, first_error) = match outcome {
        Ok(waits) => (waits, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let figures = Figures {
        wanted: options.rows,
        waits,
        elapsed,
        first_error,
        ..Figures::default()
    };
    figures::report("mysql", Ok::<_, String>(figures))
}

async fn one_by_one(options: &Options, socket: &Path) -> Result<Vec<u32>, sqlx::Error> {
    let connect = MySqlConnectOptions::new()
        .socket(socket)
        .username(&options.user)
        .database(&options.database)
        .disable_statement_logging();
    let mut connection = connect.connect().await?;
    let mut waits = Vec::new();
    for number in 0..options.rows {
        let row = row(number);
        let begin = Instant::now();
        sqlx::query(INSERT)
            .bind(&row.to)
            .bind(&row.return_path)
            .bind(&row.subject)
            .bind(&row.key)
            .bind(&row.content_type)
            .bind(&row.recipient)
            .bind(&[127_u8, 0, 0, 1][..])
            .bind(&row.return_path)
            .bind(false)
            .bind(&row.message_id)
            .bind(&row.reply_to)
            .bind(&row.sender)
            .execute(&mut connection)
            .await?;
        waits.push(microseconds(begin.elapsed()));
    }
    Ok(waits)
}

fn in_company(options: &Options, socket: &Path) -> Result<Vec<u32>, String> {
    let database = Database::new(Settings {
        endpoint: Endpoint::Unix(socket.to_owned()),
        user: options.user.clone(),
        password: None,
        database: options.database.clone(),
        tls: Tls::Off,
        table: "new_mail".into(),
        columns: std::collections::BTreeMap::new(),
        connections: options.connections,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        waiting: usize::MAX,
    });
    let next = AtomicU64::new(0);
    let work = || {
        let mut waits = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.rows {
                return Ok(waits);
            }
            let begin = Instant::now();
            let inserted = database.insert(vec![row(number)]);
            inserted.map_err(|fault| fault.message)?;
            waits.push(microseconds(begin.elapsed()));
        }
    };
    together(options.threads, work)
}

/// A row such as an everyday message has.
fn row(number: u64) -> Row {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Row {
        key: format!("{:032x}{number:032x}", now.as_nanos()),
        received: now.as_secs(),
        to: format!("user{}@example.org", number % 100),
        return_path: format!("sender{number}@example.net"),
        subject: format!("An everyday message, number {number}"),
        content_type: "text/plain".into(),
        recipient: format!("user{}@example.org", number % 100),
        message_id: format!("{number}.message@example.net"),
        ..Row::default()
    }
}
