//! Who is not let in.

use std::fmt::Display;
use std::sync::Arc;

use log::warn;

use super::{Restraint, record};
use crate::envelope::Client;
use crate::events::{Event, Events, Peer, Refusal, Refused};
use crate::failure::status;
use crate::smtp::Reply;

/// Tells of those who are not let in at one listener: of each as an event, of a few a minute in the log.
#[derive(Debug)]
pub(super) struct Porter {
    listener: Arc<str>,
    events: Events,
    too_many: Restraint,
    strangers: Restraint,
}

impl Porter {
    pub(super) fn new(listener: Arc<str>, events: Events) -> Self {
        Self {
            listener,
            events,
            too_many: Restraint::default(),
            strangers: Restraint::default(),
        }
    }

    /// A client was sent away before it could say anything.
    pub(super) fn turned_away(&self, client: &Client, reply: &Reply) {
        if let Some(left_out) = self.too_many.line() {
            let proxy = client.proxy.map(|proxy| proxy.to_string());
            warn!(
                client = record::peer(client),
                proxy = proxy,
                status = status(reply),
                reply:% = reply,
                left_out = left_out.told();
                "connection refused"
            );
        }
        self.tell(client, || (Some(reply.clone()), None));
    }

    /// A peer that should be a proxy is none that we know, or does not behave as one.
    pub(super) fn shut_out(&self, peer: &Client, cause: &dyn Display) {
        if let Some(left_out) = self.strangers.line() {
            warn!(
                client = record::peer(peer),
                listener:% = self.listener,
                cause:% = cause,
                left_out = left_out.told();
                "connection refused"
            );
        }
        self.tell(peer, || (None, Some(cause.to_string())));
    }

    fn tell(&self, client: &Client, why: impl FnOnce() -> (Option<Reply>, Option<String>)) {
        self.events.tell(|| {
            let (reply, cause) = why();
            Event::Refused(Refusal {
                peer: Peer::new(Arc::clone(&self.listener), client),
                of: Refused::Connection,
                reply,
                cause,
            })
        });
    }
}
