//! Replies, and every sentence the server can say.
//!
//! RFC 5321 section 4.2 (codes), RFC 3463 and RFC 2034 (enhanced status codes).
#![allow(missing_docs, reason = "the text of a reply says what it means")]

use core::fmt;
use std::borrow::Cow;

/// Octets in a reply line, CRLF included (RFC 5321 section 4.5.3.1.5).
pub const LINE_LIMIT: usize = 512;

/// One reply. The class of the enhanced status code is taken from `code`, so
/// that the two cannot disagree (RFC 2034 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<(u16, u16)>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with the enhanced status code `class.subject.detail`.
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        Self {
            code,
            status: Some((subject, detail)),
            text: Cow::Borrowed(text),
        }
    }

    /// A reply that carries no enhanced status code (RFC 2034 section 4: the
    /// greeting, the answer to EHLO, and 354). Lines of `text` become lines of the reply.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: None,
            text: text.into(),
        }
    }

    /// The same codes with another text.
    #[must_use]
    pub fn with_text(&self, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            ..self.clone()
        }
    }

    /// The basic code, 220 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text, without codes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the command was done.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether the client should try again later.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The enhanced status code, such as `5.1.1`.
    pub fn status(&self) -> Option<String> {
        self.status
            .map(|(subject, detail)| format!("{}.{subject}.{detail}", self.code / 100))
    }

    /// Appends the reply as it goes over the wire. Whatever is not printable
    /// ASCII becomes `?`, and a line is cut at its limit: a reply can neither
    /// carry a line end that somebody else chose nor outgrow RFC 5321.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.lines().peekable();
        if lines.peek().is_none() {
            self.write_line(out, "", b' ');
        }
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { b'-' } else { b' ' };
            self.write_line(out, line, separator);
        }
    }

    fn write_line(&self, out: &mut Vec<u8>, text: &str, separator: u8) {
        let start = out.len();
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.push(separator);
        if let Some(status) = self.status() {
            out.extend_from_slice(status.as_bytes());
            out.push(b' ');
        }
        out.extend(
            text.bytes()
                .map(|b| if (b' '..=b'~').contains(&b) { b } else { b'?' }),
        );
        out.truncate(start + LINE_LIMIT - 2);
        out.extend_from_slice(b"\r\n");
    }
}

impl fmt::Display for Reply {
    /// One line for a log: `451 4.3.0 text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code)?;
        if let Some(status) = self.status() {
            write!(f, "{status} ")?;
        }
        f.write_str(&self.text)
    }
}

// Session.
pub const READY_FOR_TLS: Reply = Reply::new(220, 0, 0, "Ready to start TLS");
pub const BYE: Reply = Reply::new(221, 0, 0, "Bye");
pub const OK: Reply = Reply::new(250, 0, 0, "Ok");
pub const CANNOT_VERIFY: Reply = Reply::new(252, 5, 0, "Cannot verify the user, but try to send");
pub const HELP: Reply = Reply::new(
    214,
    0,
    0,
    "See RFC 5321; commands: EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT",
);
pub const HELP_LMTP: Reply = Reply::new(
    214,
    0,
    0,
    "See RFC 2033; commands: LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT",
);
pub const NO_EXPN: Reply = Reply::new(502, 5, 1, "Mailing lists are not expanded");
pub const EARLY_TALKER: Reply = Reply::new(554, 5, 1, "You spoke before you were greeted");
pub const NOT_HTTP: Reply = Reply::new(554, 5, 1, "This is not a web server");
pub const NO_PROXY_HEADER: Reply = Reply::new(
    554,
    5,
    1,
    "A PROXY header does not belong here; see proxy_protocol",
);
pub const NO_LOGIN: Reply = Reply::new(535, 7, 8, "There is no login here");
pub const NOT_AUTHORIZED: Reply = Reply::new(550, 7, 0, "You may not speak for others");

