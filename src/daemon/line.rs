//! How one line of the log looks.

use std::fmt::Write as _;
use std::time::SystemTime;

use log::Record;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use mail_parser::DateTime;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-20T15:53:35Z INFO message id=... status=delivered`, for people.
    Text,
    /// `ts=... level=... event=... id=...`, for grep and log shippers.
    Logfmt,
    /// One JSON object.
    Json,
}

/// How much of an address the log may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// All of it.
    Full,
    /// Only what follows the `@`.
    Domain,
    /// A digest: the same address has the same one.
    Hash,
    /// Nothing.
    None,
}

impl Format {
    /// A line with its end.
    pub fn line(self, record: &Record<'_>, addresses: Addresses) -> String {
        let mut pairs = Pairs {
            addresses,
            pairs: Vec::new(),
        };
        // The visitor has no errors to give.
        let _ = record.key_values().visit(&mut pairs);
        let (time, level, event) = (now(), record.level(), record.args().to_string());
        let mut line = String::with_capacity(256);
        match self {
            Self::Text => {
                let _ = write!(line, "{time} {level:<5} {event}");
                pairs.words(&mut line);
            }
            Self::Logfmt => {
                let level = level.as_str().to_lowercase();
                let _ = write!(line, "ts={time} level={level} event={}", word(&event));
                pairs.words(&mut line);
            }
            Self::Json => {
                let level = level.as_str().to_lowercase();
                let _ = write!(
                    line,
                    "{{\"ts\":\"{time}\",\"level\":\"{level}\",\"event\":{}",
                    quoted(&event)
                );
                pairs.members(&mut line);
                line.push('}');
            }
        }
        line.push('\n');
        line
    }
}

fn now() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let date = DateTime::from_timestamp(seconds).to_rfc3339();
    format!(
        "{}.{:03}Z",
        date.trim_end_matches('Z'),
        since.subsec_millis()
    )
}

/// The keys of a record that have a value, in their order.
struct Pairs {
    addresses: Addresses,
    pairs: Vec<(String, Shown)>,
}

impl Pairs {
    fn words(&self, line: &mut String) {
        for (key, Shown::Text(value) | Shown::Number(value)) in &self.pairs {
            let _ = write!(line, " {key}={}", word(value));
        }
    }

    /// Members of a JSON object that has others before.
    fn members(&self, line: &mut String) {
        for (key, value) in &self.pairs {
            let _ = match value {
                Shown::Text(text) => write!(line, ",{}:{}", quoted(key), quoted(text)),
                Shown::Number(number) => write!(line, ",{}:{number}", quoted(key)),
            };
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut reader = Reader(None);
        value.visit(&mut reader)?;
        let shown = match reader.0 {
            Some(Shown::Text(text)) => self.addresses.reduce(key.as_str(), text).map(Shown::Text),
            shown => shown,
        };
        if let Some(shown) = shown {
            self.pairs.push((key.as_str().to_owned(), shown));
        }
        Ok(())
    }
}

/// A value as it is shown; only in JSON does it matter what it is.
enum Shown {
    Text(String),
    Number(String),
}

struct Reader(Option<Shown>);

impl<'v> VisitValue<'v> for Reader {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = Some(Shown::Text(value.to_string()));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_borrowed_str(&mut self, value: &'v str) -> Result<(), Error> {
        self.0 = Some(Shown::Text(value.to_owned()));
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = Some(Shown::Number(value.to_string()));
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = Some(Shown::Number(value.to_string()));
        Ok(())
    }

    /// Fractions are of seconds.
    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        let text = format!("{value:.3}");
        self.0 = Some(if value.is_finite() {
            Shown::Number(text)
        } else {
            Shown::Text(text)
        });
        Ok(())
    }
}

impl Addresses {
    /// What may be told of a value, if anything. Besides addresses it is the
    /// subject, and what else stands in a header, that belongs to the people who
    /// write to each other.
    fn reduce(self, key: &str, value: String) -> Option<String> {
        match (self, key) {
            (Self::Full, _) => Some(value),
            (_, "subject" | "message_id" | "value") => None,
            // The name of a field is the client's choice.
            (_, "field") if value.contains('@') => None,
            (_, "from" | "to" | "login" | "file") => {
                let part = |one: &str| match one {
                    rest if is_count(rest) => Some(rest.to_owned()),
                    address => self.address(address),
                };
                let parts: Option<Vec<String>> = value.split(',').map(part).collect();
                Some(parts?.join(","))
            }
            _ => Some(value),
        }
    }

    fn address(self, address: &str) -> Option<String> {
        match self {
            Self::Full => Some(address.to_owned()),
            Self::Domain => Some(
                address
                    .rsplit_once('@')
                    .map_or("", |(_, domain)| domain)
                    .to_owned(),
            ),
            Self::Hash => Some(blake3::hash(address.as_bytes()).to_hex()[..16].to_owned()),
            Self::None => None,
        }
    }
}

/// Whether it says how many more addresses there are: `... (+5)`.
fn is_count(text: &str) -> bool {
    let number = text
        .strip_prefix("... (+")
        .and_then(|rest| rest.strip_suffix(')'));
    number.is_some_and(|number| number.bytes().all(|octet| octet.is_ascii_digit()))
}

/// A value as one word: quoted where a blank, a quote or a control character
/// would tear it apart or fool a terminal.
fn word(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        quoted(value)
    }
}

/// A JSON string (RFC 8259 section 7).
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    /// A line without its time.
    fn line(format: Format, addresses: Addresses, pairs: &[(&str, Value<'_>)]) -> String {
        let record = Record::builder()
            .level(Level::Info)
            .args(format_args!("message"))
            .key_values(&pairs)
            .build();
        let line = format.line(&record, addresses);
        let time = line.find("20").unwrap();
        format!(
            "{}{}",
            &line[..time],
            &line[time + "2026-11-20T15:53:35.123Z".len()..]
        )
    }

    #[test]
    fn forms() {
        let pairs = [
            ("id", Value::from("x1")),
            ("from", Value::from("")),
            ("cause", Value::from("No \"room\"\x1b\n")),
            ("reply", Value::null()),
            ("size", Value::from(5)),
            ("delay", Value::from(0.25)),
        ];
        for (format, expected) in [
            (
                Format::Text,
                " INFO  message id=x1 from=\"\" cause=\"No \\\"room\\\"\\u001b\\u000a\" size=5 delay=0.250\n",
            ),
            (
                Format::Logfmt,
                "ts= level=info event=message id=x1 from=\"\" cause=\"No \\\"room\\\"\\u001b\\u000a\" size=5 delay=0.250\n",
            ),
            (
                Format::Json,
                "{\"ts\":\"\",\"level\":\"info\",\"event\":\"message\",\"id\":\"x1\",\"from\":\"\",\
                 \"cause\":\"No \\\"room\\\"\\u001b\\u000a\",\"size\":5,\"delay\":0.250}\n",
            ),
        ] {
            assert_eq!(line(format, Addresses::Full, &pairs), expected);
        }
    }

    #[test]
    fn privacy() {
        let pairs = [
            ("from", Value::from("s@c.test")),
            ("to", Value::from("a@x.test,b@y.test,... (+5)")),
            ("subject", Value::from("secret")),
            ("field", Value::from("a@x.test")),
            ("value", Value::from("secret")),
            ("size", Value::from(5)),
        ];
        let text = |addresses| line(Format::Text, addresses, &pairs);
        assert_eq!(
            text(Addresses::Domain),
            " INFO  message from=c.test to=\"x.test,y.test,... (+5)\" size=5\n"
        );
        assert_eq!(text(Addresses::None), " INFO  message size=5\n");
        let hashed = text(Addresses::Hash);
        assert!(
            !hashed.contains('@') && !hashed.contains("secret"),
            "{hashed}"
        );
        assert_eq!(hashed.matches(',').count(), 2);
        assert!(hashed.contains(",... (+5)"), "{hashed}");
    }
}
