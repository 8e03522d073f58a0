//! Where mail waits for applications that get it later, and how it is handed over.

use super::units::Time;

/// Where mail waits for applications that get it later, and how it is handed over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct SpoolConfig {
    /// Its folder; none is `.spool` beside the Maildirs (default: none).
    pub path: Option<String>,
    /// Letters that are handed to one application at once (default: 4).
    pub at_once: usize,
    /// For handing one over (default: 60s).
    pub timeout: Time,
    /// How long a letter is tried before it counts as dead (default: 3d).
    pub give_up_after: Time,
    /// Failures in a row after which an application counts as down; 0 is never (default: 5).
    pub failures: u32,
    /// How long an application that is down is left alone, at most (default: 60s).
    pub longest_pause: Time,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            path: None,
            at_once: 4,
            timeout: Time::seconds(60),
            give_up_after: Time::hours(72),
            failures: 5,
            longest_pause: Time::seconds(60),
        }
    }
}
