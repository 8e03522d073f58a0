//! Every deadline of a session.

use std::time::{Duration, Instant};

/// How long a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the header of the PROXY protocol, where there has to be one.
    pub proxy: Duration,
    /// From the greeting to the first command.
    pub greeting: Duration,
    /// From a reply to the end of the next command, however slowly it comes.
    pub command: Duration,
    /// Between two reads of mail data, and for taking our replies.
    pub data: Duration,
    /// Octets per second that mail data must come in at on average, once it has
    /// taken longer than `data`; 0 is no limit.
    pub data_rate: u64,
    /// For the handshake of TLS.
    pub tls_handshake: Duration,
    /// For a whole session.
    pub session: Duration,
    /// For an answer of ours to a recipient or to a message, before the client is told to try
    /// again. What has begun to be written runs to its end.
    pub delivery: Duration,
    /// For sessions that are under way when the server stops.
    pub shutdown: Duration,
}

/// What has happened in a session, and when.
#[derive(Debug)]
pub struct Clock {
    opened: Instant,
    /// When the last reply was sent, which is when the client's turn began.
    replied: Instant,
    /// When octets came last.
    heard: Instant,
    /// Whether octets came at all.
    spoken: bool,
    /// Whether the first command was answered.
    greeted: bool,
}

impl Clock {
    /// A session that begins now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            replied: now,
            heard: now,
            spoken: false,
            greeted: false,
        }
    }

    /// Replies were sent.
    pub fn replied(&mut self) {
        self.replied = Instant::now();
        self.heard = self.replied;
        self.greeted = self.spoken;
    }

    /// Octets came.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
        self.spoken = true;
    }

    /// When a client that is to send a command has taken too long.
    pub fn command_deadline(&self, timeouts: &Timeouts) -> Instant {
        let limit = if self.greeted {
            timeouts.command
        } else {
            timeouts.greeting
        };
        self.bounded(self.replied + limit, timeouts)
    }

    /// When a client that has sent `octets` of mail data has taken too long.
    pub fn data_deadline(&self, octets: u64, timeouts: &Timeouts) -> Instant {
        let mut deadline = self.heard + timeouts.data;
        if let Some(seconds) = octets.checked_div(timeouts.data_rate) {
            deadline = deadline.min(self.replied + timeouts.data + Duration::from_secs(seconds));
        }
        self.bounded(deadline, timeouts)
    }

    /// When a client has waited too long for an answer of ours.
    pub fn answer_deadline(timeouts: &Timeouts) -> Instant {
        Instant::now() + timeouts.delivery
    }

    /// When a client has taken too long for the handshake that begins now.
    pub fn handshake_deadline(timeouts: &Timeouts) -> Instant {
        Instant::now() + timeouts.tls_handshake.min(timeouts.session)
    }

    /// When a client that does not take our replies has taken too long.
    pub fn write_deadline(&self, timeouts: &Timeouts) -> Instant {
        self.bounded(Instant::now() + timeouts.data, timeouts)
    }

    fn bounded(&self, deadline: Instant, timeouts: &Timeouts) -> Instant {
        deadline.min(self.opened + timeouts.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timeouts() -> Timeouts {
        Timeouts {
            proxy: 5 * SECOND,
            greeting: 60 * SECOND,
            command: 300 * SECOND,
            data: 120 * SECOND,
            data_rate: 100,
            session: 3600 * SECOND,
            tls_handshake: 30 * SECOND,
            delivery: 300 * SECOND,
            shutdown: 30 * SECOND,
        }
    }

    #[test]
    fn a_command_has_one_deadline_however_it_trickles() {
        let mut clock = Clock::start();
        let opened = clock.opened;
        assert_eq!(clock.command_deadline(&timeouts()), opened + 60 * SECOND);
        clock.heard();
        assert_eq!(clock.command_deadline(&timeouts()), opened + 60 * SECOND);
        clock.replied();
        let replied = clock.replied;
        clock.heard();
        assert_eq!(clock.command_deadline(&timeouts()), replied + 300 * SECOND);
    }

    #[test]
    fn data_must_flow() {
        let mut clock = Clock::start();
        let begun = clock.replied;
        assert_eq!(clock.data_deadline(0, &timeouts()), begun + 120 * SECOND);
        clock.heard = begun + 100 * SECOND;
        assert_eq!(
            clock.data_deadline(1000, &timeouts()),
            begun + 130 * SECOND,
            "the rate"
        );
        assert_eq!(
            clock.data_deadline(1_000_000, &timeouts()),
            begun + 220 * SECOND,
            "the pause"
        );
        clock.heard = begun + 3590 * SECOND;
        assert_eq!(
            clock.data_deadline(u64::MAX / 200, &timeouts()),
            begun + 3600 * SECOND,
            "the session"
        );
    }

    #[test]
    fn no_rate_is_no_limit() {
        let clock = Clock::start();
        let timeouts = Timeouts {
            data_rate: 0,
            ..timeouts()
        };
        assert_eq!(
            clock.data_deadline(0, &timeouts),
            clock.heard + 120 * SECOND
        );
    }
}
