//! The form of an answer: header fields, an empty line, a body (RFC 3875 section 6).

use std::time::{Duration, SystemTime};

use mail_parser::DateTime;

use super::super::parameters::seconds;
use super::REFUSED;
use crate::smtp::reply::{self, Reply};

/// Octets of header fields.
const HEADER: usize = 64 << 10;
/// Characters of a reply's text, with room for its codes on the line.
const TEXT: usize = 400;

/// An answer in its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Response<'a> {
    pub(super) status: u16,
    fields: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl<'a> Response<'a> {
    /// Takes an answer apart; nothing if it has not that form.
    pub(super) fn parse(stdout: &'a [u8]) -> Option<Self> {
        let start = &stdout[..stdout.len().min(HEADER)];
        let (mut fields, mut at) = (Vec::new(), 0);
        loop {
            let end = at + memchr::memchr(b'\n', &start[at..])?;
            let line = str::from_utf8(&start[at..end]).ok()?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            at = end + 1;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            let is_name = |octet: u8| octet.is_ascii_graphic() && octet != b'<';
            if name.is_empty() || !name.bytes().all(is_name) {
                return None;
            }
            fields.push((name, value.trim()));
        }
        let mut response = Self {
            status: 200,
            fields,
            body: &stdout[at..],
        };
        if let Some(status) = response.field("Status") {
            let digits = status.get(..3)?;
            let is_alone = !status[3..].starts_with(|next: char| next.is_ascii_alphanumeric());
            response.status = digits.parse().ok().filter(|_| is_alone)?;
        }
        Some(response)
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    /// Whether a message was acknowledged.
    pub(super) fn is_acknowledged(&self, key: &str) -> bool {
        let acknowledged = self.field("X-Mail-Ack");
        acknowledged.is_some_and(|value| value.eq_ignore_ascii_case(key))
            || self.begins_with(&["SAVED", "OK"])
    }

    /// Whether a recipient was found good.
    pub(super) fn says_pass(&self) -> bool {
        self.begins_with(&["PASSED", "PASS"])
    }

    /// Whether the body begins with one of these words.
    fn begins_with(&self, words: &[&str]) -> bool {
        let body = self.body.trim_ascii_start();
        words.iter().any(|word| {
            let rest = body.strip_prefix(word.as_bytes());
            rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
        })
    }

    /// `X-SMTP-Reply: 550 5.7.1 text`, if there is one: a refusal, for now or for
    /// good, cleaned of what a reply may not have.
    pub(super) fn smtp_reply(&self) -> Option<Result<Reply, ()>> {
        let value = self.field("X-SMTP-Reply")?;
        Some(parsed(value).ok_or(()))
    }

    /// For how long the answer holds, if it says so (RFC 9111 section 5.2.2): not at all with
    /// `no-store`. What frameworks say by themselves, `no-cache, private`, tells nothing of it.
    pub(super) fn max_age(&self, longest: Duration) -> Option<Duration> {
        let is_it = |name: &str| name.eq_ignore_ascii_case("Cache-Control");
        let fields = self.fields.iter().filter(|(name, _)| is_it(name));
        let directives = fields.flat_map(|(_, value)| value.split(',').map(str::trim));
        let times = directives.filter_map(|directive| match directive.split_once('=') {
            None if directive.eq_ignore_ascii_case("no-store") => Some(0),
            Some((name, value)) if name.eq_ignore_ascii_case("max-age") => {
                value.trim_matches('"').parse().ok()
            }
            _ => None,
        });
        Some(longest.min(Duration::from_secs(times.min()?)))
    }

    /// How long PHP asks to be left alone: seconds, or a date (RFC 9110 section 10.2.3).
    pub(super) fn retry_after(&self, longest: Duration) -> Option<Duration> {
        let value = self.field("Retry-After")?;
        let time = match value.parse::<u64>() {
            Ok(seconds) => seconds,
            Err(_) => date(value)?.saturating_sub(seconds(SystemTime::now())),
        };
        Some(longest.min(Duration::from_secs(time)))
    }
}

fn date(value: &str) -> Option<u64> {
    u64::try_from(DateTime::parse_rfc822(value)?.to_timestamp()).ok()
}

fn parsed(value: &str) -> Option<Reply> {
    let (code, rest) = value.split_at_checked(3)?;
    let code: u16 = code.parse().ok()?;
    // 421 would mean the connection, others the dialogue.
    if !matches!(code, 450..=452 | 550..=554) || !rest.starts_with([' ', '-']) && !rest.is_empty() {
        return None;
    }
    let rest = rest.get(1..).unwrap_or_default().trim();
    let (subject, detail, text) = match status(rest) {
        Some((class, subject, detail, text)) if class == code / 100 => (subject, detail, text),
        Some(_) => return None,
        None => (7, 1, rest),
    };
    let clean = |character: char| match character {
        ' '..='~' => character,
        _ => '?',
    };
    let text: String = match text {
        "" if code < 500 => reply::LOCAL_FAULT.text().to_owned(),
        "" => REFUSED.text().to_owned(),
        text => text.chars().take(TEXT).map(clean).collect(),
    };
    Some(Reply::new(code, subject, detail, "").with_text(text))
}

/// `5.7.1 text` in its parts.
fn status(text: &str) -> Option<(u16, u16, u16, &str)> {
    let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = status.split('.').map(|number| {
        let is_number =
            (1..=3).contains(&number.len()) && number.bytes().all(|d| d.is_ascii_digit());
        number.parse().ok().filter(|_| is_number)
    });
    let mut next = || numbers.next().flatten();
    let status = (next()?, next()?, next()?);
    numbers
        .next()
        .is_none()
        .then_some((status.0, status.1, status.2, rest.trim()))
}
