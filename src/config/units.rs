//! Sizes, times and file modes as people write them.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer};

use super::scalars::Scalar;

/// A number of octets: `1000`, `25MB` (powers of ten) or `256KiB` (powers of two).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A time: `500ms`, `30s`, `5m`, `1h` or `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Whoever writes more means "never"; a deadline so far away cannot be counted on every machine.
const LONGEST_IN_DAYS: u64 = 10_000;

/// The kernel counts the octets of a file in an `i64`.
const LARGEST: u64 = i64::MAX.cast_unsigned();
/// The same, for people.
const LARGEST_IN_GB: u64 = LARGEST / 1_000_000_000;

impl Size {
    /// It as a number of octets.
    pub fn octets(self) -> u64 {
        self.0
    }
}

impl Time {
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(super) const fn hours(hours: u64) -> Self {
        Self(Duration::from_hours(hours))
    }

    /// It as a duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

/// With the largest unit that leaves no fraction.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(octets) = *self;
        let fits = |(_, unit): &&(&str, u64)| octets >= *unit && octets.is_multiple_of(*unit);
        let (name, unit) = SIZES
            .iter()
            .filter(fits)
            .max_by_key(|(_, unit)| *unit)
            .unwrap_or(&SIZES[0]);
        write!(f, "{}{name}", octets / unit)
    }
}

/// With the largest unit that leaves no fraction.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let fits = |(_, unit): &&(&str, u64)| {
            milliseconds >= u128::from(*unit) && milliseconds.is_multiple_of(u128::from(*unit))
        };
        let (name, unit) = TIMES.iter().rfind(fits).unwrap_or(&TIMES[0]);
        write!(f, "{}{name}", milliseconds / u128::from(*unit))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Scalar {
                expected: "a size such as 25MB",
                read: size,
            })
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Scalar {
                expected: "a time such as 30s",
                read: time,
            })
            .map(Self)
    }
}

/// The mode of a file.
pub(super) fn file_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_any(Scalar {
        expected: "a file mode such as \"0600\"",
        read: mode,
    })
}

/// Reads a number of octets.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    let known = SIZES.iter().find(|(name, _)| *name == unit);
    let Some((_, octets)) = known.filter(|_| !digits.is_empty()) else {
        return Err(format!(
            "{text:?} is not a size; write a number of octets, or one such as 25MB or 256KiB"
        ));
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(*octets))
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| format!("{text:?} is too large; write {LARGEST_IN_GB}GB at most"))
}

/// Reads a time.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let number: Option<u64> = digits.parse().ok();
    if let (Some(number), "") = (number, unit) {
        return Err(format!(
            "{text:?} has no unit; write {number}s for seconds, or ms, m, h or d instead of s"
        ));
    }
    let milliseconds = TIMES
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, milliseconds)| number?.checked_mul(*milliseconds))
        .ok_or_else(|| {
            format!("{text:?} is not a time; write one such as 500ms, 30s, 5m, 1h or 2d")
        })?;
    let time = Duration::from_millis(milliseconds);
    if time > Duration::from_hours(LONGEST_IN_DAYS * 24) {
        return Err(format!(
            "{text:?} is too long; write {LONGEST_IN_DAYS}d at most"
        ));
    }
    Ok(time)
}

/// Reads the mode of a file: a zero and three octal digits.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let is_mode = text.len() == 4
        && text.starts_with('0')
        && text.bytes().all(|octet| matches!(octet, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_mode);
    mode.ok_or_else(|| {
        format!("{text:?} is not a file mode; write four octal digits in quotes, such as \"0600\"")
    })
}

/// The digits at the beginning, and what follows them without spaces around it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}
