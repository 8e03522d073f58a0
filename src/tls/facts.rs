//! What a certificate says (RFC 5280 section 4.1).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use mail_parser::DateTime;
use ring::digest::{SHA256, SHA384, SHA512, digest};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const DAY: u64 = 24 * 60 * 60;

/// What a certificate says of itself, for people, logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its common name, else its first other name.
    pub subject: String,
    /// The names and addresses that it is for, in lower case; `*.example.org` is every name one
    /// label below.
    pub names: Vec<String>,
    /// From when it holds, in seconds since 1970.
    pub not_before: i64,
    /// Until when it holds, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of it: 64 hexadecimal digits.
    pub fingerprint: String,
    /// Its hash as `tls-server-end-point` has it (RFC 5929 section 4.1); none where that is not
    /// defined, for Ed25519 say.
    pub end_point: Option<Vec<u8>>,
}

impl Facts {
    /// Reads a certificate in DER.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| format!("holds a certificate that is damaged ({error})"))?;
        let names = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let common = certificate.subject().iter_common_name().next();
        let common = common.and_then(|name| name.as_str().ok().map(str::to_owned));
        let first = || names.first().cloned();
        Ok(Self {
            subject: common.or_else(first).unwrap_or_default(),
            names,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint: fingerprint(der),
            end_point: end_point(&certificate, der),
        })
    }

    /// Whether it is for this name; a star stands for one label (RFC 6125 section 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.trim_matches(['[', ']']);
        let parent = host.split_once('.');
        let parent = parent.and_then(|(label, parent)| (!label.is_empty()).then_some(parent));
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(suffix) => parent == Some(suffix),
            None => name == host,
        })
    }

    /// Whole days until it expires; negative when it has.
    pub fn days_left(&self) -> i64 {
        (self.not_after - now()).div_euclid(DAY.cast_signed())
    }

    /// Whether it holds now.
    pub fn is_current(&self) -> bool {
        (self.not_before..=self.not_after).contains(&now())
    }

    /// When it expires, as RFC 3339 has it.
    pub fn expires(&self) -> String {
        DateTime::from_timestamp(self.not_after).to_rfc3339()
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*octets).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// The hash of its signature, or SHA-256 for one that is weaker.
fn end_point(certificate: &X509Certificate<'_>, der: &[u8]) -> Option<Vec<u8>> {
    let signature = certificate.signature_algorithm.algorithm.to_id_string();
    let algorithm = match &*signature {
        // MD5, SHA-1 and SHA-256 with RSA, SHA-1 and SHA-256 with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &SHA512,
        _ => return None,
    };
    Some(digest(algorithm, der).as_ref().to_vec())
}

/// SHA-256 of a certificate, or of other octets: 64 hexadecimal digits.
pub fn fingerprint(der: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for octet in digest(&SHA256, der).as_ref() {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since: Duration = since.unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
