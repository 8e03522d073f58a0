//! Messages that can be recognised to the last octet.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The field that names a letter.
const FIELD: &str = "X-Token: ";
/// Octets of a line of text, about.
const LINE: usize = 64;

/// A message. Its text follows from its token, so that whoever finds it knows every octet that
/// should be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Letter {
    token: String,
}

impl Letter {
    /// The letter with that token, which consists of letters, digits and dashes.
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
        }
    }

    /// What tells it from all others.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The message with LF line ends, as a Maildir has it behind the trace fields. Most have a few
    /// hundred octets, one in eight some pages.
    pub fn text(&self) -> String {
        let size = digest(&self.token, 0);
        let lines = if size.is_multiple_of(8) {
            size / 8 % 800
        } else {
            size / 8 % 40
        };
        let mut text = format!("{FIELD}{}\nSubject: proof\n\n", self.token);
        for line in 1..=lines {
            let start = text.len();
            while text.len() - start < LINE {
                // Writing to a String cannot fail.
                let _ = write!(text, "{:016x} ", digest(&self.token, line));
            }
            text.push('\n');
        }
        let _ = writeln!(text, "end of {} {:016x}", self.token, digest(&text, lines));
        text
    }

    /// The letter that a stored message says it is.
    pub fn of(stored: &str) -> Option<Self> {
        let header = stored.split("\n\n").next()?;
        let mut lines = header.lines();
        Some(Self::new(lines.find_map(|line| line.strip_prefix(FIELD))?))
    }
}

fn digest(text: &str, number: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (text, number).hash(&mut hasher);
    hasher.finish()
}

#[test]
fn letters_are_recognised_and_differ() {
    let letter = Letter::new("a-1");
    assert_eq!(
        Letter::of(&format!("Received: x\n{}", letter.text())),
        Some(letter.clone())
    );
    assert_ne!(letter.text(), Letter::new("a-2").text());
    assert_eq!(Letter::of("Subject: x\n\nX-Token: a-1\n"), None);
}
