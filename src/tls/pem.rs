//! Certificates and keys in PEM files (RFC 7468), in every usual form: PKCS#8, PKCS#1 and SEC1 keys,
//! chains, and all in one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::{Facts, TlsError, armor};

/// The files of a certificate with its chain, and of its key; both may be one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The certificate, and what leads from it to a root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A certificate with its key, ready for use.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The chain and the key.
    pub key: Arc<CertifiedKey>,
    /// What the certificate says.
    pub facts: Facts,
}

impl Pair {
    /// Reads both files. What does not belong together is an error.
    pub fn load(&self, provider: &CryptoProvider) -> Result<Identity, TlsError> {
        let certificate = read(&self.certificate)?;
        self.parse(&certificate, &read(&self.key)?, provider)
    }

    fn parse(
        &self,
        certificate: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Identity, TlsError> {
        let chain = certificates_in(&self.certificate, certificate)?;
        let key = private_key(&self.key, key)?;
        // Some tools write the chain from the root down.
        let mut outcome = pair(&chain, 0, &key, provider);
        for first in 1..chain.len() {
            if matches!(outcome, Err(Error::InconsistentKeys(_))) {
                outcome = pair(&chain, first, &key, provider);
            }
        }
        let certified = outcome.map_err(|error| self.mismatch(&error))?;
        let leaf = certified.cert.first().map_or(&[][..], |leaf| leaf.as_ref());
        let facts = Facts::of(leaf).map_err(|problem| TlsError::new(&self.certificate, problem))?;
        Ok(Identity {
            key: Arc::new(certified),
            facts,
        })
    }

    fn mismatch(&self, error: &Error) -> TlsError {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::new(
                &self.key,
                format!(
                    "is not the key of the certificate in {}; name the two that were made together",
                    self.certificate.display()
                ),
            ),
            error => TlsError::new(
                &self.key,
                format!(
                    "holds a key that cannot be used ({error}); write an RSA key of 2048 bits or more, \
                     or one of P-256, P-384 or Ed25519"
                ),
            ),
        }
    }
}

impl Identity {
    /// Reads the content of one file that holds the certificate, its chain and its key.
    pub fn parse(file: &Path, octets: &[u8], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let pair = Pair {
            certificate: file.to_owned(),
            key: file.to_owned(),
        };
        pair.parse(octets, octets, provider)
    }
}

/// The certificate at `first` before the others, with the key.
fn pair(
    chain: &[CertificateDer<'static>],
    first: usize,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let mut chain = chain.to_vec();
    chain[..=first].rotate_right(1);
    CertifiedKey::from_der(chain, key.clone_key(), provider)
}

/// All certificates in a file; at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates_in(file, &read(file)?)
}

fn certificates_in(file: &Path, octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    whole(file, octets)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(octets).collect();
    let certificates = certificates.map_err(|error| damaged(file, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::new(file, without(octets, "certificate")));
    }
    for certificate in &certificates {
        Facts::of(certificate).map_err(|problem| TlsError::new(file, problem))?;
    }
    Ok(certificates)
}

fn private_key(file: &Path, octets: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    whole(file, octets)?;
    match PrivateKeyDer::from_pem_slice(octets) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsError::new(file, without(octets, "key"))),
        Err(error) => Err(damaged(file, &error)),
    }
}

/// Refuses a file that is not written to its end.
fn whole(file: &Path, octets: &[u8]) -> Result<(), TlsError> {
    armor::fault(octets).map_or(Ok(()), |fault| {
        Err(TlsError::new(file, format!("{fault}; write it again")))
    })
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| {
        let mend = match error.kind() {
            io::ErrorKind::NotFound => "; write the path of a PEM file that is there",
            io::ErrorKind::PermissionDenied => {
                "; give the user of this program the right to read it and its folders"
            }
            io::ErrorKind::IsADirectory => "; write the path of a file in it",
            _ => "",
        };
        TlsError::new(file, format!("cannot be read: {error}{mend}"))
    })
}

fn damaged(file: &Path, error: &pem::Error) -> TlsError {
    TlsError::new(
        file,
        format!("is no whole PEM file ({error:?}); write it again"),
    )
}

/// Why there is no certificate, or no key, in these octets.
fn without(octets: &[u8], wanted: &str) -> String {
    let has = |text: &str| memchr::memmem::find(octets, text.as_bytes()).is_some();
    let is_key = wanted == "key";
    if octets.is_empty() {
        "is empty; write it again".into()
    } else if is_key && (has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED")) {
        "holds a key that is locked with a passphrase; unlock it with: openssl pkey -in KEY -out NEW".into()
    } else if octets.first() == Some(&0x30) {
        let command = if is_key { "pkey" } else { "x509" };
        format!(
            "is DER and not PEM; make PEM of it with: openssl {command} -inform der -in FILE -out NEW"
        )
    } else if is_key && has("BEGIN CERTIFICATE") {
        "holds certificates and no key; write the file of the key as `key`".into()
    } else if !is_key && has("PRIVATE KEY") {
        "holds a key and no certificate; write the file of the certificate as `certificate`".into()
    } else {
        let begin = if is_key { "PRIVATE KEY" } else { "CERTIFICATE" };
        format!("holds no {wanted}; write a PEM file that has -----BEGIN {begin}-----")
    }
}
