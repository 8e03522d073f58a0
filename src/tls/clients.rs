//! Certificates of clients, verified against a CA of one's own.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::TlsError;
use super::pem::certificates;

/// Asks clients for a certificate.
///
/// Where one is only requested, one of a stranger is no reason to refuse the connection: servers on
/// the Internet show what they have. It proves nothing, either; so [`trusts`](Self::trusts) is
/// asked after the handshake. In a session that is resumed, nobody else asks.
#[derive(Debug)]
pub(super) struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    is_required: bool,
}

impl Clients {
    pub fn load(
        ca: &Path,
        is_required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| {
                let problem = format!("holds a certificate that is no CA ({error}); write that of the CA which signs clients");
                TlsError::new(ca, problem)
            })?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| TlsError::new(ca, format!("cannot be used: {error}")))?;
        Ok(Self {
            verifier,
            is_required,
        })
    }

    /// Whether a client must show one.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Whether these lead to the CA, now.
    pub fn trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        chain.split_first().is_some_and(|(leaf, rest)| {
            let verified = self
                .verifier
                .verify_client_cert(leaf, rest, UnixTime::now());
            verified.is_ok()
        })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.verifier.verify_client_cert(leaf, chain, now) {
            Err(_) if !self.is_required => Ok(ClientCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
