//! Who a connection is from, when a proxy has made it: the header of the PROXY protocol.

use std::io;

use smol::io::{AsyncRead, AsyncReadExt as _};

use super::Networks;
use crate::envelope::{Client, Proxy, Tls};
use crate::proxy::{self, Fault, Header, Progress, Source};

/// Whose word is believed about who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The proxies: where there are any, nobody else may connect, and each must begin with a header
    /// of the PROXY protocol.
    pub proxies: Option<Networks>,
    /// Who may use XCLIENT and XFORWARD.
    pub xclient: Networks,
}

/// A client, and whether it may speak for others (XCLIENT).
pub(super) struct Introduced {
    pub client: Client,
    pub may_vouch: bool,
}

/// Why nobody is introduced.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A proxy that only looked whether the port is open.
    #[error("closed without a word")]
    Silent,
    #[error("closed in the middle of a PROXY header")]
    Closed,
    #[error("no PROXY header in time (timeouts.proxy)")]
    Late,
    #[error("{0}; the listener has proxy_protocol, so each connection must begin with one")]
    Header(#[from] Fault),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Trust {
    /// Why this peer may not even connect.
    pub(super) fn refusal(&self, peer: &Client) -> Option<&'static str> {
        let proxies = self.proxies.as_ref()?;
        (!proxies.contain(peer.address)).then_some(
            "not in proxy_protocol of this listener: if it is your proxy, add its address there",
        )
    }

    /// Whether this peer will say who its client is, so that its own address does not count.
    pub(super) fn awaits_name(&self, peer: &Client) -> bool {
        self.proxies.is_some() || self.xclient.contain(peer.address)
    }

    /// Reads the header, if there has to be one, and not an octet more.
    pub(super) async fn introduce<S: AsyncRead + Unpin>(
        &self,
        peer: Client,
        stream: &mut S,
    ) -> Result<Introduced, Refusal> {
        let (client, is_known) = if self.proxies.is_some() {
            let header = header(stream).await?;
            let is_known = header.source != Source::Unknown;
            (client(peer, header), is_known)
        } else {
            (peer, true)
        };
        Ok(Introduced {
            may_vouch: is_known && self.xclient.contain(client.address),
            client,
        })
    }
}

async fn header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Header, Refusal> {
    let mut octets = Vec::new();
    loop {
        let missing = match proxy::read(&octets)? {
            Progress::Whole(header, _) => return Ok(*header),
            Progress::Missing(count) => count,
        };
        let had = octets.len();
        octets.resize(had + missing, 0);
        match stream.read(&mut octets[had..]).await? {
            0 if had == 0 => return Err(Refusal::Silent),
            0 => return Err(Refusal::Closed),
            count => octets.truncate(had + count),
        }
    }
}

/// The client of whom a header tells.
fn client(peer: Client, header: Header) -> Client {
    let proxy = Some(Proxy::from(peer.address));
    let told = match header.source {
        // It speaks for itself.
        Source::Proxy => return peer,
        Source::Unknown => Client::default(),
        Source::Client { client, server } => Client {
            address: Some(client.ip()),
            port: Some(client.port()),
            server: Some(server),
            ..Client::default()
        },
    };
    let extras = header.extras;
    let name = extras.ssl.as_ref().and_then(|ssl| ssl.name.clone());
    let told = Client {
        proxy,
        tls: extras.ssl.map(|ssl| Tls {
            version: ssl.version.unwrap_or_else(|| "TLS".into()),
            cipher: ssl.cipher.unwrap_or_default(),
            server_name: extras.authority.clone(),
            certificate: None,
        }),
        ..told
    };
    log::debug!(
        client = super::record::peer(&told),
        proxy = told.proxy.map(|proxy| proxy.to_string()),
        id = extras.id,
        authority = extras.authority,
        alpn = extras.alpn,
        netns = extras.namespace,
        cn = name;
        "PROXY header"
    );
    told
}
