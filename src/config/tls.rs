//! What encrypts connections.

pub(super) mod check;

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor, value};

use super::scalars::words;
use super::{AcmeConfig, Config, ListenerConfig};
use crate::server::Address;
use crate::smtp::StartTls;
use crate::tls::{Demand, Pair, Settings, Version};

/// Certificates, and what is asked of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct TlsConfig {
    /// The PEM file of the certificate and its chain (default: none).
    pub certificate: Option<PathBuf>,
    /// That of its key (default: the same file).
    pub key: Option<PathBuf>,
    /// More certificates, each for the names in it (default: none).
    pub certificates: Vec<PairConfig>,
    /// A certificate that is obtained by itself (default: none).
    pub acme: Option<AcmeConfig>,
    /// The oldest version of TLS (default: 1.2).
    pub min_version: MinVersion,
    /// The PEM file of the CA whose certificates prove who a client is (default: none, and nobody
    /// is asked).
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have one of those (default: request).
    pub client_certificates: Asked,
}

/// A certificate and its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a section with a certificate"
)]
pub struct PairConfig {
    /// The PEM file of the certificate and its chain.
    pub certificate: Option<PathBuf>,
    /// That of its key (default: the same file).
    pub key: Option<PathBuf>,
}

/// How one listener is encrypted: a word, or a section in which what is left out is that of the
/// whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerTlsConfig {
    /// Whether, and from when on; see [`Config::mode`].
    pub mode: Option<Mode>,
    /// Instead of all certificates of the whole configuration.
    pub certificate: Option<PathBuf>,
    /// The key of that.
    pub key: Option<PathBuf>,
    /// More certificates.
    pub certificates: Vec<PairConfig>,
    /// The oldest version of TLS.
    pub min_version: Option<MinVersion>,
    /// The CA of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have a certificate.
    pub client_certificates: Option<Asked>,
}

words! {
    /// Whether a listener is encrypted, and from when on.
    pub enum Mode {
        /// It is not.
        #[default]
        Off = "off",
        /// When a client says STARTTLS.
        StartTls = "starttls",
        /// The same, and who does not say so can send nothing.
        Required = "required",
        /// From the first octet on.
        Implicit = "implicit",
    }
}

words! {
    /// Whether clients must have a certificate.
    pub enum Asked {
        /// They are asked and may have none.
        #[default]
        Request = "request",
        /// They must.
        Require = "require",
    }
}

/// The oldest version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl<'de> Deserialize<'de> for MinVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = MinVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"1.2\" or \"1.3\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<MinVersion, E> {
                match text {
                    "1.2" => Ok(MinVersion::Tls12),
                    "1.3" => Ok(MinVersion::Tls13),
                    other => Err(E::custom(format!(
                        "{other:?} is not a version that is safe to use; write \"1.2\" or \"1.3\""
                    ))),
                }
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<MinVersion, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// As [`ListenerTlsConfig`].
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    mode: Option<Mode>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    certificates: Vec<PairConfig>,
    min_version: Option<MinVersion>,
    client_ca: Option<PathBuf>,
    client_certificates: Option<Asked>,
}

