//! What nginx asks.

use std::net::IpAddr;

use hyper::header::HeaderMap;

use super::value;
use crate::envelope::{Client, Proxy};
use crate::smtp::address::{Domain, ForwardPath, ReversePath};
use crate::smtp::command::Command;
use crate::smtp::reply::{self, Reply};

/// A question of nginx.
pub(super) struct Question {
    /// How often it has asked for this client.
    pub attempt: u32,
    /// For whom the mail is; or why it is refused whoever that is.
    pub recipient: Result<Box<Recipient>, Reply>,
}

/// A recipient, and from whom its mail comes.
pub(super) struct Recipient {
    pub path: ForwardPath,
    pub reverse_path: ReversePath,
    pub client: Client,
}

impl Question {
    /// Reads the fields of a request; none if it does not ask anything.
    pub fn read(headers: &HeaderMap, peer: IpAddr, lenient: bool) -> Option<Self> {
        let method = value(headers, "Auth-Method")?;
        let protocol = value(headers, "Auth-Protocol")?;
        let attempt = value(headers, "Auth-Login-Attempt").and_then(|count| count.parse().ok());
        Some(Self {
            attempt: attempt.unwrap_or(1),
            recipient: match (protocol, method) {
                ("smtp", "none") => recipient(headers, peer, lenient).map(Box::new),
                // Here the user of Auth-User and Auth-Pass would be looked up.
                ("smtp", _) => Err(reply::NO_LOGIN),
                _ => Err(reply::NOT_IMPLEMENTED),
            },
        })
    }
}

/// nginx hands on the lines of the client, `MAIL FROM:<...>` and `RCPT TO:<...>`, as they are.
fn recipient(headers: &HeaderMap, peer: IpAddr, lenient: bool) -> Result<Recipient, Reply> {
    let line = |name, otherwise: Reply| {
        let line = value(headers, name).ok_or(otherwise)?;
        Command::parse(line.as_bytes(), lenient)
    };
    let Command::Mail(reverse_path, parameters) = line("Auth-SMTP-From", reply::BAD_SENDER)? else {
        return Err(reply::BAD_SENDER);
    };
    let Command::Rcpt { path, utf8 } = line("Auth-SMTP-To", reply::BAD_RECIPIENT)? else {
        return Err(reply::BAD_RECIPIENT);
    };
    if utf8 && !parameters.utf8 {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    Ok(Recipient {
        path,
        reverse_path,
        client: client(headers, peer),
    })
}

fn client(headers: &HeaderMap, peer: IpAddr) -> Client {
    let is_name = |name: &&str| matches!(Domain::parse(name), Ok(Domain::Name(_)));
    let is_greeting = |name: &&str| Domain::parse(name).is_ok();
    let text = |name: Option<&str>| name.map(str::to_owned);
    let address = value(headers, "Client-IP").and_then(|address| address.parse().ok());
    Client {
        address,
        proxy: Some(Proxy::Address(peer)),
        name: text(value(headers, "Client-Host").filter(is_name)),
        helo: text(value(headers, "Auth-SMTP-Helo").filter(is_greeting)),
        ..Client::default()
    }
}
