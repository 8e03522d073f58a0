//! Certificates that are obtained by themselves.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor, value};

use super::Config;
use super::check::{Outcome, refuse};
use super::listeners::{address, parse_address};
use super::scalars::{Scalar, texts, words};
use crate::server::Address;
use crate::smtp::address::Domain;

const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// What Let's Encrypt puts into one certificate.
const MOST_DOMAINS: usize = 100;

/// A certificate from Let's Encrypt, or from another directory that speaks ACME.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct AcmeConfig {
    /// The names that it is for (default: our name).
    #[serde(deserialize_with = "texts")]
    pub domains: Vec<String>,
    /// Whom the directory writes to, such as mailto:postmaster@example.org (default: nobody).
    #[serde(deserialize_with = "texts")]
    pub contact: Vec<String>,
    /// Whom it is from (default: production).
    pub directory: AcmeDirectory,
    /// The PEM file of the CA that has signed the directory's own certificate (default: the public
    /// ones are trusted).
    pub directory_ca: Option<PathBuf>,
    /// The folder for the account and the certificate (default: acme).
    pub cache: PathBuf,
    /// How it is shown that the names are ours (default: tls-alpn-01).
    pub challenge: ChallengeKind,
    /// Where the directory asks for that (default: port 443, or 80 for http-01, of all addresses).
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<Address>,
}

/// Whom a certificate is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AcmeDirectory {
    /// Let's Encrypt.
    #[default]
    Production,
    /// Let's Encrypt for tests: nobody trusts its certificates.
    Staging,
    /// The URL of another one.
    Url(String),
}

words! {
    /// How it is shown that a name is ours.
    pub enum ChallengeKind {
        /// By a certificate on port 443 (RFC 8737).
        #[default]
        TlsAlpn01 = "tls-alpn-01",
        /// By a file on port 80 (RFC 8555 section 8.3).
        Http01 = "http-01",
    }
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            contact: Vec::new(),
            directory: AcmeDirectory::default(),
            directory_ca: None,
            cache: "acme".into(),
            challenge: ChallengeKind::default(),
            listen: Vec::new(),
        }
    }
}

impl AcmeDirectory {
    /// Where it is.
    pub fn url(&self) -> &str {
        match self {
            Self::Production => PRODUCTION,
            Self::Staging => STAGING,
            Self::Url(url) => url,
        }
    }
}

impl<'de> Deserialize<'de> for AcmeDirectory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text {
            "production" => Ok(Self::Production),
            "staging" => Ok(Self::Staging),
            url if is_url(url) => Ok(Self::Url(url.to_owned())),
            other => Err(format!(
                "{other:?} is no directory; write production or staging for Let's Encrypt, \
                 or the https:// URL of another one"
            )),
        };
        deserializer.deserialize_any(Scalar {
            expected: "production, staging, or the https:// URL of a directory",
            read,
        })
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let is_safe = |c: char| c.is_ascii_graphic();
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(is_safe))
}

/// One of them, or a list.
fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(deserialize_with = "address")] Address);
    struct OneOrList;
    impl<'de> Visitor<'de> for OneOrList {
        type Value = Vec<Address>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address such as 0.0.0.0:443, or a list of them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<Address>, E> {
            parse_address(text).map(|it| vec![it]).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<Address>, A::Error> {
            let list = Vec::deserialize(value::SeqAccessDeserializer::new(list))?;
            Ok(list.into_iter().map(|One(address)| address).collect())
        }
    }
    deserializer.deserialize_any(OneOrList)
}

impl AcmeConfig {
    /// Where challenges are answered. Without a choice, IPv6 is tried and may be missing.
    pub fn addresses(&self) -> Vec<(Address, bool)> {
        if !self.listen.is_empty() {
            return self.listen.iter().map(|it| (it.clone(), true)).collect();
        }
        let port = match self.challenge {
            ChallengeKind::TlsAlpn01 => 443,
            ChallengeKind::Http01 => 80,
        };
        let v4 = Address::Tcp((Ipv4Addr::UNSPECIFIED, port).into());
        let v6 = Address::Tcp((Ipv6Addr::UNSPECIFIED, port).into());
        vec![(v4, true), (v6, false)]
    }

