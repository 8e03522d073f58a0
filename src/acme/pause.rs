//! How long the directory is left alone after a failure: kept, so that a program that is started again
//! and again does not ask it each time.

use std::fmt;

use super::Settings;
use crate::tls::fingerprint;

/// Seconds that no pause exceeds (see [`Kind::pause`](super::Kind::pause), and its jitter).
const LONGEST: i64 = 27 * 60 * 60;

/// A pause after attempts that have failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// How many, in a row.
    pub failures: u32,
    /// When the next one may be, in seconds since 1970.
    pub next: i64,
    /// What was wanted, as a hash: a pause is not for those who want something else, such as names
    /// without the one that has failed, or with another contact.
    wanted: String,
}

impl Pause {
    pub fn new(failures: u32, next: i64, settings: &Settings) -> Self {
        let wanted = wanted(settings);
        Self {
            failures,
            next,
            wanted,
        }
    }

    /// Reads the text of one; none if it makes no sense `now`.
    pub fn parse(text: &str, now: i64) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        let pause = Self {
            failures: value("failures")?.parse().ok()?,
            next: value("next")?.parse().ok()?,
            wanted: value("wanted")?.to_owned(),
        };
        let is_sound = pause.failures > 0 && pause.next <= now.saturating_add(LONGEST);
        (is_sound && lines.next().is_none()).then_some(pause)
    }

    /// Whether the same was wanted.
    pub fn is_for(&self, settings: &Settings) -> bool {
        self.wanted == wanted(settings)
    }
}

fn wanted(settings: &Settings) -> String {
    let Settings {
        domains,
        contact,
        directory_ca,
        challenge,
        // The pause is in a folder of the one, under the other.
        directory: _,
        cache: _,
    } = settings;
    let wanted = format!("{domains:?} {contact:?} {directory_ca:?} {challenge:?}");
    fingerprint(wanted.as_bytes())
}

/// As it is kept.
impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            failures,
            next,
            wanted,
        } = self;
        write!(f, "failures {failures}\nnext {next}\nwanted {wanted}\n")
    }
}
