//! Figures that are counted while events are told.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Labels, Sources};
use crate::events::{Event, Letter, LetterFate, Message, Refusal, Refused};
use crate::failure::status;
use crate::smtp::Reply;

/// Seconds that a delivery takes: from a message on a fast disk to the longest that a client waits.
const DELAYS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];
/// What becomes of a message.
const RESULTS: [&str; 3] = ["delivered", "deferred", "refused"];

type Counters = Family<Labels, Counter>;
type Delays = Family<Labels, Histogram, fn() -> Histogram>;

/// What was counted since the start.
pub(super) struct Counts {
    connections: Counters,
    turned_away: Counters,
    messages: Counters,
    recipients: Counters,
    octets: Counters,
    delays: Delays,
    refused_recipients: Counters,
    refused_commands: Counters,
    handshakes: Counters,
    failed_handshakes: Counters,
    logins: Counters,
    letters: Counters,
    changes: Counters,
}

impl Counts {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let delays = Delays::new_with_constructor(|| Histogram::new(DELAYS));
        let octets = Counters::default();
        registry.register_with_unit(
            "delivered",
            "Content of the messages that were delivered",
            Unit::Bytes,
            octets.clone(),
        );
        registry.register_with_unit(
            "delivery_duration",
            "From the end of the content to the reply",
            Unit::Seconds,
            delays.clone(),
        );
        let mut counters = |name, help| {
            let counters = Counters::default();
            registry.register(name, help, counters.clone());
            counters
        };
        Self {
            octets,
            delays,
            connections: counters("connections", "Connections that had a place"),
            turned_away: counters(
                "connections_refused",
                "Connections without a place, or from a proxy that is none, by what they were told",
            ),
            messages: counters(
                "messages",
                "Messages by what became of them; where recipients of LMTP fare differently, one for each outcome",
            ),
            recipients: counters(
                "recipients",
                "Recipients of these messages, by what became of theirs",
            ),
            refused_recipients: counters(
                "recipients_refused",
                "RCPT commands refused for their recipient",
            ),
            refused_commands: counters(
                "commands_refused",
                "Commands refused for all other reasons",
            ),
            handshakes: counters("tls_handshakes", "TLS handshakes that succeeded"),
            failed_handshakes: counters("tls_handshakes_failed", "TLS handshakes that failed"),
            logins: counters("logins", "Logins by mechanism and result"),
            letters: counters(
                "letters",
                "Attempts to hand letters of the spool to applications",
            ),
            changes: counters("changes", "Changes of the configuration that are in force"),
        }
    }

    /// Sees to it that the figures of all listeners are there, as zeroes, before anybody connects.
    pub(super) fn begin(&self, sources: &Sources) {
        for (listener, _) in &sources.listeners {
            self.begin_at(listener);
        }
    }

    fn begin_at(&self, listener: &str) {
        let at = || vec![("listener", listener.to_owned())];
        drop(self.connections.get_or_create(&at()));
        drop(self.octets.get_or_create(&at()));
        drop(self.failed_handshakes.get_or_create(&at()));
        for result in RESULTS {
            let labels = [at(), vec![("result", result.to_owned())]].concat();
            drop(self.messages.get_or_create(&labels));
            drop(self.recipients.get_or_create(&labels));
        }
    }

    /// Counts what has happened.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Connected(peer) => {
                count(&self.connections, &[("listener", &peer.listener)]);
            }
            Event::Encrypted { peer, version, .. } => count(
                &self.handshakes,
                &[("listener", &peer.listener), ("version", version)],
            ),
            Event::NotEncrypted { peer, .. } => {
                count(&self.failed_handshakes, &[("listener", &peer.listener)]);
            }
            Event::LoggedIn { mechanism, .. } => self.login(*mechanism, "accepted"),
            Event::NotLoggedIn {
                mechanism, reply, ..
            } => self.login(*mechanism, status(reply)),
            Event::Refused(refusal) => self.refusal(refusal),
            Event::Message(message) => self.message(message),
            Event::Letter(letter) => self.letter(letter),
            Event::ConfigChange(_) | Event::ServerChange(_) => {
                count(&self.changes, &[("change", event.topic())]);
            }
            // These are read.
            Event::Disconnected(..) | Event::Well { .. } | Event::Ill { .. } => {}
        }
    }

    fn message(&self, message: &Message) {
        let (listener, result) = (&*message.listener, message.status());
        let labels = labels(&[("listener", listener), ("result", result)]);
        self.messages.get_or_create(&labels).inc();
        let recipients = message.recipients.len() as u64;
        self.recipients.get_or_create(&labels).inc_by(recipients);
        if message.outcome.is_ok() {
            let labels = vec![("listener", listener.to_owned())];
            let octets = message.size as u64;
            self.octets.get_or_create(&labels).inc_by(octets);
        }
        let labels = vec![("result", result.to_owned())];
        self.delays
            .get_or_create(&labels)
            .observe(seconds(message.delay));
    }

    fn refusal(&self, refusal: &Refusal) {
        let Refusal {
            peer, of, reply, ..
        } = refusal;
        let code = reply.as_ref().map(code);
        let code = code.as_deref().unwrap_or("none");
        match of {
            Refused::Connection => count(
                &self.turned_away,
                &[("listener", &peer.listener), ("code", code)],
            ),
            Refused::Recipient { .. } => count(&self.refused_recipients, &[("code", code)]),
            Refused::Command => count(&self.refused_commands, &[("code", code)]),
            Refused::Content => {
                let result = reply.as_ref().map_or("refused", status);
                let labels = [("listener", &*peer.listener), ("result", result)];
                count(&self.messages, &labels);
            }
        }
    }

    fn login(&self, mechanism: Option<&str>, result: &str) {
        let mechanism = mechanism.unwrap_or("none");
        count(
            &self.logins,
            &[("mechanism", mechanism), ("result", result)],
        );
    }

    fn letter(&self, letter: &Letter) {
        let result = match letter.fate {
            LetterFate::HandedOver => "handed_over",
            LetterFate::Waits { .. } => "waits",
            LetterFate::Dead { .. } => "dead",
        };
        count(
            &self.letters,
            &[("queue", &letter.queue), ("result", result)],
        );
    }
}

fn count(counters: &Counters, pairs: &[(&'static str, &str)]) {
    counters.get_or_create(&labels(pairs)).inc();
}

fn labels(pairs: &[(&'static str, &str)]) -> Labels {
    let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn code(reply: &Reply) -> String {
    reply.code().to_string()
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
