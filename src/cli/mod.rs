//! The command line: one file per subcommand.
#![allow(
    clippy::doc_markdown,
    reason = "--help shows these comments as they are"
)]

#[cfg(feature = "acme")]
mod acme;
mod address;
mod certificates;
mod check;
mod content;
mod deliver;
#[cfg(feature = "fastcgi")]
mod doctor;
mod ending;
mod exit;
mod explain;
mod files;
mod foreground;
mod import;
#[cfg(feature = "mysql")]
mod mysql;
mod passwd;
mod questions;
mod queue;
#[cfg(feature = "redis")]
mod redis;
mod schema;
mod serve;
#[cfg(feature = "redis")]
mod stream;
mod terminal;
mod trust;
#[cfg(feature = "redis")]
mod work;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

use crate::config::{Config, ConfigError, Source};

/// What signals do to those that run on.
const SIGNALS: &str = "\
Signals: INT and TERM finish what has begun and stop, HUP takes the configuration as it is now, all of it or
nothing, USR1 opens the log files anew.";

const EXAMPLES: &str = "\
Examples:
  maiasaura                              receive on 127.0.0.1:2525 with the defaults
  maiasaura serve -c mail.yaml           receive as mail.yaml says
  maiasaura check -c mail.yaml           is everything in order?
  maiasaura explain bob@example.org      where does mail for bob go, and why?
  maiasaura deliver -f a@x.org b@y.org   deliver a message from standard input
  maiasaura passwd alice                 give alice a password to log in with
  maiasaura queue list                   which mail do applications not have yet?
  maiasaura schema mysql --apply         make the table that rows go into
  maiasaura import goguerrilla.conf.json > mail.yaml
                                         go on with the configuration of go-guerrilla";

/// A Maildir-first local delivery agent: SMTP, LMTP or a pipe in, durable Maildirs out.
#[derive(Debug, Parser)]
#[command(name = "maiasaura", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Program {
    /// Configuration file [otherwise $MAIASAURA_CONFIG, config/maiasaura.yaml,
    /// /etc/maiasaura/maiasaura.yaml, or the embedded defaults].
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(flatten)]
    serve: serve::Serve,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive mail in the foreground (the default).
    Serve(serve::Serve),
    /// Deliver one message from standard input; sysexits codes.
    Deliver(deliver::Deliver),
    /// Look whether the configuration and all that it names is in order.
    Check(check::Check),
    /// Tell what would happen to mail for an address, and why.
    Explain(explain::Explain),
    /// What waits for applications that get their mail later: list, show, retry, drop, replay.
    Queue(queue::Arguments),
    /// Deliver the mail that receivers have put into streams of Redis.
    #[cfg(feature = "redis")]
    Work(work::Work),
    /// What waits in streams of Redis, and the dead ones: list, replay, drop.
    #[cfg(feature = "redis")]
    Stream(stream::Arguments),
    /// Print a configuration of go-guerrilla, MailDiranasaurus or gleez/smtpd as one of ours.
    Import(import::Import),
    /// The table that MySQL is to have: print it, or --apply it.
    Schema(schema::Schema),
    /// Users who may log in: add one, change a password, --verify one, --delete one.
    Passwd(passwd::Passwd),
    /// Print the version.
    Version,
}

/// Runs the program and returns its exit code. Errors are one line on standard
/// error: what is wrong and how to mend it.
pub fn main() -> ExitCode {
    let arguments = match Program::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if arguments.command.is_some() && arguments.serve.is_given() {
        let _ = writeln!(
            io::stderr(),
            "maiasaura: write --listen and --pid-file after the command that they are for, serve or work"
        );
        return Exit::Usage.into();
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !fault.message.is_empty() {
                let _ = writeln!(io::stderr(), "maiasaura: {}", fault.message);
            }
            fault.exit.into()
        }
    }
}

fn run(arguments: Program) -> Result<(), Fault> {
    let load = || Config::load(arguments.config.as_deref());
    match arguments.command {
        None => serve::run(load, &arguments.serve),
        Some(Command::Serve(serve)) => serve::run(load, &serve),
        Some(Command::Deliver(deliver)) => deliver::run(load, &deliver),
        Some(Command::Check(check)) => check::run(load, &check),
        Some(Command::Explain(explain)) => explain::run(load, &explain),
        Some(Command::Queue(arguments)) => queue::run(load, &arguments),
        #[cfg(feature = "redis")]
        Some(Command::Work(arguments)) => work::run(load, &arguments),
        #[cfg(feature = "redis")]
        Some(Command::Stream(arguments)) => stream::run(load, &arguments),
        Some(Command::Import(import)) => import::run(&import),
        Some(Command::Schema(schema)) => schema::run(load, &schema),
        Some(Command::Passwd(arguments)) => passwd::run(load, &arguments),
        Some(Command::Version) => {
            say(&format!("maiasaura {}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    }
}

/// How a subcommand ends when it fails.
#[derive(Debug)]
struct Fault {
    exit: Exit,
    message: String,
}

impl Fault {
    fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<crate::daemon::StartError> for Fault {
    fn from(error: crate::daemon::StartError) -> Self {
        use crate::daemon::StartError;
        let exit = match &error {
            StartError::Config(_) => Exit::Config,
            StartError::Bind { .. } | StartError::Taken(_) => Exit::Unavailable,
            StartError::Io(_) | StartError::Within | StartError::Busy => Exit::Software,
        };
        Self::new(exit, error)
    }
}

type Outcome = Result<(), Fault>;
type Loaded = Result<(Config, Source), ConfigError>;

/// A line on standard output. That nobody reads it is no fault.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Program::command().debug_assert();
    }
}
