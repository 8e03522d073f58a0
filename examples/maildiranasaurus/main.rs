//! `MailDiranasaurus` on this crate: a receiver with `MailDir` and FastCGI, in a page. README.md
//! beside this file is the way from the old one to this one.
//!
//! ```sh
//! cargo run --example maildiranasaurus -- serve -c examples/maildiranasaurus/maildiranasaurus.yaml
//! ```

use std::error::Error;
use std::path::PathBuf;

use maiasaura::daemon::{
    LogSettings, Logging, Request, Running, descriptors, log_settings, requests,
};
use maiasaura::{Config, Daemon};

const USAGE: &str = "usage: maildiranasaurus serve [-c FILE] [-p PID-FILE] | version";

/// What is said when it is called, as before.
struct Arguments {
    config: PathBuf,
    pid_file: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("version") => {
            println!("maildiranasaurus {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Some("serve") => serve(&arguments(words)?),
        _ => Err(USAGE.into()),
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, &'static str> {
    let mut arguments = Arguments {
        config: "maildiranasaurus.yaml".into(),
        pid_file: None,
    };
    while let Some(word) = words.next() {
        let value = words.next().map(PathBuf::from).ok_or(USAGE)?;
        match word.as_str() {
            "-c" | "--config" => arguments.config = value,
            "-p" | "--pidFile" => arguments.pid_file = Some(value),
            _ => return Err(USAGE),
        }
    }
    Ok(arguments)
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (mut config, source) = Config::load(Some(&arguments.config))?;
    config.pid_file = arguments.pid_file.clone().or(config.pid_file);
    let logging = Logging::start(&LogSettings {
        crates: vec!["maildiranasaurus".into()],
        ..log_settings(&config)
    })?;
    // MailDir and FastCGI are there already; `.processor` and `.processor_with` add yours.
    let daemon = Daemon::from_source(config, source).logging(&logging);
    let signals = requests()?;
    descriptors::raise();
    let running = daemon.start()?;
    descriptors::warn(&running.descriptors());
    for address in running.addresses() {
        log::info!("listening on {address}");
    }
    for signal in signals {
        match signal {
            Request::Reload => reload(&running, arguments),
            Request::ReopenLog => running.reopen_logs(),
            Request::Stop => break,
        }
    }
    log::info!("shutting down");
    running.shutdown();
    logging.flush();
    Ok(())
}

/// HUP: all of the file as it is now, or nothing.
fn reload(running: &Running, arguments: &Arguments) {
    let reloaded = Config::load(Some(&arguments.config))
        .map_err(|error| error.to_string())
        .and_then(|(mut config, source)| {
            config.pid_file = arguments.pid_file.clone().or(config.pid_file);
            let reloaded = running.reload_from(config, &source);
            reloaded.map_err(|error| error.to_string())
        });
    match reloaded {
        Ok(reloaded) => log::info!("reloaded: {reloaded}"),
        Err(error) => log::error!("{error}"),
    }
}
