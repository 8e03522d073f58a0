//! Why there is no certificate, and how long to leave the directory alone.

use std::fmt;
use std::time::Duration;

use rustls_acme::acme::{AcmeError, Problem};

use crate::tls::TlsError;

/// How errors are named (RFC 8555 section 6.7).
const ERROR: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: Kind,
    /// What went wrong, and how to mend it where that is known.
    pub said: String,
}

/// What is to be done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The nonce was not good: ask again at once with another (RFC 8555 section 6.5).
    Nonce,
    /// Nobody is there, or it is ill. That costs the directory nothing: ask again soon.
    Unreachable,
    /// The directory has refused, which counts against its limits. Let's Encrypt allows five failed
    /// validations of a name in an hour.
    Refused,
    /// We have asked too often.
    Limited,
    /// The disk here.
    Disk,
}

impl Kind {
    /// How long to wait after so many failures in a row, the first being 1.
    pub fn pause(self, failures: u32) -> Duration {
        let (first, longest) = match self {
            Self::Nonce | Self::Unreachable => (Duration::from_secs(2), Duration::from_hours(1)),
            Self::Disk => (Duration::from_secs(30), Duration::from_hours(1)),
            Self::Refused => (Duration::from_mins(15), Duration::from_hours(12)),
            Self::Limited => (Duration::from_hours(1), Duration::from_hours(24)),
        };
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let pause = doubled.and_then(|times| first.checked_mul(times));
        pause.map_or(longest, |pause| pause.min(longest))
    }
}

impl Fault {
    pub(super) fn new(kind: Kind, said: impl Into<String>) -> Self {
        let said = said.into();
        Self { kind, said }
    }

    /// What the library has said; `step` is what we were about to do. Its errors of HTTP have no
    /// public type, so that they can only be told by their text.
    pub(super) fn of(step: &str, error: &AcmeError) -> Self {
        let AcmeError::HttpRequest(request) = error else {
            let said = format!("{step}: {error}; is that the URL of an ACME directory?");
            return Self::new(Kind::Unreachable, said);
        };
        let said = request.to_string();
        match said.strip_prefix("non 2xx http status: ") {
            Some(answer) => Self::refused(step, answer),
            None => Self::new(Kind::Unreachable, format!("{step}: {}", unreachable(&said))),
        }
    }

    /// An answer such as `429 "{\"type\": ...}"`.
    pub(super) fn refused(step: &str, answer: &str) -> Self {
        let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
        let body: Option<String> = serde_json::from_str(body).ok();
        let problem: Option<Problem> = body.and_then(|body| serde_json::from_str(&body).ok());
        let name = problem.as_ref().and_then(|it| it.typ.as_deref());
        let name = name.and_then(|it| it.strip_prefix(ERROR));
        let kind = match name {
            Some("badNonce") => Kind::Nonce,
            Some("rateLimited") => Kind::Limited,
            Some("serverInternal") => Kind::Unreachable,
            Some(_) => Kind::Refused,
            None if status == "429" => Kind::Limited,
            // Not a word of ACME: a proxy, or a page that is somewhere else.
            None => Kind::Unreachable,
        };
        Self::new(
            kind,
            format!("{step}: {}", said(status, name, problem.as_ref())),
        )
    }

    /// Why a challenge was not met.
    pub(super) fn unmet(domain: &str, problem: Option<&Problem>, mend: &str) -> Self {
        let name = problem.and_then(|it| it.typ.as_deref());
        let name = name.and_then(|it| it.strip_prefix(ERROR));
        let said = said("refused", name, problem);
        Self::new(
            Kind::Refused,
            format!("{domain} is not shown to be ours: {said}; {mend}"),
        )
    }
}

fn said(status: &str, name: Option<&str>, problem: Option<&Problem>) -> String {
    let detail = problem.and_then(|problem| problem.detail.as_deref());
    match (name, detail) {
        (Some(name), Some(detail)) => format!("{name}: {detail}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => format!("HTTP status {status}"),
    }
}

/// The words of the system in what the library has said, and how to mend it.
fn unreachable(said: &str) -> String {
    if said.contains("UnknownIssuer") {
        return "its certificate is from no CA that is known here; write directory_ca: FILE, \
                the certificate of the CA that has signed it"
            .into();
    }
    let message = said.split_once("message: \"");
    let message = message.and_then(|(_, rest)| rest.split_once('"'));
    let custom = || {
        let (_, rest) = said.split_once("error: ")?;
        Some(rest.trim_matches([' ', '}', ')', '"']))
    };
    let plain = message.map(|(message, _)| message).or_else(custom);
    plain.unwrap_or(said).to_owned()
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        Self::new(Kind::Disk, error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Fault {}
