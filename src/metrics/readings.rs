//! Figures that are read when somebody asks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Labels;
use super::letters::Waiting;
use crate::disks::Disks;
use crate::health::State;
use crate::maildir::Store;
use crate::server::Service;
use crate::spool::Place;
use crate::tls::{Offer, Renewal};

/// Where figures are read.
pub struct Sources {
    /// Its limits.
    pub service: Arc<Service>,
    /// The deliveries.
    pub disks: Arc<Disks>,
    /// The logs before the Maildirs.
    pub store: Arc<Store>,
    /// The addresses of the listeners, and what is offered at those that can be encrypted.
    pub listeners: Vec<(String, Option<Arc<Offer>>)>,
    /// Where mail waits for applications, if it can be anywhere.
    pub spool: Option<Place>,
    /// When the daemon was started.
    pub started: SystemTime,
}

/// Reads what the daemon knows, and `letters`, which were counted before.
pub(super) fn read(registry: &mut Registry, sources: &Sources, letters: &Waiting) {
    limits(registry, &sources.service);
    deliveries(registry, &sources.disks);
    journals(registry, &sources.store);
    certificates(registry, &sources.listeners);
    let mut offers = sources
        .listeners
        .iter()
        .filter_map(|(_, offer)| offer.as_ref());
    // There is one account, whoever shows what it has obtained.
    if let Some(acme) = offers.find_map(|offer| offer.renewal()) {
        renewal(registry, acme);
    }
    spool(registry, letters);
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The program", Info::new(version));
    let started = single(seconds(sources.started));
    let help = "When the daemon was started";
    registry.register_with_unit("start_time", help, Unit::Seconds, started);
}

/// Reads the board.
pub(super) fn health(registry: &mut Registry, states: &[(Arc<str>, State)]) {
    let parts = Gauges::default();
    for (part, state) in states {
        for (name, is_so) in [
            ("well", *state == State::Well),
            ("hampered", matches!(state, State::Hampered(_))),
            ("ill", matches!(state, State::Ill(_))),
        ] {
            parts.set([("part", part), ("state", name)], u64::from(is_so));
        }
    }
    let help =
        "1 for the state that a part is in: well, hampered (mail is taken all the same), or ill";
    registry.register("part_state", help, parts.0);
}

/// A figure that goes up and down.
#[derive(Default)]
struct Gauges(Family<Labels, Gauge>);

/// One without labels.
fn single(value: impl TryInto<i64>) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(whole(value));
    gauge
}

/// What does not fit into 63 bits is as much as one can tell.
fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

impl Gauges {
    fn set<const N: usize>(&self, labels: [(&'static str, &str); N], value: impl TryInto<i64>) {
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        self.0.get_or_create(&labels.to_vec()).set(whole(value));
    }
}

fn limits(registry: &mut Registry, service: &Service) {
    let (connections, memory) = service.limits.most();
    let mut figure = |name, help, value| registry.register(name, help, single(value));
    let now = service.limits.connections();
    figure("connections_open", "Connections now", now as u64);
    figure(
        "connections_limit",
        "How many there may be (limits.connections)",
        connections as u64,
    );
    let mut octets = |name, help, value| {
        registry.register_with_unit(name, help, Unit::Bytes, single(value));
    };
    let now = service.limits.memory();
    octets("content_memory", "Content in memory", now);
    octets(
        "content_memory_limit",
        "How much there may be (limits.memory)",
        memory,
    );
}

fn deliveries(registry: &mut Registry, disks: &Disks) {
    let (under_way, most) = (Gauges::default(), Gauges::default());
    for traffic in disks.traffic() {
        let disk = [("disk", &*traffic.disk)];
        under_way.set(disk, traffic.under_way as u64);
        most.set(disk, traffic.most as u64);
    }
    let help = "Deliveries to a disk that have begun and not ended";
    registry.register("deliveries_in_progress", help, under_way.0);
    let help = "How many there may be (limits.deliveries)";
    registry.register("deliveries_limit", help, most.0);
}

fn journals(registry: &mut Registry, store: &Store) {
    // A root may be a single mailbox, so none is told.
    let backlogs = store.backlogs();
    if backlogs.is_empty() {
        return;
    }
    let waiting: usize = backlogs.iter().map(|(_, backlog)| backlog.waiting).sum();
    let failed = backlogs.iter().filter(|(_, it)| it.failed.is_some());
    let help = "Messages in the logs that are not in their Maildirs yet";
    registry.register("journal_entries", help, single(waiting as u64));
    let help = "Logs before the Maildirs";
    registry.register("journals", help, single(backlogs.len() as u64));
    let help = "Those of them that are not written to any more: mail is delivered without them";
    registry.register("journals_failed", help, single(failed.count() as u64));
}

fn certificates(registry: &mut Registry, listeners: &[(String, Option<Arc<Offer>>)]) {
    let (ends, begins) = (Gauges::default(), Gauges::default());
    for (listener, offer) in listeners {
        let facts = offer.as_ref().map(|offer| offer.facts());
        for (index, facts) in facts.iter().flatten().enumerate() {
            let number = (index + 1).to_string();
            let labels = [
                ("listener", listener.as_str()),
                // Two of them may be for the same name.
                ("number", &number),
                ("name", &facts.subject),
            ];
            ends.set(labels, facts.not_after);
            begins.set(labels, facts.not_before);
        }
    }
    let mut time = |name, help, gauges: Gauges| {
        registry.register_with_unit(name, help, Unit::Seconds, gauges.0);
    };
    let help = "When a certificate of a listener expires";
    time("certificate_expiry_timestamp", help, ends);
    let help = "From when on it holds";
    time("certificate_start_timestamp", help, begins);
}

fn renewal(registry: &mut Registry, acme: Renewal) {
    let is_there = single(u64::from(acme.due.is_some()));
    let help = "Whether there is a certificate by ACME";
    registry.register("acme_certificate", help, is_there);
    let help = "Attempts in a row to obtain one that have failed";
    registry.register("acme_failures", help, single(acme.failures));
    if let Some(due) = acme.due {
        let help = "When the certificate by ACME is due to be renewed";
        let due = single(due);
        registry.register_with_unit("acme_renewal_timestamp", help, Unit::Seconds, due);
    }
}

fn spool(registry: &mut Registry, letters: &Waiting) {
    let (waiting, oldest) = (Gauges::default(), Gauges::default());
    for (queue, census) in &letters.queues {
        waiting.set([("queue", queue)], census.letters);
        if let Some(time) = census.oldest {
            oldest.set([("queue", queue)], time);
        }
    }
    let help = "Letters that wait for an application";
    registry.register("spool_letters", help, waiting.0);
    let help = "When the oldest letter that waits was put into the queue";
    registry.register_with_unit(
        "spool_oldest_letter_timestamp",
        help,
        Unit::Seconds,
        oldest.0,
    );
    if let Some(dead) = letters.dead {
        let help = "Dead letters of all applications";
        registry.register("spool_dead_letters", help, single(dead));
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