// Commands.
pub const UNKNOWN_COMMAND: Reply = Reply::new(500, 5, 1, "Unknown command");
pub const NOT_ON_LMTP: Reply = Reply::new(500, 5, 1, "This is LMTP: say LHLO");
pub const NOT_ON_SMTP: Reply = Reply::new(500, 5, 1, "This is SMTP: say EHLO or HELO");
pub const NOT_IMPLEMENTED: Reply = Reply::new(502, 5, 1, "Not offered here");
pub const LINE_TOO_LONG: Reply = Reply::new(500, 5, 2, "Line too long");
pub const BARE_NEWLINE: Reply = Reply::new(500, 5, 2, "Lines end in CRLF");
pub const BAD_GREETING: Reply = Reply::new(
    501,
    5,
    4,
    "Your name, please: a host name or an address literal",
);
pub const NO_ARGUMENT_WANTED: Reply = Reply::new(501, 5, 4, "This command takes no argument");
pub const BAD_PARAMETER: Reply = Reply::new(501, 5, 4, "Malformed parameter");
pub const UNKNOWN_PARAMETER: Reply = Reply::new(555, 5, 4, "Unknown parameter");
pub const TLS_FIRST: Reply = Reply::new(530, 7, 0, "Must issue a STARTTLS command first");
pub const TLS_IS_ON: Reply = Reply::new(503, 5, 1, "TLS is on already");
pub const TLS_NOT_READY: Reply = Reply::new(454, 7, 0, "TLS not available now");
pub const TALKED_BEHIND_STARTTLS: Reply = Reply::new(
    554,
    5,
    0,
    "STARTTLS must be the last command before the handshake",
);
pub const GREET_FIRST: Reply = Reply::new(503, 5, 1, "Greet first");
pub const NESTED_MAIL: Reply = Reply::new(503, 5, 1, "A mail transaction is open already");
pub const NOT_IN_TRANSACTION: Reply = Reply::new(503, 5, 1, "Not in a mail transaction");
pub const MAIL_FIRST: Reply = Reply::new(503, 5, 1, "MAIL first");
pub const RCPT_FIRST: Reply = Reply::new(503, 5, 1, "RCPT first");
pub const BDAT_HAS_BEGUN: Reply = Reply::new(503, 5, 1, "BDAT has begun");
pub const BINARY_NEEDS_BDAT: Reply = Reply::new(503, 5, 1, "BODY=BINARYMIME needs BDAT");
pub const NO_VALID_RECIPIENTS: Reply = Reply::new(554, 5, 1, "No valid recipients");

// AUTH (RFC 4954 section 6, RFC 5248).
pub const AUTHENTICATED: Reply = Reply::new(235, 7, 0, "Welcome");
pub const IS_AUTHENTICATED: Reply = Reply::new(503, 5, 1, "You have logged in already");
pub const AUTH_LINE_TOO_LONG: Reply = Reply::new(500, 5, 6, "Line too long");
pub const AUTH_CANCELLED: Reply = Reply::new(501, 7, 0, "Cancelled");
pub const BAD_BASE64: Reply = Reply::new(501, 5, 2, "Not base64");
pub const BAD_RESPONSE: Reply = Reply::new(501, 5, 2, "Not what the mechanism wants");
pub const UNKNOWN_MECHANISM: Reply = Reply::new(504, 5, 4, "Mechanism not offered");
pub const WEAK_MECHANISM: Reply = Reply::new(534, 7, 9, "A stronger mechanism is wanted");
pub const BAD_CREDENTIALS: Reply = Reply::new(535, 7, 8, "Login refused");
pub const AUTH_NEEDS_TLS: Reply = Reply::new(538, 7, 11, "Logins need TLS");
pub const AUTH_REQUIRED: Reply = Reply::new(530, 7, 0, "Authentication required");
pub const AUTH_UNAVAILABLE: Reply =
    Reply::new(454, 7, 0, "Logins are not possible now, try again later");