    /// The names as they are in the DNS, each once; `own` is ours.
    fn names(&self, own: &str) -> Vec<Result<String, String>> {
        let mut names: Vec<Result<String, String>> = Vec::new();
        let own = [own.to_owned()];
        let written = if self.domains.is_empty() {
            &own[..]
        } else {
            &self.domains
        };
        for name in written {
            let name = ascii(name.trim());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn check(&self, own: &str) -> Outcome {
        let missing = "ACME is not in this build: build with `--features acme`, or write \
                       certificate: FILE, key: FILE";
        refuse(cfg!(not(feature = "acme")), "tls.acme", missing)?;
        let names = self.names(own);
        let is_public = !matches!(self.directory, AcmeDirectory::Url(_));
        for (index, name) in names.iter().enumerate() {
            let key = match self.domains.get(index) {
                Some(_) => format!("tls.acme.domains[{index}]"),
                None => "tls.acme".to_owned(),
            };
            let wrong = name.as_ref().err().cloned().unwrap_or_default();
            refuse(name.is_err(), key.clone(), wrong)?;
            let is_local = name.as_ref().is_ok_and(|name| !name.contains('.'));
            let message = format!(
                "{:?} is not a name on the Internet, so nobody can tell that it is ours; \
                 write domains: [mx.example.org]",
                name.as_deref().unwrap_or_default()
            );
            refuse(is_public && is_local, key, message)?;
        }
        let message = format!(
            "{} are too many for one certificate; write {MOST_DOMAINS} or fewer",
            names.len()
        );
        refuse(names.len() > MOST_DOMAINS, "tls.acme.domains", message)?;
        for (index, contact) in self.contact.iter().enumerate() {
            let message = format!(
                "{contact:?} is no address; write one such as mailto:postmaster@example.org"
            );
            let key = format!("tls.acme.contact[{index}]");
            refuse(!contact.contains('@'), key, message)?;
        }
        let is_unix = |address: &Address| matches!(address, Address::Unix(..));
        let message = "the directory connects by TCP; write an IP address and a port";
        refuse(self.listen.iter().any(is_unix), "tls.acme.listen", message)?;
        let is_empty = self.cache.as_os_str().is_empty();
        let message = "an empty path leads nowhere; write that of a folder";
        refuse(is_empty, "tls.acme.cache", message)
    }
}

/// A host name in A-labels (RFC 5890 section 2.3.2.1).
fn ascii(name: &str) -> Result<String, String> {
    if name.starts_with("*.") {
        return Err(format!(
            "{name:?} cannot be proved by either challenge; write out the names that are needed"
        ));
    }
    let wrong = || format!("{name:?} is not a host name; write one such as mx.example.org");
    let ascii = idna::domain_to_ascii_strict(name).map_err(|_| wrong())?;
    let is_address = ascii.parse::<Ipv4Addr>().is_ok();
    match Domain::parse(&ascii) {
        Ok(_) if !is_address && !ascii.starts_with('[') => Ok(ascii),
        _ => Err(wrong()),
    }
}

impl Config {
    /// How certificates are obtained, if they are.
    #[cfg(feature = "acme")]
    pub fn acme(&self) -> Option<crate::acme::Settings> {
        let section = self.tls.acme.as_ref()?;
        let names = section.names(&self.hostname());
        let contact = section.contact.iter().map(|contact| {
            if contact.contains(':') {
                contact.clone()
            } else {
                format!("mailto:{contact}")
            }
        });
        Some(crate::acme::Settings {
            domains: names.into_iter().flatten().collect(),
            contact: contact.collect(),
            directory: section.directory.url().to_owned(),
            directory_ca: section.directory_ca.clone(),
            cache: section.cache.clone(),
            challenge: match section.challenge {
                ChallengeKind::TlsAlpn01 => crate::acme::Challenge::TlsAlpn01,
                ChallengeKind::Http01 => crate::acme::Challenge::Http01,
            },
        })
    }
}
