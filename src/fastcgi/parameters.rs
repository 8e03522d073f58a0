//! The parameters of a request: what PHP finds in `$_SERVER`.
//!
//! CGI/1.1 (RFC 3875 section 4.1), and the envelope twice: as `MAIL_...` for plain
//! scripts, as `HTTP_X_...` where frameworks look for header fields.

use std::borrow::Cow;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Letter;
use super::settings::Script;
use super::signature::Proof;

/// Octets of all parameters, at most: they go in one record, as PHP loses a
/// request of which a pair lies in two. Only what is configured can come near.
const LIMIT: usize = 60_000;

/// Octets of the usual ones.
const USUAL: usize = 3 << 10;

const SOFTWARE: &str = concat!("maiasaura/", env!("CARGO_PKG_VERSION"));

/// What kind of request it is, as HTTP calls it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    pub(super) method: &'static str,
    /// To be appended to what the configured URI asks for.
    pub(super) query: &'a str,
    pub(super) content_type: &'a str,
    pub(super) content_length: u64,
    /// Counts from 1.
    pub(super) attempt: u32,
}

/// Names and values, written as they are sent (FastCGI specification, section 3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<u8>);

impl Parameters {
    /// Those of a request about a letter; the answer of a size that PHP would
    /// not understand is an error.
    pub(super) fn new(
        script: &Script,
        manner: Manner<'_>,
        letter: Letter<'_>,
        proof: Option<Proof<'_>>,
    ) -> Result<Self, String> {
        let mut parameters = Self(Vec::with_capacity(USUAL));
        parameters.request(script, manner);
        parameters.connection(letter);
        parameters.envelope(letter, manner.attempt);
        if let Some(Proof { secret, digest }) = proof {
            let now = seconds(SystemTime::now());
            let signature = secret.sign(now, letter.envelope, digest);
            parameters.add("HTTP_CONTENT_DIGEST", digest);
            parameters.add("HTTP_X_SIGNATURE", &signature);
        }
        let size = parameters.0.len();
        if size > LIMIT {
            return Err(format!("parameters of {size} octets, more than {LIMIT}"));
        }
        Ok(parameters)
    }

    /// The content of the record.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }

    fn add(&mut self, name: &str, value: &str) {
        self.add_to("", name, value);
    }

    /// Adds a value under a name that begins with `prefix`. What would end a header field, or a
    /// string of C, does not get in.
    fn add_to(&mut self, prefix: &str, name: &str, value: &str) {
        self.length(prefix.len() + name.len());
        self.length(value.len());
        self.0.extend_from_slice(prefix.as_bytes());
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend(in_one_line(value).bytes());
    }

    /// One octet, or four of which the first begins with a one. What is longer is over the limit.
    fn length(&mut self, length: usize) {
        if let Ok(short @ ..0x80) = u8::try_from(length) {
            self.0.push(short);
        } else {
            let long = u32::try_from(length).unwrap_or(u32::MAX) | 1 << 31;
            self.0.extend_from_slice(&long.to_be_bytes());
        }
    }

    fn request(&mut self, script: &Script, manner: Manner<'_>) {
        let (uri, asked) = match script.uri.as_deref() {
            Some(uri) => uri.split_once('?').unwrap_or((uri, "")),
            None => ("", ""),
        };
        let name = script.name();
        let uri = if uri.is_empty() { &name } else { uri };
        let between = if asked.is_empty() || manner.query.is_empty() {
            ""
        } else {
            "&"
        };
        let query = [asked, between, manner.query].concat();
        let mark = if query.is_empty() { "" } else { "?" };
        self.add("GATEWAY_INTERFACE", "CGI/1.1");
        self.add("SERVER_PROTOCOL", "HTTP/1.1");
        self.add("SERVER_SOFTWARE", SOFTWARE);
        self.add("REQUEST_METHOD", manner.method);
        self.add("SCRIPT_FILENAME", &text(&script.file));
        self.add("SCRIPT_NAME", &name);
        self.add("REQUEST_URI", &[uri, mark, &query].concat());
        self.add("DOCUMENT_URI", uri);
        self.add("DOCUMENT_ROOT", &text(&script.root));
        self.add("QUERY_STRING", &query);
        self.add("CONTENT_TYPE", manner.content_type);
        self.add("CONTENT_LENGTH", &manner.content_length.to_string());
        // PHP built with force-redirect, and some scripts, ask for it.
        self.add("REDIRECT_STATUS", "200");
    }

