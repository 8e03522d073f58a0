//! The account and the certificate on disk.
//!
//! `CACHE/DIRECTORY/account.pem` and `CACHE/DIRECTORY/certificate.pem`, the latter with its key: two
//! files would not be replaced in one step. And `CACHE/DIRECTORY/pause`, while the directory is left
//! alone. Only their owner can read them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rcgen_013::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::Settings;
use super::pause::Pause;
use super::renewal::now;
use crate::tls::{Identity, TlsError, fingerprint};

const ACCOUNT: &str = "account.pem";
const CERTIFICATE: &str = "certificate.pem";
const PAUSE: &str = "pause";

/// The folder of one directory.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In `cache`, the folder for the directory with this URL: the certificate of a test is not to
    /// be mistaken for one that counts.
    pub fn new(cache: &Path, directory: &str) -> Self {
        Self {
            folder: cache.join(name(directory)),
        }
    }

    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join(CERTIFICATE)
    }

    /// Makes the folder, and finds out whether it can be written to.
    pub fn prepare(&self) -> Result<(), TlsError> {
        let fault = |error: io::Error| {
            let problem = format!(
                "no certificate can be kept there: {error}; give the user of this program the \
                 right to write to it, or write another folder as cache"
            );
            TlsError::new(&self.folder, problem)
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.folder).map_err(fault)?;
        let mode = Permissions::from_mode(0o700);
        fs::set_permissions(&self.folder, mode).map_err(fault)?;
        let probe = self.folder.join(".probe");
        write(&probe, b"").map_err(fault)?;
        fs::remove_file(&probe).map_err(fault)
    }

    /// The key of the account in PKCS#8, which is made when there is none.
    pub fn account(&self) -> Result<Vec<u8>, TlsError> {
        let file = self.folder.join(ACCOUNT);
        let fault = |problem: String| TlsError::new(&file, problem);
        match fs::read(&file) {
            Ok(pem) => {
                let key = PrivatePkcs8KeyDer::from_pem_slice(&pem);
                let key = key.map(|key| key.secret_pkcs8_der().to_vec());
                key.map_err(|_| {
                    fault("is no key; remove it, and there will be a new account".into())
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
                let key = key.map_err(|error| fault(format!("no key can be made: {error}")))?;
                self.keep(ACCOUNT, key.serialize_pem().as_bytes())?;
                Ok(key.serialize_der())
            }
            Err(error) => Err(fault(format!("cannot be read: {error}"))),
        }
    }

    /// The certificate, if there is one.
    pub fn certificate(&self, provider: &CryptoProvider) -> Result<Option<Identity>, TlsError> {
        let file = self.certificate_file();
        match fs::read(&file) {
            Ok(pem) => Identity::parse(&file, &pem, provider).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TlsError::new(&file, format!("cannot be read: {error}"))),
        }
    }

    /// Puts a certificate in the place of the one that is there.
    pub fn keep_certificate(&self, pem: &str) -> Result<(), TlsError> {
        self.keep(CERTIFICATE, pem.as_bytes())
    }

    pub fn pause_file(&self) -> PathBuf {
        self.folder.join(PAUSE)
    }

    /// The pause that is kept, if it is for who wants this.
    pub fn pause(&self, settings: &Settings) -> Result<Option<Pause>, TlsError> {
        let file = self.pause_file();
        let fault = |problem: String| TlsError::new(&file, problem);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| fault(format!("cannot be read: {error}")))?,
        };
        let pause = Pause::parse(&text, now());
        let pause = pause.ok_or_else(|| fault("makes no sense; remove it".into()))?;
        Ok(Some(pause).filter(|pause| pause.is_for(settings)))
    }

    /// Keeps one for the next start.
    pub fn keep_pause(&self, pause: &Pause) -> Result<(), TlsError> {
        self.keep(PAUSE, pause.to_string().as_bytes())
    }

    /// There is none any more.
    pub fn end_pause(&self) -> Result<(), TlsError> {
        let file = self.pause_file();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let problem = format!("cannot be removed: {error}");
                Err(TlsError::new(&file, problem))
            }
            _ => Ok(()),
        }
    }

    /// After a crash there is the old file or the new one.
    fn keep(&self, name: &str, octets: &[u8]) -> Result<(), TlsError> {
        let file = self.folder.join(name);
        let new = self.folder.join(format!(".{name}.new"));
        let outcome = write(&new, octets)
            .and_then(|()| fs::rename(&new, &file))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        outcome.map_err(|error| TlsError::new(&file, format!("cannot be written: {error}")))
    }
}

/// A new file that only its owner can read, synced.
fn write(file: &Path, octets: &[u8]) -> io::Result<()> {
    // What an interrupted one left has perhaps another mode.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// A name for people, with a hash since the host alone does not tell directories apart.
fn name(directory: &str) -> String {
    let rest = directory.strip_prefix("https://").unwrap_or(directory);
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let hash = &fingerprint(directory.as_bytes())[..8];
    let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let host: String = host.chars().filter(|&c| is_safe(c)).collect();
    format!("{}-{hash}", host.trim_start_matches('.'))
}
