//! What nginx is told.

use std::net::SocketAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::smtp::Reply;

/// After so many refusals nginx is to close the client's connection: it keeps memory for each.
const ATTEMPTS: u32 = 10;
/// Seconds that a client waits for a refusal, so that guessing addresses takes its time.
const WAIT: &str = "1";

const STATUS: HeaderName = HeaderName::from_static("auth-status");
const SERVER: HeaderName = HeaderName::from_static("auth-server");
const PORT: HeaderName = HeaderName::from_static("auth-port");
const CODE: HeaderName = HeaderName::from_static("auth-error-code");
const PAUSE: HeaderName = HeaderName::from_static("auth-wait");

/// An answer.
pub(super) enum Answer {
    /// The mail is taken there.
    Yes(SocketAddr),
    /// The client is to hear this.
    No(Reply),
}

impl Answer {
    /// Puts it into the header, as the one to such an attempt.
    pub fn write(&self, attempt: u32, headers: &mut HeaderMap) {
        match self {
            Self::Yes(server) => {
                headers.insert(STATUS, HeaderValue::from_static("OK"));
                put(headers, SERVER, &server.ip().to_string());
                put(headers, PORT, &server.port().to_string());
            }
            Self::No(reply) => {
                // nginx says the code, a space and the status.
                let status = reply.status().map(|status| format!(" {status}"));
                let code = format!("{}{}", reply.code(), status.unwrap_or_default());
                put(headers, STATUS, reply.text().lines().next().unwrap_or("No"));
                put(headers, CODE, &code);
                if attempt < ATTEMPTS {
                    headers.insert(PAUSE, HeaderValue::from_static(WAIT));
                }
            }
        }
    }
}

/// Puts a field, unless its value cannot be one.
fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let plain: String = text.chars().filter(|c| (' '..='~').contains(c)).collect();
    if let Ok(value) = HeaderValue::from_str(&plain) {
        headers.insert(name, value);
    }
}
