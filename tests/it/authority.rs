//! A certification authority, as large as tests need one.

#[path = "gullible.rs"] // as this file is a module of other tests, too
mod gullible;

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use maiasaura::tls::{Certificates, Facts};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use gullible::Gullible;

/// One for all tests.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
    der: CertificateDer<'static>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("it has no names");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, "Authority of the tests");
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = parameters.self_signed(&key).expect("it can be signed");
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// A certificate for these names, the first of which is its subject.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| ())
    }

    /// The same, with what is special about it.
    pub fn issue_with(
        &self,
        names: &[&str],
        special: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let key = KeyPair::generate().expect("a key can be made");
        let all: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(all).expect("these are names");
        let subject = &mut parameters.distinguished_name;
        subject.push(DnType::CommonName, names[0]);
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        special(&mut parameters);
        let certificate = parameters.signed_by(&key, &self.issuer);
        Issued {
            certificate: certificate.expect("it can be signed").pem(),
            key: key.serialize_pem(),
        }
    }

    /// One for the server of the tests, ready for use.
    pub fn certificates() -> Arc<dyn Certificates> {
        static ONE: LazyLock<Arc<One>> = LazyLock::new(|| {
            let issued = AUTHORITY.issue(&["mx.example.org"]);
            Arc::new(One(Arc::new(issued.certified())))
        });
        Arc::clone(&ONE) as _
    }

    /// What clients that trust this authority go by.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_with(&[&TLS13, &TLS12], None, &[])
    }

    /// What clients go by that believe everybody.
    pub fn client_of_anybody(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.client());
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(Gullible));
        Arc::new(config)
    }

    /// The same, with versions, a certificate and protocols of one's own.
    pub fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Issued>,
        protocols: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("it is a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("ring has them")
            .with_root_certificates(roots);
        let mut config = match own {
            Some(own) => builder
                .with_client_auth_cert(own.chain(), own.private_key())
                .expect("they belong together"),
            None => builder.with_no_client_auth(),
        };
        let protocols = protocols.iter();
        config.alpn_protocols = protocols.map(|it| it.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Issued {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        chain.collect::<Result<_, _>>().expect("it is PEM")
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM")
    }

    fn certified(&self) -> CertifiedKey {
        let provider = ring::default_provider();
        let key = CertifiedKey::from_der(self.chain(), self.private_key(), &provider);
        key.expect("they belong together")
    }

    pub fn facts(&self) -> Facts {
        Facts::of(&self.chain()[0]).expect("it is a certificate")
    }

    /// Writes `cert.pem` and `key.pem`.
    pub fn write(&self, folder: &Path) {
        fs::write(folder.join("cert.pem"), &self.certificate).expect("it can be written");
        fs::write(folder.join("key.pem"), &self.key).expect("it can be written");
    }
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl Certificates for One {
    fn is_ready(&self) -> bool {
        true
    }

    fn facts(&self) -> Vec<Facts> {
        vec![Facts::of(&self.0.cert[0]).expect("it is a certificate")]
    }

    fn refresh(&self) {}
}

/// No certificate yet.
#[derive(Debug)]
pub struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl Certificates for Nothing {
    fn is_ready(&self) -> bool {
        false
    }

    fn facts(&self) -> Vec<Facts> {
        Vec::new()
    }

    fn refresh(&self) {}
}
