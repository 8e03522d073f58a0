//! Unique names.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The octets of the encoded host that a name has room for: the whole stays at or below 200 octets,
/// which leaves readers enough of the 255 for `:2,` and their flags.
const HOST_ROOM: usize = 64;

/// Makes unique names, as <https://cr.yp.to/proto/maildir.html> asks for:
/// `<seconds>.M<microseconds>P<pid>Q<counter>R<random>.<host>,S=<octets>,W=<octets with CRLF>`.
///
/// The 64 random bits are drawn once, so that names differ between processes, restarts and hosts
/// that share a file system, whatever the clock and the process number do; the counter tells the
/// names of one value apart. The time is for people and for the order in which readers show
/// messages: it never stands still or goes back.
#[derive(Debug)]
pub struct Names {
    host: String,
    pid: u32,
    random: u64,
    last: AtomicU64,
    counter: AtomicU64,
}

impl Names {
    /// A source of names for this process on `host`.
    pub fn new(host: &str) -> Self {
        Self {
            host: encode_host(host),
            pid: std::process::id(),
            random: random(),
            last: AtomicU64::new(0),
            counter: AtomicU64::new(0),
        }
    }

    /// The next name, for a message of `octets` that has `crlf_octets` when every line ends in
    /// CRLF. Dovecot and Maildir++ read the two sizes from the name and are spared a look at the
    /// file.
    pub fn next(&self, octets: u64, crlf_octets: u64) -> String {
        let mut name = self.stem();
        // Writing to a String cannot fail.
        let _ = write!(name, ".{},S={octets},W={crlf_octets}", self.host);
        name
    }

    /// A name without host and sizes.
    pub(super) fn stem(&self) -> String {
        let micros = self.tick();
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (pid, random) = (self.pid, self.random);
        format!("{seconds}.M{micros:06}P{pid}Q{counter}R{random:016x}")
    }

    /// Microseconds since 1970, always later than the last time it was asked.
    pub(super) fn tick(&self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
            });
        let later = |last: u64| now.max(last.saturating_add(1));
        // The closure never refuses, so both outcomes carry the former value.
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(later(last))
            });
        later(last.unwrap_or_else(|last| last))
    }
}

/// 64 bits that no one can guess. `RandomState` is keyed by the system's random source, which is
/// all that is needed here and asks for no crate; the hash of nothing under a fresh key is a fresh
/// number.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The host as it may stand in a file name: `/` and `:` as the Maildir page asks, and likewise
/// whatever would be unreadable in a listing, or would be taken for the sizes behind the comma.
fn encode_host(host: &str) -> String {
    let mut encoded = String::new();
    for octet in host.bytes() {
        let before = encoded.len();
        if octet.is_ascii_graphic() && !matches!(octet, b'/' | b':' | b',') {
            encoded.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "\\{octet:03o}");
        }
        if encoded.len() > HOST_ROOM {
            encoded.truncate(before);
            break;
        }
    }
    if encoded.is_empty() {
        encoded.push_str("localhost");
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn hosts_are_encoded_and_cut() {
        assert_eq!(encode_host("mx.example.org"), "mx.example.org");
        assert_eq!(encode_host("a/b:c,d e"), r"a\057b\072c\054d\040e");
        assert_eq!(encode_host(""), "localhost");
        assert_eq!(encode_host(&"h".repeat(100)).len(), 64);
        assert_eq!(encode_host(&"/".repeat(100)), r"\057".repeat(16));
        assert_eq!(encode_host("\0\u{e9}\n"), r"\000\303\251\012");
    }

    #[test]
    fn names_have_the_documented_form() {
        let name = Names::new("mx").next(12, 13);
        let (time, rest) = name.split_once('.').unwrap();
        assert!(time.parse::<u64>().unwrap() > 1_600_000_000);
        let (unique, rest) = rest.split_once('.').unwrap();
        assert_eq!(rest, "mx,S=12,W=13");
        assert_eq!(&unique[..1], "M");
        assert_eq!(&unique[7..8], "P");
        assert_eq!(unique.split_once('R').unwrap().1.len(), 16);
    }

    #[test]
    fn names_are_unique_over_threads_and_values() {
        let shared = Names::new("h");
        let other = Names::new("h");
        let names: HashSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let names = if thread == 0 { &other } else { &shared };
                    scope.spawn(move || (0..20_000).map(|_| names.next(1, 1)).collect::<Vec<_>>())
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(names.len(), 8 * 20_000);
    }

    #[test]
    fn names_of_one_thread_are_in_order() {
        let names = Names::new("h");
        let times: Vec<u64> = (0..1000).map(|_| names.tick()).collect();
        assert!(times.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn names_stay_short_and_plain() {
        for host in [
            "",
            "/",
            "..",
            "a\0b",
            &":".repeat(300),
            &"\u{1f600}".repeat(99),
        ] {
            let name = Names::new(host).next(u64::MAX, u64::MAX);
            assert!(name.len() <= 200, "{} {name}", name.len());
            assert!(
                !name.contains(['/', ':', '\0', '\n']) && name.is_ascii(),
                "{name}"
            );
        }
    }
}
