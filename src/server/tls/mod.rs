//! TLS on a connection: the handshake, and what is known after it.

mod transport;

use std::io;
use std::sync::Arc;

use async_rustls::TlsAcceptor;
use async_rustls::server::TlsStream;
use rustls::{CommonState, ProtocolVersion};
use smol::io::{AsyncRead, AsyncWrite};

pub(super) use transport::Transport;

use crate::envelope::{Certificate, Tls};
use crate::smtp::sasl::Bindings;
use crate::tls::{Facts, Offer, fingerprint};

/// The label of `tls-exporter` (RFC 9266 section 2).
const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

/// How a listener is encrypted.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// With what.
    pub offer: Arc<Offer>,
    /// From the first octet on (RFC 8314 section 3.3), and not after STARTTLS.
    pub implicit: bool,
}

impl Encryption {
    /// Does the handshake. A client that must be who it says and is not is refused.
    pub(super) async fn accept<S>(self, stream: S) -> io::Result<(TlsStream<S>, Tls)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.offer.config());
        let stream = acceptor.accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let server_name = connection.server_name().map(str::to_owned);
        let tls = known(connection, server_name, &self.offer);
        if tls.certificate.is_none() && self.offer.requires_certificate() {
            return Err(io::Error::other(
                "the client's certificate is not trusted any more",
            ));
        }
        Ok((stream, tls))
    }
}

/// What the connection is known by. `tls-exporter` is for TLS 1.3 only: before it, what is exported
/// is not bound to the connection without an extension (RFC 9266 section 4.2).
///
/// `tls-server-end-point` is told only where there is a single certificate: which of several a
/// client was shown is not known.
pub(super) fn bindings<S>(stream: &TlsStream<S>, offer: &Offer) -> Bindings {
    let (_, connection) = stream.get_ref();
    let exporter = (connection.protocol_version() == Some(ProtocolVersion::TLSv1_3))
        .then(|| connection.export_keying_material(vec![0; 32], EXPORTER, Some(b"")))
        .and_then(Result::ok);
    let end_point = match &mut *offer.facts() {
        [only] => only.end_point.take(),
        _ => None,
    };
    Bindings {
        exporter,
        end_point,
    }
}

fn known(connection: &CommonState, server_name: Option<String>, offer: &Offer) -> Tls {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    };
    let suite = connection.negotiated_cipher_suite();
    let cipher = suite.and_then(|suite| suite.suite().as_str());
    let chain = connection.peer_certificates().unwrap_or_default();
    let trusted = chain.first().filter(|_| offer.trusts(chain));
    Tls {
        version: version.to_owned(),
        // The name in IANA's registry; rustls has its own for those of TLS 1.3.
        cipher: cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
        server_name,
        certificate: trusted.map(|leaf| Certificate {
            subject: Facts::of(leaf).map_or_else(|_| String::new(), |facts| facts.subject),
            fingerprint: fingerprint(leaf),
        }),
    }
}
