//! A connection from which nothing was read yet: who is it from?

use std::os::fd::AsFd;
use std::sync::Arc;

use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use smol::{Timer, future};

use super::connection::Connection;
use super::introduction::{Introduced, Refusal, Trust};
use super::limits::Place;
use super::porter::Porter;
use super::record::SessionLog;
use super::tls::Encryption;
use super::{Service, Shutdown};
use crate::envelope::Client;
use crate::smtp::{Profile, reply};

/// A peer that has connected, and all that its session will need.
pub(super) struct Visit {
    pub peer: Client,
    pub place: Place,
    pub listener: Arc<str>,
    /// Tells of it if it is not let in.
    pub porter: Arc<Porter>,
    pub profile: Arc<Profile>,
    pub encryption: Option<Encryption>,
    pub trust: Arc<Trust>,
    pub service: Arc<Service>,
    pub shutdown: Shutdown,
}

impl Visit {
    /// Finds out who the client is, and talks with it.
    pub async fn receive<S: AsyncRead + AsyncWrite + AsFd + Unpin>(self, mut stream: S) {
        let Some(introduced) = self.introduced(&mut stream).await else {
            return;
        };
        let Introduced { client, may_vouch } = introduced;
        let Self {
            mut place,
            listener,
            porter,
            mut profile,
            encryption,
            service,
            shutdown,
            ..
        } = self;
        let is_named = !may_vouch && client.proxy.is_some();
        if is_named && !place.move_to(client.address) {
            let reply = reply::TOO_MANY_CONNECTIONS;
            porter.turned_away(&client, &reply);
            // Within TLS it would take a handshake to say so.
            if !encryption.is_some_and(|encryption| encryption.implicit) {
                let mut octets = Vec::new();
                reply.write(&mut octets);
                let _ = future::or(stream.write_all(&octets), super::moment()).await;
            }
            return;
        }
        if may_vouch {
            profile = Arc::new(Profile {
                xclient: true,
                ..(*profile).clone()
            });
        }
        let log = SessionLog::new(&client, listener, service.events.clone());
        Connection::new(stream, client, profile, encryption, service, place, log)
            .converse(shutdown)
            .await;
    }

    /// Who the client is; none if the proxy does not tell in time, or is none. It hears nothing.
    async fn introduced<S: AsyncRead + Unpin>(&self, stream: &mut S) -> Option<Introduced> {
        let late = async {
            Timer::after(self.service.timeouts.proxy).await;
            Err(Refusal::Late)
        };
        let stopped = async {
            self.shutdown.requested().await;
            Err(Refusal::Silent)
        };
        let introduction = self.trust.introduce(self.peer.clone(), stream);
        match future::or(introduction, future::or(late, stopped)).await {
            Ok(introduced) => Some(introduced),
            // Load balancers look every few seconds whether the port is open.
            Err(Refusal::Silent) => None,
            Err(refusal) => {
                self.porter.shut_out(&self.peer, &refusal);
                None
            }
        }
    }
}
