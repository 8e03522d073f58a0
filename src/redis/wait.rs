//! What Redis is asked to wait for, before what was written counts.

use std::time::Duration;

use ::redis::{Cmd, Value, cmd};

/// Copies that must be there, once for all who share a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Replicas that must have it.
    pub replicas: u32,
    /// Whether Redis and they must have synced it (`WAITAOF`, Redis 7.2).
    pub synced: bool,
}

impl Wait {
    /// What is enough for both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            replicas: self.replicas.max(other.replicas),
            synced: self.synced || other.synced,
        }
    }

    pub(super) fn command(self, patience: Duration) -> Cmd {
        let mut wait = cmd(if self.synced { "WAITAOF" } else { "WAIT" });
        if self.synced {
            wait.arg(1);
        }
        // Zero would be for ever.
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        wait.arg(self.replicas).arg(patience.max(1));
        wait
    }

    /// Whether the reply says so.
    pub fn is_enough(self, reply: &Value) -> bool {
        let wanted = i64::from(self.replicas);
        match reply {
            Value::Int(replicas) => !self.synced && *replicas >= wanted,
            Value::Array(both) => {
                matches!(both[..], [Value::Int(1..), Value::Int(replicas)] if replicas >= wanted)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_one_is_enough_for_both() {
        let two = Wait {
            replicas: 2,
            synced: false,
        };
        let synced = Wait {
            replicas: 0,
            synced: true,
        };
        let both = two.and(synced);
        assert_eq!(
            both,
            Wait {
                replicas: 2,
                synced: true
            }
        );
        let reply = |own, replicas| Value::Array(vec![Value::Int(own), Value::Int(replicas)]);
        assert!(both.is_enough(&reply(1, 2)) && two.is_enough(&reply(1, 2)));
        assert!(!both.is_enough(&reply(0, 2)) && !both.is_enough(&reply(1, 1)));
        assert!(two.is_enough(&Value::Int(2)) && !two.is_enough(&Value::Int(1)));
        assert!(!two.is_enough(&Value::Nil));
    }
}