impl<'de> Deserialize<'de> for ListenerTlsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrSection;
        impl<'de> Visitor<'de> for WordOrSection {
            type Value = ListenerTlsConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("off, starttls, required, implicit, or a section with a mode")
            }

            fn visit_unit<E: Error>(self) -> Result<ListenerTlsConfig, E> {
                Ok(ListenerTlsConfig::default())
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<ListenerTlsConfig, E> {
                let mode = Mode::deserialize(value::StrDeserializer::new(word))?;
                Ok(ListenerTlsConfig {
                    mode: Some(mode),
                    ..ListenerTlsConfig::default()
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListenerTlsConfig, A::Error> {
                let section = Section::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(ListenerTlsConfig {
                    mode: section.mode,
                    certificate: section.certificate,
                    key: section.key,
                    certificates: section.certificates,
                    min_version: section.min_version,
                    client_ca: section.client_ca,
                    client_certificates: section.client_certificates,
                })
            }
        }
        deserializer.deserialize_any(WordOrSection)
    }
}

impl Config {
    /// How `listener` is encrypted. Where that is not written down: STARTTLS is offered if there is
    /// a certificate, though not on Unix sockets, which nobody can listen in on.
    pub fn mode(&self, listener: &ListenerConfig) -> Mode {
        let is_local = matches!(listener.address, Address::Unix(..));
        match listener.tls.mode {
            Some(mode) => mode,
            None if is_local || !self.has_certificate(listener) => Mode::Off,
            None => Mode::StartTls,
        }
    }

    /// What is offered on `listener`, if it is encrypted at all.
    pub fn tls(&self, listener: &ListenerConfig) -> Option<Settings> {
        if self.mode(listener) == Mode::Off {
            return None;
        }
        let own = &listener.tls;
        let ca = own.client_ca.clone().or_else(|| self.tls.client_ca.clone());
        let asked = own
            .client_certificates
            .unwrap_or(self.tls.client_certificates);
        Some(Settings {
            pairs: self.pairs(listener),
            min_version: match own.min_version.unwrap_or(self.tls.min_version) {
                MinVersion::Tls12 => Version::Tls12,
                MinVersion::Tls13 => Version::Tls13,
            },
            demand: match (ca, asked) {
                (None, _) => Demand::Nothing,
                (Some(ca), Asked::Request) => Demand::Request(ca),
                (Some(ca), Asked::Require) => Demand::Require(ca),
            },
        })
    }

    /// The section that the certificates of `listener` are in, given its index.
    pub fn tls_key(&self, index: usize) -> String {
        let own = self.listeners.get(index).map(|listener| &listener.tls);
        match own {
            Some(own) if own.names_certificates() => format!("listeners[{index}].tls"),
            _ => "tls".to_owned(),
        }
    }

    /// Whether `listener` has the certificate that is obtained by itself.
    pub fn uses_acme(&self, listener: &ListenerConfig) -> bool {
        self.tls.acme.is_some() && !listener.tls.names_certificates()
    }

    /// Whether there is one for `listener`, or will be.
    pub(super) fn has_certificate(&self, listener: &ListenerConfig) -> bool {
        self.uses_acme(listener) || !self.pairs(listener).is_empty()
    }

    fn pairs(&self, listener: &ListenerConfig) -> Vec<Pair> {
        let (own, all) = (&listener.tls, &self.tls);
        if own.names_certificates() {
            pairs(
                own.certificate.as_ref(),
                own.key.as_ref(),
                &own.certificates,
            )
        } else {
            pairs(
                all.certificate.as_ref(),
                all.key.as_ref(),
                &all.certificates,
            )
        }
    }
}

impl ListenerTlsConfig {
    /// Not encrypted, and nothing else said.
    fn off() -> Self {
        Self {
            mode: Some(Mode::Off),
            ..Self::default()
        }
    }

    fn names_certificates(&self) -> bool {
        self.certificate.is_some() || !self.certificates.is_empty()
    }
}

impl Mode {
    /// What a session is told of it.
    pub(super) fn starttls(self) -> StartTls {
        match self {
            Self::Off | Self::Implicit => StartTls::Absent,
            Self::StartTls => StartTls::Offered,
            Self::Required => StartTls::Required,
        }
    }
}

fn pairs(certificate: Option<&PathBuf>, key: Option<&PathBuf>, more: &[PairConfig]) -> Vec<Pair> {
    let pair = |certificate: Option<&PathBuf>, key: Option<&PathBuf>| {
        let certificate = certificate?.clone();
        let key = key.unwrap_or(&certificate).clone();
        Some(Pair { certificate, key })
    };
    let more = more
        .iter()
        .map(|more| pair(more.certificate.as_ref(), more.key.as_ref()));
    std::iter::once(pair(certificate, key))
        .chain(more)
        .flatten()
        .collect()
}
