//! Is PHP as mail needs it? A probe is run by PHP-FPM and tells how PHP is set up.

mod advice;
mod probe;
mod sample;

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use self::advice::Advice;
pub(super) use self::sample::Sample;
use super::check::tell_if_open;
use super::say;
use crate::config::{BodyForm, Config, FastcgiConfig};
use crate::fastcgi::{Bridge, Endpoint, Settings};

/// How much is wrong with the way to PHP and with what it is told, said line by line; none where
/// the configuration has no PHP.
pub(super) fn faults(config: &Config, roots: &[PathBuf]) -> u32 {
    let Some(section) = &config.fastcgi else {
        return 0;
    };
    let settings = match section.settings() {
        Ok(settings) => settings,
        Err(error) => {
            say(&format!("FAULT {error}"));
            return 1;
        }
    };
    if let Some(file) = &section.secret_file {
        tell_if_open("fastcgi.secret_file", file);
    }
    if let Err(fault) = reached(&settings.endpoint) {
        say(&format!("FAULT PHP-FPM at {}: {fault}", settings.endpoint));
        return 1;
    }
    let paths = paths(section, &settings, roots);
    match examine(settings, &paths) {
        Ok(Some(found)) => {
            let advice = Advice {
                config,
                section,
                found: &found,
                paths: &paths,
            };
            advice.give()
        }
        Ok(None) => 0,
        Err(fault) => {
            say(&format!("FAULT {fault}"));
            1
        }
    }
}

/// What PHP has to find: the scripts first, and what it reads by itself.
fn paths(section: &FastcgiConfig, settings: &Settings, roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = vec![settings.save.file.clone()];
    if settings.validate.file != settings.save.file {
        paths.push(settings.validate.file.clone());
    }
    if section.body == BodyForm::Path {
        let made = roots.iter().filter(|root| root.is_dir());
        paths.extend(made.map(|root| root.canonicalize().unwrap_or_else(|_| root.clone())));
    }
    paths
}

/// Whether a socket is there, and ours to connect to.
fn reached(endpoint: &Endpoint) -> Result<(), String> {
    let Endpoint::Unix(path) = endpoint else {
        return Ok(());
    };
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket; start PHP-FPM, or write in \
             fastcgi.address what its pool has as `listen`"
            .to_owned(),
        _ => error.to_string(),
    })?;
    if !metadata.file_type().is_socket() {
        return Err("is no socket; write in fastcgi.address what the pool has as `listen`".into());
    }
    let uid = rustix::process::geteuid().as_raw();
    accessat(CWD, path.as_path(), Access::WRITE_OK, AtFlags::EACCESS).map_err(|error| {
        format!(
            "uid {uid}, as which this runs, may not connect: {}; write in the pool: \
             listen.owner = {uid}",
            io::Error::from(error)
        )
    })
}

/// What mends it that PHP could not be heard, where that is known.
fn remedy(why: &str) -> &'static str {
    let refused = io::Error::from(Errno::CONNREFUSED).to_string();
    if why.ends_with(&refused) {
        "; nobody listens there: start PHP-FPM, whose socket may outlast it"
    } else {
        ""
    }
}

/// Asks PHP how it is; nothing where it cannot see the probe, which was said.
fn examine(settings: Settings, paths: &[PathBuf]) -> Result<Option<probe::Found>, String> {
    let endpoint = settings.endpoint.clone();
    let script = settings.save.file.clone();
    let bridge = Bridge::new(settings);
    let beside = script.parent().unwrap_or(Path::new("/"));
    // PHP may be kept from the one, and we from the other.
    for folder in [std::env::temp_dir().as_path(), beside] {
        let Ok(probe) = probe::Probe::put(folder, paths) else {
            continue;
        };
        let run = smol::block_on(bridge.run(probe.path(), probe.token()));
        let output = run.map_err(|why| {
            let remedy = remedy(&why);
            format!("PHP-FPM at {endpoint}: {why}{remedy}")
        })?;
        if let Some(found) = probe.read(&output) {
            return Ok(Some(found));
        }
    }
    say(&format!(
        "warn  PHP-FPM at {endpoint}: answers, but runs no probe of ours, here in {} or beside \
         {}; how PHP is set up was not looked at",
        std::env::temp_dir().display(),
        script.display()
    ));
    Ok(None)
}