pub const TOO_MANY_LOGINS: Reply = Reply::new(421, 7, 0, "Too many refused logins, closing");

// Envelope.
pub const SENDER_OK: Reply = Reply::new(250, 1, 0, "Sender ok");
pub const RECIPIENT_OK: Reply = Reply::new(250, 1, 5, "Recipient ok");
pub const BAD_SENDER: Reply = Reply::new(501, 1, 7, "Bad sender address");
pub const BAD_RECIPIENT: Reply = Reply::new(501, 1, 3, "Bad recipient address");
pub const NEEDS_SMTPUTF8: Reply = Reply::new(553, 6, 7, "Such an address needs SMTPUTF8");
pub const RELAYING_DENIED: Reply = Reply::new(550, 7, 1, "Relaying denied");
pub const USER_UNKNOWN: Reply = Reply::new(550, 1, 1, "User unknown");
pub const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, 5, 3, "Too many recipients");
pub const MAILBOX_FULL: Reply = Reply::new(452, 2, 2, "Mailbox full");
pub const MAILBOX_UNAVAILABLE: Reply =
    Reply::new(451, 2, 0, "Mailbox unavailable, try again later");

// Mail data.
pub const CHUNK_OK: Reply = Reply::new(250, 0, 0, "Chunk received");
pub const STORED: Reply = Reply::new(250, 0, 0, "Stored");
pub const TOO_BIG: Reply = Reply::new(552, 3, 4, "Message too big");
pub const BAD_NEWLINES: Reply =
    Reply::new(554, 6, 0, "The message holds a bare CR, a bare LF or a NUL");
pub const MAIL_LOOP: Reply = Reply::new(554, 4, 6, "Mail loop");

/// The client may send the mail data now.
pub fn start_mail_input() -> Reply {
    Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
}

/// What the server says in an exchange of AUTH (RFC 4954 section 4), in base64. Its lines may be
/// longer than those of other replies.
pub fn challenge(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"334 ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

// Faults of ours, load and time.
pub const STORAGE_FULL: Reply = Reply::new(452, 3, 1, "Insufficient storage, try again later");
pub const LOCAL_FAULT: Reply = Reply::new(451, 3, 0, "Temporary fault, try again later");
pub const TOO_MANY_FAULTS: Reply = Reply::new(421, 7, 0, "Too many faults, closing");
pub const TOO_MANY_COMMANDS: Reply =
    Reply::new(421, 7, 0, "Too many commands without mail, closing");
pub const TOO_MANY_MESSAGES: Reply =
    Reply::new(421, 7, 0, "Enough messages for one connection, closing");
pub const TOO_MANY_CONNECTIONS: Reply =
    Reply::new(421, 7, 0, "Too many connections, try again later");
pub const TIMEOUT: Reply = Reply::new(421, 4, 2, "Timeout, closing");
pub const SHUTTING_DOWN: Reply = Reply::new(421, 3, 2, "Shutting down, try again later");

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn class_follows_code() {
        assert_eq!(
            written(&LOCAL_FAULT),
            "451 4.3.0 Temporary fault, try again later\r\n"
        );
        assert_eq!(USER_UNKNOWN.status().as_deref(), Some("5.1.1"));
    }

    #[test]
    fn lines_of_the_text_are_lines_of_the_reply() {
        assert_eq!(
            written(&Reply::plain(250, "mx\nSIZE 1\nHELP")),
            "250-mx\r\n250-SIZE 1\r\n250 HELP\r\n"
        );
        assert_eq!(written(&Reply::plain(250, "")), "250 \r\n");
    }

    #[test]
    fn nothing_unprintable_and_nothing_too_long_leaves() {
        let long = OK.with_text(format!("\x1b\u{e5}\r{}", "x".repeat(1000)));
        let line = written(&long);
        assert_eq!(line.len(), LINE_LIMIT);
        assert!(
            line.starts_with("250 2.0.0 ????x") && line.ends_with("x\r\n"),
            "{line}"
        );
    }
}
