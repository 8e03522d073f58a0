//! The keys of the processor FastCGI, and the times that it is given.

use std::time::Duration;

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::Value;
use crate::config::Time;

/// The keys that the processor had.
#[derive(Debug, Default)]
pub(super) struct Php {
    pub(super) connection: Option<Said<String>>,
    pub(super) address: Option<Said<String>>,
    pub(super) save: Option<Said<String>>,
    pub(super) validate: Option<Said<String>>,
}

/// No client waits longer.
const LONGEST: Duration = Duration::from_hours(24);
const SHORTEST: Duration = Duration::from_secs(1);

impl Php {
    /// Puts the section on the sheet, and returns whether there is enough for one.
    pub(super) fn put(self, draft: &mut Draft, is_used: bool) -> bool {
        let there = [&self.connection, &self.address, &self.save, &self.validate];
        let there: Vec<Id> = there.into_iter().flatten().map(|said| said.from).collect();
        if there.is_empty() {
            return false;
        }
        let place = self.place();
        let (Ok(address), Some(save)) = (&place, self.save.as_ref().and_then(script)) else {
            let why = match place {
                Err(why) => why,
                Ok(_) => "the script that is given messages is missing, or is no full path; write \
                          it into fastcgi.script"
                    .to_owned(),
            };
            draft.tell(&there, why);
            return false;
        };
        let place = self.connection.iter().chain(&self.address);
        let place: Vec<Id> = place.map(|said| said.from).collect();
        let note = if is_used {
            ""
        } else {
            "No chain names FastCGI: this is not in use."
        };
        draft.put(
            "fastcgi.address",
            Value::Text(address.clone()),
            &place,
            note,
        );
        let save_from: Vec<Id> = self.save.iter().map(|said| said.from).collect();
        draft.put("fastcgi.script", Value::Text(save), &save_from, "");
        let note = "The client waits for PHP, whose answer it hears, as before. Without this line \
                    PHP gets mail from a queue, as often as it takes.";
        draft.put("fastcgi.delivery", Value::Word("inline".into()), &[], note);
        let note = "The form of go-guerrilla; once for each recipient.";
        draft.put("fastcgi.body", Value::Word("guerrilla".into()), &[], note);
        if let Some(said) = &self.validate {
            asked(draft, said);
        }
        true
    }

    fn place(&self) -> Result<String, String> {
        let address = self.address.as_ref().map_or("", |said| said.value.as_str());
        let kind = self
            .connection
            .as_ref()
            .map_or("", |said| said.value.as_str());
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty());
        let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
        match (kind.to_ascii_lowercase().as_str(), port) {
            ("unix" | "", _) if address.starts_with('/') => Ok(format!("unix:{address}")),
            ("tcp" | "tcp4" | "tcp6" | "", Some(1..)) => Ok(address.to_owned()),
            _ => Err(format!(
                "{kind:?} and {address:?} do not say where PHP listens; write it into \
                 fastcgi.address, such as unix:/run/php/php-fpm.sock or 127.0.0.1:9000"
            )),
        }
    }
}

/// The full path of a script.
fn script(said: &Said<String>) -> Option<String> {
    let path = &said.value;
    (path.starts_with('/') && !path.contains(['{', '}'])).then(|| path.clone())
}

/// The script that is asked about recipients.
fn asked(draft: &mut Draft, said: &Said<String>) {
    if let Some(path) = script(said) {
        let path = Value::Text(path);
        draft.put("fastcgi.validate.script", path, &[said.from], "");
    } else {
        let why = "this is no full path, and the script for messages is asked about recipients; \
                   write it into fastcgi.validate.script";
        draft.tell(&[said.from], why);
    }
}

/// How long a client waits for a delivery.
pub(super) fn save_timeout(
    draft: &mut Draft,
    said: &Said<String>,
    has_php: bool,
) -> Option<Said<Duration>> {
    let time = time(draft, said)?;
    let value = Value::Word(Time(time).to_string());
    draft.put("timeouts.delivery", value, &[said.from], "");
    if has_php {
        let value = Value::Word(Time(time * 5 / 6).to_string());
        let note = "PHP must have answered before the client is told to come again.";
        draft.put("fastcgi.timeout", value, &[said.from], note);
    }
    Some(Said {
        value: time,
        from: said.from,
    })
}

/// How long a client waits to hear about a recipient.
pub(super) fn validate_timeout(draft: &mut Draft, said: &Said<String>, has_php: bool) {
    if !has_php {
        let why = "nobody waits for what is told about recipients, as no PHP is asked; it would \
                   be fastcgi.validate.timeout";
        return draft.tell(&[said.from], why);
    }
    if let Some(time) = time(draft, said) {
        let value = Value::Word(Time(time).to_string());
        draft.put("fastcgi.validate.timeout", value, &[said.from], "");
    }
}

fn time(draft: &mut Draft, said: &Said<String>) -> Option<Duration> {
    let time = duration(&said.value).filter(|time| (SHORTEST..=LONGEST).contains(time));
    if time.is_none() {
        let why = format!(
            "{:?} is not a time from 1s to 24h; the default stands in the result",
            said.value
        );
        draft.tell(&[said.from], why);
    }
    time
}

/// A time as Go writes it: `1h30m`, `1.5s`, `200ms`. Smaller parts than a millisecond are dropped.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-6),
        ("us", 1e-3),
        ("µs", 1e-3),
        ("ms", 1.0),
        ("s", 1e3),
        ("m", 6e4),
        ("h", 3.6e6),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut milliseconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        milliseconds += number * factor;
        rest = behind;
    }
    let whole = Duration::try_from_secs_f64(milliseconds / 1e3).ok()?;
    u64::try_from(whole.as_millis())
        .ok()
        .map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_as_go_writes_them() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("200ms", 200),
            ("1m0.5s", 60_500),
            ("3us", 0),
        ] {
            let time = duration(text).unwrap();
            assert_eq!(time.as_millis(), milliseconds, "{text}");
        }
        for odd in [
            "",
            "30",
            "s",
            "3x",
            "-3s",
            "1..5s",
            "3s4",
            "9e9s",
            "99999999999999999999999h",
        ] {
            assert!(duration(odd).is_none(), "{odd}");
        }
    }
}
