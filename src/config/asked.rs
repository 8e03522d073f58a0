//! Users who are not written down: who is asked about them, and for how long that is believed.

use super::suggestion;
use super::units::Time;
use crate::recipients::{Asking, Question};

/// Who can be asked about users.
const SOURCES: [&str; 2] = ["mysql", "redis"];

/// How those are asked who know the users, where they are not written down.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct AnswersConfig {
    /// How long an answer may take (default: 10s).
    pub timeout: Time,
    /// How long a user is believed to be one (default: 5m).
    pub positive: Time,
    /// How long one who is unknown is believed to be (default: 1m).
    pub negative: Time,
    /// How much longer one who is known, while nobody can say (default: 1h).
    pub stale_if_error: Time,
    /// Users that are remembered (default: 10000).
    pub entries: usize,
}

impl Default for AnswersConfig {
    fn default() -> Self {
        Self {
            timeout: Time::seconds(10),
            positive: Time::seconds(300),
            negative: Time::seconds(60),
            stale_if_error: Time::hours(1),
            entries: 10_000,
        }
    }
}

impl AnswersConfig {
    /// How a source is asked.
    pub fn asking(&self) -> Asking {
        Asking {
            timeout: self.timeout.get(),
            times: crate::processor::Times {
                positive: self.positive.get(),
                negative: self.negative.get(),
                stale_if_error: self.stale_if_error.get(),
                entries: self.entries,
            },
        }
    }
}

/// Refuses a text in place of a user that is not the one question to a source.
pub(super) fn check(question: &Question, is_alone: bool) -> Result<(), String> {
    let Question { of, text } = question;
    if !SOURCES.contains(&of.as_str()) {
        let unknown = match suggestion::nearest(of, &SOURCES) {
            meant @ Some(_) => suggestion::unknown_but("source", of, meant, &SOURCES),
            None => format!("users.{of}: expected a section of keys, found {text:?}"),
        };
        return Err(format!(
            "{unknown}; a user has a section, such as {{quota: 1GB}}"
        ));
    }
    if !is_alone {
        return Err(format!(
            "{of} knows the users, so none may be named beside it; write {{{of}: ...}} alone"
        ));
    }
    if text.trim().is_empty() {
        return Err(format!("{of} is asked nothing; write what it is asked"));
    }
    Ok(())
}
