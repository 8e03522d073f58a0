//! What nginx is told.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::smtp::Reply;

/// Of octets in xtext.
const DIGITS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
];

const STATUS: HeaderName = HeaderName::from_static("auth-status");
const SERVER: HeaderName = HeaderName::from_static("auth-server");
const PORT: HeaderName = HeaderName::from_static("auth-port");
const USER: HeaderName = HeaderName::from_static("auth-user");
const CODE: HeaderName = HeaderName::from_static("auth-error-code");
const PAUSE: HeaderName = HeaderName::from_static("auth-wait");

/// An answer.
pub(super) enum Answer {
    /// The mail is taken there, and the client is this user if it has logged in.
    Yes(SocketAddr, Option<String>),
    /// The client is to hear this, after so long; if that is not said, nginx closes it.
    No(Reply, Option<Duration>),
}

impl Answer {
    /// Puts it into the header.
    pub fn write(&self, headers: &mut HeaderMap) {
        match self {
            Self::Yes(server, login) => {
                headers.insert(STATUS, HeaderValue::from_static("OK"));
                put(headers, SERVER, &server.ip().to_string());
                put(headers, PORT, &server.port().to_string());
                if let Some(login) = login {
                    put(headers, USER, &xtext(login));
                }
            }
            Self::No(reply, pause) => {
                // nginx says the code, a space and the status.
                let status = reply.status().map(|status| format!(" {status}"));
                let code = format!("{}{}", reply.code(), status.unwrap_or_default());
                put(headers, STATUS, reply.text().lines().next().unwrap_or("No"));
                put(headers, CODE, &code);
                if let Some(pause) = pause {
                    put(headers, PAUSE, &seconds(*pause).to_string());
                }
            }
        }
    }
}

/// Whole seconds, which is what nginx knows; 0 would be the end.
fn seconds(pause: Duration) -> u64 {
    let begun = u64::from(pause.subsec_nanos() > 0);
    (pause.as_secs() + begun).max(1)
}

/// Puts a field, unless its value cannot be one.
fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let plain: String = text.chars().filter(|c| (' '..='~').contains(c)).collect();
    if let Ok(value) = HeaderValue::from_str(&plain) {
        headers.insert(name, value);
    }
}

/// A name as XCLIENT has it (xtext, RFC 3461 section 4): most versions of nginx put it there as it is,
/// and one that had a blank could be followed by what it likes.
fn xtext(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for octet in name.bytes() {
        match octet {
            b'+' | b'=' | ..=b' ' | 0x7f.. => {
                text.push('+');
                text.extend([octet >> 4, octet & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
            octet => text.push(char::from(octet)),
        }
    }
    text
}

#[test]
fn names_in_xtext() {
    for (name, expected) in [
        ("alice", "alice"),
        ("a+b@example.org", "a+2Bb@example.org"),
        ("a ADDR=192.0.2.1", "a+20ADDR+3D192.0.2.1"),
        ("\u{fc}\r\n", "+C3+BC+0D+0A"),
    ] {
        assert_eq!(xtext(name), expected);
    }
}

#[test]
fn pauses_in_whole_seconds() {
    for (pause, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (29_000, 29)] {
        assert_eq!(
            seconds(Duration::from_millis(pause)),
            expected,
            "{pause} ms"
        );
    }
}