    /// Mail from a pipe or a Unix socket comes from this machine.
    fn connection(&mut self, letter: Letter<'_>) {
        let envelope = letter.envelope;
        let local = || "127.0.0.1".to_owned();
        let client = envelope
            .client
            .map(|client| client.to_canonical().to_string());
        self.add("REMOTE_ADDR", &client.unwrap_or_else(local));
        self.add(
            "REMOTE_PORT",
            &envelope.client_port.unwrap_or(0).to_string(),
        );
        let server = envelope
            .server
            .map(|server| server.ip().to_canonical().to_string());
        self.add("SERVER_ADDR", &server.unwrap_or_else(local));
        let port = envelope.server.map_or(25, |server| server.port());
        self.add("SERVER_PORT", &port.to_string());
        // RFC 3875 section 4.1.11, as a web server has it.
        if let Some(login) = &envelope.login {
            self.add("REMOTE_USER", login);
        }
        self.add("SERVER_NAME", &envelope.host);
        self.add("HTTP_HOST", &envelope.host);
    }

    fn envelope(&mut self, letter: Letter<'_>, attempt: u32) {
        let envelope = letter.envelope;
        let attempt = attempt.to_string();
        let received = seconds(envelope.received).to_string();
        let helo = envelope.helo.as_deref().unwrap_or_default();
        let tls = envelope.tls.as_deref().unwrap_or_default();
        let login = envelope.login.as_deref().unwrap_or_default();
        let twice: [(&str, &str, &str); 10] = [
            ("MAIL_FROM", "X_ENVELOPE_FROM", &envelope.mail_from),
            ("MAIL_RCPT", "X_ENVELOPE_TO", &envelope.rcpt),
            ("MAIL_MAILBOX", "X_MAILBOX", &envelope.mailbox),
            ("MAIL_HELO", "X_HELO", helo),
            ("MAIL_TLS", "X_TLS", tls),
            ("MAIL_LOGIN", "X_LOGIN", login),
            ("MAIL_ATTEMPT", "X_ATTEMPT", &attempt),
            ("MAIL_ID", "X_MAIL_ID", &envelope.id),
            ("MAIL_RECEIVED", "X_RECEIVED_AT", &received),
            ("MAIL_KEY", "IDEMPOTENCY_KEY", &envelope.key),
        ];
        for (plain, field, value) in twice {
            self.add(plain, value);
            self.add_to("HTTP_", field, value);
        }
        self.add("HTTP_X_ORIGINAL_TO", &envelope.rcpt);
        for (name, value) in &envelope.origin {
            self.add_to("MAIL_ORIG_", name, value);
            self.add_to("HTTP_X_ORIG_", name, value);
        }
        for (name, value) in &envelope.captures {
            let name: String = name.chars().map(of_a_name).collect();
            self.add_to("MAIL_CAPTURE_", &name, value);
            self.add_to("HTTP_X_CAPTURE_", &name, value);
        }
    }
}

/// What would end a line, or a string of C, is a question mark.
pub(super) fn in_one_line(value: &str) -> Cow<'_, str> {
    const ENDS: [char; 3] = ['\r', '\n', '\0'];
    if value.contains(ENDS) {
        Cow::Owned(value.replace(ENDS, "?"))
    } else {
        Cow::Borrowed(value)
    }
}

/// Names of header fields become names of parameters in capitals.
fn of_a_name(character: char) -> char {
    if character.is_ascii_alphanumeric() {
        character.to_ascii_uppercase()
    } else {
        '_'
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests;
