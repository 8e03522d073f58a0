//! `maiasaura import FILE`: the configuration of go-guerrilla, MailDiranasaurus or gleez/smtpd as
//! ours.
//!
//! A file becomes a [`Ledger`] of keys (`json`, `ini`); a form (`flat`, `servers`, `gleez`) reads
//! them through a [`Draft`], which puts entries on a `Sheet`, our YAML, and remarks beside it. What
//! nobody has accounted for is told by `absent`.

mod absent;
mod address;
mod backend;
mod chain;
mod database;
mod doors;
mod draft;
mod dsn;
mod flat;
mod form;
mod gleez;
mod hosts;
mod ini;
mod json;
mod ledger;
mod log;
mod php;
mod server;
mod servers;
mod sheet;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use self::draft::{Draft, Remark};
use self::form::Form;
use self::ledger::{Id, Ledger};
use self::sheet::{comment, on_one_line};
use super::{Exit, Fault, Outcome};
use crate::config::{Config, Environment};
use crate::recipients::Recipients;

/// Nobody writes more by hand.
const LARGEST: u64 = 16 << 20;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The result is on standard output; what could not be taken over is in comments at its\n\
                  end, and on standard error.\n\n\
                  Exit codes: 0 imported, 64 wrong arguments, 65 not such a configuration, 66 cannot be read,\n\
                  70 a fault of ours, 74 the result cannot be written."
)]
pub(super) struct Import {
    /// A configuration of go-guerrilla (any version), MailDiranasaurus or gleez/smtpd.
    file: PathBuf,
}

/// Why a text is no configuration that we know.
#[derive(Debug)]
struct Unreadable {
    place: Option<Place>,
    message: String,
}

/// Both begin with 1.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: usize,
    column: usize,
}

/// Keys that are read, for whoever has written another one.
const READ: [&str; 61] = [
    "GM_ALLOWED_HOSTS",
    "GM_MAX_CLIENTS",
    "GSMTP_HOST_NAME",
    "GSMTP_LOG_FILE",
    "PID_FILE",
    "GSMTP_MAX_SIZE",
    "GSMTP_TIMEOUT",
    "GSMTP_PRV_KEY",
    "GSMTP_PUB_KEY",
    "GSTMP_LISTEN_INTERFACE",
    "GSMTP_LISTEN_INTERFACE",
    "GSMTP_MAIL_EXPIRE_SECONDS",
    "allowed_hosts",
    "backend_config",
    "log_file",
    "log_level",
    "verbose",
    "pid_file",
    "servers",
    "is_enabled",
    "host_name",
    "listen_interface",
    "max_size",
    "max_clients",
    "timeout",
    "start_tls_on",
    "tls_always_on",
    "private_key_file",
    "public_key_file",
    "protocols",
    "ciphers",
    "curves",
    "prefer_server_cipher_suites",
    "client_auth_type",
    "root_cas_file",
    "xclient_on",
    "proxyon",
    "save_process",
    "validate_process",
    "gw_save_timeout",
    "gw_val_rcpt_timeout",
    "maildir_path",
    "maildir_user_map",
    "fcgi_connection_type",
    "fcgi_connection_address",
    "fcgi_script_filename_save",
    "fcgi_script_filename_validate",
    "wildcard_hosts",
    "log_received_mails",
    "mail_table",
    "mysql_mail_table",
    "mysql_host",
    "mysql_user",
    "mysql_pass",
    "mysql_db",
    "sql_dsn",
    "sql_driver",
    "sql_max_open_conns",
    "redis_interface",
    "redis_expire_seconds",
    "GM_MAIL_TABLE",
];

pub(super) fn run(import: &Import) -> Outcome {
    let name = on_one_line(&import.file.display().to_string());
    let text = read(&import.file, &name)?;
    let Imported { yaml, remarks } = convert(&name, &text)?;
    let mut out = io::stdout();
    out.write_all(yaml.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Fault::new(Exit::IoErr, format!("cannot write the result: {error}")))?;
    for line in remarks {
        let _ = writeln!(io::stderr(), "maiasaura: {name}: {line}");
    }
    Ok(())
}

/// What becomes of a file.
#[derive(Debug)]
struct Imported {
    yaml: String,
    /// A line for each.
    remarks: Vec<String>,
}

