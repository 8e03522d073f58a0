//! How receivers hand mail to workers through Redis.

use super::Config;
use super::check::{Outcome, refuse};
use super::scalars::{chain, texts};
use super::units::Time;

/// A cluster has 16384 slots; nobody needs that many partitions.
const MOST_PARTITIONS: u16 = 1024;
/// Each has a thread.
const MOST_AT_ONCE: usize = 1000;
/// Every partition.
const ALL: &str = "all";

/// How receivers hand mail to workers through Redis.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct StreamConfig {
    /// What its keys begin with (default: maiasaura).
    pub prefix: String,
    /// Streams that mail is spread over, by mailbox (default: 16).
    pub partitions: u16,
    /// Replicas that must have a message before it is promised (default: 0).
    pub replicas: u32,
    /// Whether Redis is asked for its sync before a message is promised, with WAITAOF of Redis 7.2
    /// (default: false).
    pub waitaof: bool,
    /// The consumer group of the workers (default: maiasaura).
    pub group: String,
    /// The partitions that this worker takes mail from, as `0-7` (default: all).
    #[serde(deserialize_with = "texts")]
    pub consume: Vec<String>,
    /// The processors that mail goes through at a worker (default: `HeadersParser|MailDir`).
    #[serde(deserialize_with = "chain")]
    pub save: Vec<String>,
    /// Messages that a worker delivers at once (default: 16).
    pub at_once: usize,
    /// After how long mail of a worker that is not heard of is taken over (default: 60s).
    pub take_over_after: Time,
    /// How often a message is taken over before it counts as one that workers die of (default: 20).
    pub take_overs: u32,
    /// How long a message is tried that cannot be delivered (default: 3d).
    pub give_up_after: Time,
    /// How long keys of delivered messages are known, so that repeats are dropped (default: 24h).
    pub remember: Time,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            prefix: "maiasaura".into(),
            partitions: 16,
            replicas: 0,
            waitaof: false,
            group: "maiasaura".into(),
            consume: vec![ALL.into()],
            save: vec!["HeadersParser".into(), "MailDir".into()],
            at_once: 16,
            take_over_after: Time::seconds(60),
            take_overs: 20,
            give_up_after: Time::hours(72),
            remember: Time::hours(24),
        }
    }
}

impl StreamConfig {
    /// The partitions that a worker takes mail from, in order, each once.
    ///
    /// # Errors
    ///
    /// What is none.
    pub fn consumed(&self) -> Result<Vec<u16>, String> {
        let mut all = Vec::new();
        for text in &self.consume {
            if text == ALL {
                all.extend(0..self.partitions);
                continue;
            }
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u16>().ok();
            let range = number(first).zip(number(last));
            let range = range.filter(|(first, last)| first <= last && *last < self.partitions);
            let (first, last) = range.ok_or_else(|| {
                format!(
                    "{text:?} is no part of 0-{}; write such as [\"0-3\", \"7\"], or all",
                    self.partitions.saturating_sub(1)
                )
            })?;
            all.extend(first..=last);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }
}

/// What single values of the section cannot show.
pub(super) fn check(config: &Config) -> Outcome {
    let stream = &config.stream;
    for (key, name) in [("prefix", &stream.prefix), ("group", &stream.group)] {
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !b"{}".contains(&octet));
        let message = format!("{name:?} is not a name; write letters, digits, - and :");
        refuse(!is_name, format!("stream.{key}"), message)?;
    }
    let fits = (1..=MOST_PARTITIONS).contains(&stream.partitions);
    let message = format!(
        "{} is not a number of partitions from 1 to {MOST_PARTITIONS}",
        stream.partitions
    );
    refuse(!fits, "stream.partitions", message)?;
    let consumed = stream.consumed();
    let message = consumed.err().unwrap_or_default();
    refuse(!message.is_empty(), "stream.consume", message)?;
    refuse(
        stream.consume.is_empty(),
        "stream.consume",
        "names no partition; write all",
    )?;
    let message = "no processor is named, so that mail would be lost; write at least MailDir";
    refuse(stream.save.is_empty(), "stream.save", message)?;
    work(stream)?;
    cluster(config)
}

/// What workers do.
fn work(stream: &StreamConfig) -> Outcome {
    let own = |name: &String| name.trim().eq_ignore_ascii_case("Stream");
    let message = "mail would go round for ever; leave Stream out";
    refuse(stream.save.iter().any(own), "stream.save", message)?;
    let fits = (1..=MOST_AT_ONCE).contains(&stream.at_once);
    let message = format!(
        "{} is not a number of messages from 1 to {MOST_AT_ONCE}",
        stream.at_once
    );
    refuse(!fits, "stream.at_once", message)?;
    let message = "with 0 no message could be taken over; write a larger number";
    refuse(stream.take_overs == 0, "stream.take_overs", message)?;
    for (key, time) in [
        ("take_over_after", stream.take_over_after),
        ("give_up_after", stream.give_up_after),
        ("remember", stream.remember),
    ] {
        let message = "less than a second is not enough; write a time such as 60s";
        refuse(time.get().as_secs() == 0, format!("stream.{key}"), message)?;
    }
    Ok(())
}

/// Refuses what a cluster cannot be asked.
fn cluster(config: &Config) -> Outcome {
    let stream = &config.stream;
    let is_cluster = config.redis.as_ref().is_some_and(|redis| redis.cluster);
    let message =
        "a cluster cannot be asked that; write 0, and min-replicas-to-write into its configuration";
    let has_replicas = stream.replicas > 0;
    refuse(is_cluster && has_replicas, "stream.replicas", message)?;
    refuse(
        is_cluster && stream.waitaof,
        "stream.waitaof",
        "a cluster cannot be asked that; write appendfsync always into its configuration",
    )
}
