//! What is offered to clients that want TLS.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::version::{TLS12, TLS13};

use super::clients::Clients;
use super::files::{Certificates, Files, Renewal, Stamps};
use super::{Facts, Pair, TlsError};
use crate::locks::{lock, read, write};

/// The only protocol that is spoken here, as ALPN has it. A browser that was sent here, to be told
/// as its own what a client wrote (ALPACA), offers others and is refused.
const ALPN: &[u8] = b"smtp";

/// What is offered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Certificates in files, the first for names that none is for; none where they come from
    /// elsewhere.
    pub pairs: Vec<Pair>,
    /// The oldest version that is spoken.
    pub min_version: Version,
    /// What clients are asked for.
    pub demand: Demand,
}

/// A version of TLS. Older ones are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Whether clients are asked for a certificate, and by which CA it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Demand {
    /// They are not.
    #[default]
    Nothing,
    /// They are, and may have none.
    Request(PathBuf),
    /// They are, and must have one.
    Require(PathBuf),
}

/// Certificates and all that goes with them.
pub struct Offer {
    certificates: Arc<dyn Certificates>,
    settings: Settings,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
    /// The file of the CA, as it was last seen.
    ca: Mutex<Stamps>,
}

#[derive(Clone)]
struct Current {
    config: Arc<ServerConfig>,
    clients: Option<Arc<Clients>>,
}

impl Offer {
    /// Reads the certificates from their files.
    pub fn new(settings: Settings) -> Result<Self, TlsError> {
        let files = Files::load(settings.pairs.clone(), &provider())?;
        Self::with(Arc::new(files), settings)
    }

    /// With certificates from elsewhere.
    pub fn with(certificates: Arc<dyn Certificates>, settings: Settings) -> Result<Self, TlsError> {
        let provider = provider();
        let ca = Mutex::new(settings.demand.stamp());
        let current = current(&settings, &certificates, &provider)?;
        Ok(Self {
            certificates,
            settings,
            provider,
            current: RwLock::new(current),
            ca,
        })
    }

    /// What a handshake that begins now is to go by.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current().config
    }

    /// Whether there is a certificate.
    pub fn is_ready(&self) -> bool {
        self.certificates.is_ready()
    }

    /// What the certificates say.
    pub fn facts(&self) -> Vec<Facts> {
        self.certificates.facts()
    }

    /// How it stands with the next certificate, where it is obtained by itself.
    pub fn renewal(&self) -> Option<Renewal> {
        self.certificates.renewal()
    }

    /// Whether a client must show a certificate that is trusted.
    pub fn requires_certificate(&self) -> bool {
        let clients = self.current().clients;
        clients.is_some_and(|clients| clients.is_required())
    }

    /// Whether a client that has shown these is who they say.
    pub fn trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        let clients = self.current().clients;
        clients.is_some_and(|clients| clients.trusts(chain))
    }

    /// Looks whether a file has changed. May block.
    pub fn refresh(&self) {
        self.certificates.refresh();
        let mut seen = lock(&self.ca);
        let stamp = self.settings.demand.stamp();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        match current(&self.settings, &self.certificates, &self.provider) {
            Ok(current) => {
                log::info!("the CA of clients was read again");
                let mut old = write(&self.current);
                *old = current;
            }
            Err(error) => {
                log::error!(cause:% = error; "the CA of clients cannot be read again, the old one is kept");
            }
        }
    }

    fn current(&self) -> Current {
        read(&self.current).clone()
    }
}

impl Demand {
    fn ca(&self) -> Option<&PathBuf> {
        match self {
            Self::Nothing => None,
            Self::Request(ca) | Self::Require(ca) => Some(ca),
        }
    }

    fn stamp(&self) -> Stamps {
        Stamps::of(self.ca().map(PathBuf::as_path))
    }
}

/// The cryptography that is used: ring's.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Sessions can be resumed by tickets (RFC 8446 section 2.2, RFC 5077), of which the server keeps
/// nothing. Those of one offer are of no use with another, which may demand more.
fn current(
    settings: &Settings,
    certificates: &Arc<dyn Certificates>,
    provider: &Arc<CryptoProvider>,
) -> Result<Current, TlsError> {
    let versions: &[_] = match settings.min_version {
        Version::Tls12 => &[&TLS13, &TLS12],
        Version::Tls13 => &[&TLS13],
    };
    let fault = |error: rustls::Error| TlsError::new("TLS".as_ref(), error.to_string());
    let clients = match (&settings.demand, settings.demand.ca()) {
        (demand, Some(ca)) => {
            let is_required = matches!(demand, Demand::Require(_));
            Some(Arc::new(Clients::load(ca, is_required, provider)?))
        }
        _ => None,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(fault)?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients) as _),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(certificates) as _);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // All ciphers are good ones; scans of security want the choice to be the server's all the same.
    config.ignore_client_order = true;
    config.ticketer = ring::Ticketer::new().map_err(fault)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let config = Arc::new(config);
    Ok(Current { config, clients })
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