fn convert(name: &str, text: &str) -> Result<Imported, Fault> {
    let (form, ledger) =
        form::read(text).map_err(|why| Fault::new(Exit::DataErr, format!("{name}{why}")))?;
    let mut draft = Draft::new(ledger);
    match form {
        Form::Flat => flat::import(&mut draft),
        Form::Gleez => gleez::import(&mut draft),
        Form::Typed | Form::Current | Form::Planned => servers::import(&mut draft, form),
    }
    absent::tell(&mut draft);
    let Draft {
        ledger,
        sheet,
        mut remarks,
    } = draft;
    remarks.sort_by_key(|remark| remark.keys.first().copied());
    let told = Told {
        ledger: &ledger,
        remarks: &remarks,
    };
    let yaml = format!("{}\n{}{}", head(name, form), sheet.yaml(), told.tail());
    hold(&yaml)?;
    Ok(Imported {
        yaml,
        remarks: told.lines().collect(),
    })
}

fn read(file: &Path, name: &str) -> Result<String, Fault> {
    let mut octets = Vec::new();
    let outcome = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets));
    if let Err(error) = outcome {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::IsADirectory => "this is a folder; name the file in it".to_owned(),
            ErrorKind::PermissionDenied => {
                "this user may not read it; run this as its owner".to_owned()
            }
            _ => format!("cannot be read: {error}"),
        };
        return Err(Fault::new(Exit::NoInput, format!("{name}: {why}")));
    }
    if octets.len() as u64 > LARGEST {
        let why = format!("{name}: this is more than {LARGEST} octets, and no configuration");
        return Err(Fault::new(Exit::DataErr, why));
    }
    let text = String::from_utf8(octets).map_err(|_| {
        let why = format!("{name}: this is not UTF-8; save the file in that encoding");
        Fault::new(Exit::DataErr, why)
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Whether our own program takes it.
fn hold(yaml: &str) -> Outcome {
    let environment: Environment = [("HOME", "/home")].into_iter().collect();
    let config = Config::parse(yaml, "result", &environment);
    let problem = match config {
        Ok(config) => match Recipients::new(&config.recipients()) {
            Ok(_) => return Ok(()),
            Err(error) => format!("{}: {:?} {}", error.key, error.value, error.message),
        },
        Err(error) => error.to_string(),
    };
    let why = format!("a fault of this program, please report it: {problem}");
    Err(Fault::new(Exit::Software, why))
}

fn head(name: &str, form: Form) -> String {
    comment(
        0,
        &format!("Made by `maiasaura import` from {name}: {form}."),
    ) + &comment(
        0,
        "Read it through; then look whether all is in order: maiasaura -c THIS-FILE check",
    ) + &comment(
        0,
        "Keys that are not here have their defaults; config/maiasaura.yaml explains all.",
    )
}

/// What a person has to know.
struct Told<'a> {
    ledger: &'a Ledger,
    remarks: &'a [Remark],
}

impl Told<'_> {
    /// As comments.
    fn tail(&self) -> String {
        if self.remarks.is_empty() {
            return String::new();
        }
        let mut tail = "\n".to_owned() + &comment(0, "What was not taken over, or not as it was:");
        let mut before: &[Id] = &[];
        for Remark { keys, why } in self.remarks {
            if keys != before {
                tail.push_str("#\n");
            }
            for id in keys.iter().filter(|_| keys != before) {
                let key = self.ledger.key(*id);
                let value = if absent::is_secret(key) {
                    "(not repeated here)".to_owned()
                } else {
                    self.ledger.value(*id).to_string()
                };
                tail.push_str(&comment(0, &format!("{key}: {value}")));
            }
            tail.push_str(&comment(0, &format!("  {why}.")).replace("\n# ", "\n#   "));
            before = keys;
        }
        tail
    }

    /// One line for each.
    fn lines(&self) -> impl Iterator<Item = String> {
        self.remarks.iter().map(|Remark { keys, why }| {
            let keys: Vec<&str> = keys.iter().map(|id| self.ledger.key(*id)).collect();
            on_one_line(&format!("{}: {why}", keys.join(", ")))
        })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", on_one_line(&self.message))
    }
}
