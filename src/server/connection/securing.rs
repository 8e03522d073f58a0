//! From a plain connection to an encrypted one.

use std::os::fd::AsFd;

use smol::io::{AsyncRead, AsyncWrite};

use super::authentication::Login;
use super::{Connection, Stop};
use crate::server::clock::Clock;
use crate::server::tls::Transport;

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Connection<S> {
    /// Does the handshake, within its time; false when there is no connection any more. Who fails
    /// it has lost the plain connection too: nobody knows what is on it.
    pub(super) async fn secure(&mut self, stop: &mut Stop) -> bool {
        let (Some(encryption), Some(stream)) = (self.encryption.clone(), self.stream.take_plain())
        else {
            return false;
        };
        let deadline = Clock::handshake_deadline(&self.service.timeouts);
        let handshake = async {
            let stopped = async {
                stop.await;
                None
            };
            smol::future::or(
                async { Some(encryption.clone().accept(stream).await) },
                stopped,
            )
            .await
        };
        match self.alarm.before(deadline, handshake).await {
            Some(Some(Ok((stream, mut tls)))) => {
                if self.is_named {
                    // It may be that of the peer, who speaks for another client.
                    tls.certificate = None;
                }
                self.login = Login::within(&stream, &encryption.offer);
                self.stream = Transport::Tls(Box::new(stream));
                self.log.secured(&tls);
                self.client.tls = Some(tls);
                self.client.helo = None;
                self.client.login = None;
                self.session.secured();
                self.offer_logins();
                self.clock.replied();
                true
            }
            Some(Some(Err(error))) => {
                self.log.not_secured(&error.to_string());
                false
            }
            Some(None) => false,
            None => {
                self.log.not_secured("the handshake took too long");
                false
            }
        }
    }
}
