//! `maiasaura passwd NAME`: who may log in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Exit, Fault, Loaded, Outcome, say, terminal};
use crate::credentials::{
    self, CredentialsError, Entry, FileLock, Fingerprint, Table, check_name, find, fingerprint,
};
use crate::smtp::sasl::{Claim, ITERATIONS, Keys, prepare};
use crate::tls;

/// Arguments of `passwd`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 64 wrong arguments, 67 no such user, 74 a file, 77 another password, 78 configuration."
)]
pub(super) struct Passwd {
    /// The file of users [otherwise auth.users of the configuration].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Take the user away.
    #[arg(long, conflicts_with_all = ["verify", "certificate", "no_scram"])]
    delete: bool,

    /// Only look whether this is the password.
    #[arg(long, conflicts_with_all = ["certificate", "no_scram"])]
    verify: bool,

    /// Let the user log in with this certificate, too: a PEM file, or its SHA-256 in hexadecimal
    /// digits. No password is asked for.
    #[arg(long, value_name = "FILE|DIGITS", conflicts_with = "no_scram")]
    certificate: Option<String>,

    /// Keep no keys for SCRAM-SHA-256: whoever steals the file then has only argon2id to guess
    /// from, and clients must tell us the password.
    #[arg(long)]
    no_scram: bool,

    /// The user.
    name: String,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Passwd) -> Outcome {
    let path = file(load, arguments)?;
    let usage = |message| Fault::new(Exit::Usage, message);
    let name = prepare(&arguments.name).unwrap_or_default();
    check_name(&name).map_err(|message| usage(format!("{:?}: {message}", arguments.name)))?;
    if arguments.verify {
        return verify(&path, &name);
    }
    // Nobody is to wait for somebody else's typing, so the file is locked after that.
    let changed = match arguments {
        Passwd { delete: true, .. } => None,
        Passwd {
            certificate: Some(certificate),
            ..
        } => Some(Changed::Certificate(certificate_of(certificate)?)),
        _ => Some(Changed::Password(new_password(&name)?)),
    };
    let lock = FileLock::take(&path)?;
    let text = lock.read()?;
    let old = find(&text, &name);
    let entry = match changed {
        None if old.is_none() => return Err(no_such_user(&name)),
        None => None,
        Some(changed) => Some(changed.apply(old.clone().unwrap_or_default(), arguments.no_scram)?),
    };
    let text = credentials::write(&text, &name, entry.as_ref()).map_err(usage)?;
    lock.replace(&text)?;
    let done = match (&old, &entry) {
        (_, None) => "taken away",
        (None, _) => "added",
        (Some(_), _) => "changed",
    };
    say(&format!("{name}: {done}, in {}", path.display()));
    Ok(())
}

/// The file that is meant.
fn file(load: impl FnOnce() -> Loaded, arguments: &Passwd) -> Result<PathBuf, Fault> {
    if let Some(file) = &arguments.file {
        return Ok(file.clone());
    }
    let (config, source) = load()?;
    let missing = "there is no file of users; write auth: {users: FILE}, or name one with --file";
    let users = config.auth.users;
    users.ok_or_else(|| source.error("auth.users", missing).into())
}

/// What a user gets.
enum Changed {
    Password(String),
    Certificate(Fingerprint),
}

impl Changed {
    fn apply(self, old: Entry, no_scram: bool) -> Result<Entry, Fault> {
        let mut entry = old;
        match self {
            Self::Certificate(certificate) => {
                if !entry.certificates.contains(&certificate) {
                    entry.certificates.push(certificate);
                }
            }
            Self::Password(password) => {
                let salt = credentials::random::<16>().map_err(failed)?;
                let keys = || Keys::new(&password, salt.to_vec(), ITERATIONS);
                entry.keys = (!no_scram).then(keys);
                entry.hash = Some(credentials::hash(&password).map_err(failed)?);
            }
        }
        Ok(entry)
    }
}

fn new_password(name: &str) -> Result<String, Fault> {
    let password =
        terminal::password(&format!("New password of {name}: "), true).map_err(failed)?;
    prepare(&password).filter(|it| !it.is_empty()).ok_or_else(|| {
        let message = "the password holds a character that not every client sends alike (SASLprep, \
                       RFC 4013): a control character, or one that is newer than Unicode 3.2";
        Fault::new(Exit::DataErr, message)
    })
}

/// The fingerprint of a certificate, or of that in a file.
fn certificate_of(text: &str) -> Result<Fingerprint, Fault> {
    if let Ok(fingerprint) = fingerprint(text) {
        return Ok(fingerprint);
    }
    let fault = |error: &dyn std::fmt::Display| {
        let message = format!(
            "{text}: {error}; name a PEM file with a certificate, or its SHA-256 in hexadecimal digits"
        );
        Fault::new(Exit::DataErr, message)
    };
    let pem = fs::read(text).map_err(|error| fault(&error))?;
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| fault(&error))?;
    Ok(tls::fingerprint(&certificate))
}

fn verify(path: &Path, name: &str) -> Outcome {
    let text = FileLock::take(path)?.read()?;
    let entry = find(&text, name).ok_or_else(|| no_such_user(name))?;
    let password = terminal::password(&format!("Password of {name}: "), false).map_err(failed)?;
    let password = prepare(&password).unwrap_or_default();
    let table = Table::parse(&text).map_err(|(_, message)| Fault::new(Exit::Config, message))?;
    let claim = Claim {
        login: name.to_owned(),
        password,
    };
    let is_right = table.has_password(&claim);
    let is_right_for_scram = entry
        .keys
        .is_none_or(|keys| Keys::new(&claim.password, keys.salt.clone(), keys.iterations) == keys);
    match (is_right, is_right_for_scram) {
        (true, true) => {
            say(&format!("{name}: that is the password"));
            Ok(())
        }
        (false, _) => Err(Fault::new(
            Exit::NoPerm,
            format!("{name}: that is not the password"),
        )),
        (true, false) => Err(Fault::new(
            Exit::NoPerm,
            format!(
                "{name}: that is the password, but the keys for SCRAM are those of another; set it anew"
            ),
        )),
    }
}

fn no_such_user(name: &str) -> Fault {
    Fault::new(Exit::NoUser, format!("there is no user {name}"))
}

fn failed(error: io::Error) -> Fault {
    Fault::new(Exit::IoErr, error)
}

impl From<CredentialsError> for Fault {
    fn from(error: CredentialsError) -> Self {
        let exit = match &error {
            CredentialsError::Io { .. } => Exit::IoErr,
            CredentialsError::Line { .. } => Exit::Config,
        };
        Self::new(exit, error)
    }
}
