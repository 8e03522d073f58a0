//! What one listener is and offers.

use super::command::Greeting;
use super::reply::{self, Reply};
use super::sasl::Mechanism;
use super::xclient::{XCLIENT, XFORWARD};

/// What a session may do and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Our name, in the greeting and in the answer to EHLO.
    pub hostname: String,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Whether clients can log in.
    pub auth: Auth,
    /// Refused logins before the session is closed.
    pub auth_failures: u32,
    /// Whether a plain connection can become an encrypted one.
    pub starttls: StartTls,
    /// Octets of content in a message (RFC 1870).
    pub message_size: u64,
    /// RCPT commands in a transaction; at least 100 (RFC 5321 section 4.5.3.1.8).
    pub recipients: usize,
    /// Faults of the client before the session is closed.
    pub errors: u32,
    /// Commands in a row that bring no mail nearer (NOOP, RSET, EHLO and the like).
    pub idle_commands: u32,
    /// Messages in one session; 0 is no limit.
    pub messages: u32,
    /// Takes a bare LF as the end of a command, and keeps bare CR, bare LF and
    /// NUL in mail data. They never end the data.
    pub accept_bare_newlines: bool,
    /// Takes paths without angle brackets.
    pub lenient_paths: bool,
    /// Sends away who speaks before being greeted.
    pub refuse_early_talkers: bool,
    /// Believes XCLIENT and XFORWARD.
    pub xclient: bool,
}

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321: one reply for a message, whatever its recipients.
    Smtp,
    /// RFC 2033: one reply for each recipient.
    Lmtp,
}

/// What a listener says to AUTH (RFC 4954).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// That it is not offered.
    #[default]
    Absent,
    /// That the client may log in.
    Offered,
    /// The same, and that there is no mail without.
    Required,
}

/// What a listener says to STARTTLS (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// That it is not offered.
    #[default]
    Absent,
    /// That the client may begin.
    Offered,
    /// The same, and nothing to most other commands until then.
    Required,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            protocol: Protocol::Smtp,
            auth: Auth::Absent,
            auth_failures: 3,
            starttls: StartTls::Absent,
            message_size: 25_000_000,
            recipients: 1000,
            errors: 20,
            idle_commands: 100,
            messages: 0,
            accept_bare_newlines: false,
            lenient_paths: false,
            refuse_early_talkers: true,
            xclient: false,
        }
    }
}

impl Profile {
    /// How many replies follow the content.
    pub(super) fn replies_after_data(&self, recipients: usize) -> usize {
        match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        }
    }

    pub(super) fn greeting(&self) -> Reply {
        let protocol = match self.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        Reply::plain(220, format!("{} {protocol}", self.hostname))
    }

    /// HELO and EHLO are SMTP's, LHLO is LMTP's (RFC 2033 section 4.1).
    pub(super) fn refuse_greeting(&self, greeting: Greeting) -> Option<Reply> {
        match (self.protocol, greeting) {
            (Protocol::Smtp, Greeting::Lhlo) => Some(reply::NOT_ON_SMTP),
            (Protocol::Lmtp, Greeting::Helo | Greeting::Ehlo) => Some(reply::NOT_ON_LMTP),
            _ => None,
        }
    }

    /// The answer to EHLO; STARTTLS is not in it once it is done (RFC 3207 section 4.2), no AUTH
    /// without mechanisms, and XCLIENT and XFORWARD are only for those who may use them.
    pub(super) fn extensions(
        &self,
        secured: bool,
        mechanisms: &[Mechanism],
        xclient: bool,
    ) -> Reply {
        let Self {
            hostname,
            message_size,
            ..
        } = self;
        let mut auth = String::new();
        if !mechanisms.is_empty() {
            let names: Vec<&str> = mechanisms
                .iter()
                .map(|mechanism| mechanism.name())
                .collect();
            auth = format!("\nAUTH {}", names.join(" "));
        }
        let starttls = match self.starttls {
            StartTls::Offered | StartTls::Required if !secured => "\nSTARTTLS",
            _ => "",
        };
        let mut lines = format!(
            "{hostname}\nPIPELINING\nSIZE {message_size}\n8BITMIME\nSMTPUTF8\nCHUNKING\nBINARYMIME\nENHANCEDSTATUSCODES{starttls}{auth}"
        );
        if xclient {
            lines.extend(["\n", XCLIENT, "\n", XFORWARD]);
        }
        lines.push_str("\nHELP");
        Reply::plain(250, lines)
    }

    pub(super) fn help(&self) -> Reply {
        match self.protocol {
            Protocol::Smtp => reply::HELP,
            Protocol::Lmtp => reply::HELP_LMTP,
        }
    }

    /// LMTP says 503 where SMTP says 554 (RFC 2033 section 4.2).
    pub(super) fn no_valid_recipients(&self) -> Reply {
        match self.protocol {
            Protocol::Smtp => reply::NO_VALID_RECIPIENTS,
            Protocol::Lmtp => reply::RCPT_FIRST,
        }
    }
}
