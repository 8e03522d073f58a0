//! Where the directory asks for the answers to its challenges. Nothing else is to be had there.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_rustls::TlsAcceptor;
use futures_util::future::join_all;
use httparse::{EMPTY_HEADER, Request, Status};
use rustls::ServerConfig;
use smol::future::or;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::{Async, Timer};

use super::answers::{ALPN, Answers};
use super::{Acme, Challenge};
use crate::tls::provider;

/// Where answers are (RFC 8555 section 8.3).
const PATH: &str = "/.well-known/acme-challenge/";
/// Connections at once; others wait.
const AT_ONCE: usize = 64;
/// How long each may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request that is read.
const LONGEST: usize = 8192;
/// The most fields in it.
const FIELDS: usize = 64;
/// How long to wait when no connection can be accepted, as when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(200);

impl Acme {
    /// Answers challenges on this socket, for ever.
    pub async fn answer_on(self: Arc<Self>, socket: Async<TcpListener>) {
        let door = match self.door() {
            Ok(door) => door,
            Err(error) => {
                log::error!(cause:% = error; "challenges cannot be answered");
                return;
            }
        };
        join_all((0..AT_ONCE).map(|_| door.serve(&socket))).await;
    }

    fn door(&self) -> Result<Door, rustls::Error> {
        let acceptor = match self.settings.challenge {
            Challenge::Http01 => None,
            Challenge::TlsAlpn01 => {
                let mut config = ServerConfig::builder_with_provider(provider())
                    .with_safe_default_protocol_versions()?
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(self.answers.clone()));
                config.alpn_protocols = vec![ALPN.to_vec()];
                // Each validation shall see the certificate.
                config.send_tls13_tickets = 0;
                Some(TlsAcceptor::from(Arc::new(config)))
            }
        };
        let answers = self.answers.clone();
        Ok(Door { answers, acceptor })
    }
}

struct Door {
    answers: Answers,
    /// None for HTTP.
    acceptor: Option<TlsAcceptor>,
}

impl Door {
    /// One connection after the other.
    async fn serve(&self, socket: &Async<TcpListener>) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    let late = async {
                        Timer::after(PATIENCE).await;
                        Err(io::ErrorKind::TimedOut.into())
                    };
                    if let Err(error) = or(self.answer(stream, peer), late).await {
                        log::debug!(client:% = peer, cause:% = error; "nothing for a challenge");
                    }
                }
                Err(error) => {
                    log::warn!(cause:% = error; "no challenge can be accepted");
                    Timer::after(PAUSE).await;
                }
            }
        }
    }

    async fn answer(&self, mut stream: Async<TcpStream>, peer: SocketAddr) -> io::Result<()> {
        let Some(acceptor) = &self.acceptor else {
            return self.answer_http(&mut stream, peer).await;
        };
        let mut stream = acceptor.accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let domain = connection.server_name().unwrap_or_default();
        log::info!(client:% = peer, domain = domain; "a challenge was answered");
        // The handshake was all (RFC 8737 section 3).
        stream.close().await
    }

    async fn answer_http(&self, stream: &mut Async<TcpStream>, peer: SocketAddr) -> io::Result<()> {
        let mut request = Vec::with_capacity(1024);
        let reply = loop {
            let mut octets = [0; 1024];
            let count = stream.read(&mut octets).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            request.extend_from_slice(&octets[..count]);
            if request.len() > LONGEST {
                break Reply::Refusal("431 Request Header Fields Too Large");
            }
            if let Some(reply) = self.reply(&request) {
                break reply;
            }
        };
        if let Reply::Text(_) = &reply {
            log::info!(client:% = peer; "a challenge was answered");
        }
        stream.write_all(reply.octets().as_bytes()).await?;
        stream.flush().await?;
        stream.close().await
    }

    /// The reply to what came so far, when the request is whole.
    fn reply(&self, request: &[u8]) -> Option<Reply> {
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut parsed = Request::new(&mut fields);
        match parsed.parse(request) {
            Ok(Status::Partial) => return None,
            Ok(Status::Complete(_)) => {}
            Err(_) => return Some(Reply::Refusal("400 Bad Request")),
        }
        let token = parsed.path.and_then(|path| path.strip_prefix(PATH));
        let text = token
            .filter(|_| parsed.method == Some("GET"))
            .and_then(|token| self.answers.text(token));
        Some(text.map_or(Reply::Refusal("404 Not Found"), Reply::Text))
    }
}

enum Reply {
    Text(String),
    Refusal(&'static str),
}

impl Reply {
    fn octets(&self) -> String {
        let (status, text) = match self {
            Self::Text(text) => ("200 OK", text.as_str()),
            Self::Refusal(status) => (*status, ""),
        };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        )
    }
}
