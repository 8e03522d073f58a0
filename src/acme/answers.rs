//! What challenges are answered with, while there are any.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::locks::{read, write};

/// The protocol of challenges (RFC 8737 section 4).
pub(super) const ALPN: &[u8] = b"acme-tls/1";

/// Answers to the challenges of an order.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    /// Key authorizations by token (RFC 8555 section 8.3).
    texts: HashMap<String, String>,
    /// Certificates by domain (RFC 8737 section 3).
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

/// Takes all answers back when the order is over, however that may be.
pub(super) struct Withdrawal(Answers);

impl Answers {
    pub fn text(&self, token: &str) -> Option<String> {
        read(&self.0).texts.get(token).cloned()
    }

    pub fn add_text(&self, token: String, text: String) {
        write(&self.0).texts.insert(token, text);
    }

    pub fn add_certificate(&self, domain: &str, certificate: CertifiedKey) {
        let domain = domain.to_ascii_lowercase();
        let mut known = write(&self.0);
        known.certificates.insert(domain, Arc::new(certificate));
    }

    pub fn withdrawn_at_end(&self) -> Withdrawal {
        Withdrawal(self.clone())
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        *write(&self.0.0) = Known::default();
    }
}

/// Only who asks for a challenge gets a certificate.
impl ResolvesServerCert for Answers {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ALPN) || protocols.next().is_some() {
            return None;
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        read(&self.0).certificates.get(&domain).cloned()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}
