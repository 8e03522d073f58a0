//! What nginx asks.

use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderValue};

use super::{Settings, value};
use crate::envelope::{Client, Proxy, Tls};
use crate::smtp::Auth;
use crate::smtp::address::{Domain, ForwardPath, ReversePath};
use crate::smtp::command::Command;
use crate::smtp::reply::{self, Reply};

/// A question of nginx.
pub(super) struct Question {
    /// How often it has asked for this client.
    pub attempt: u32,
    /// What it wants to know; or why it is refused whatever that is.
    pub asked: Result<Asked, Reply>,
}

/// What nginx wants to know.
pub(super) enum Asked {
    /// Whether mail for it is taken.
    Recipient(Box<Recipient>),
    /// Whether it is who it says.
    Login(Box<Login>),
}

/// A recipient, and from whom its mail comes.
pub(super) struct Recipient {
    pub path: ForwardPath,
    pub reverse_path: ReversePath,
    pub client: Client,
}

/// A client that says who it is.
pub(super) struct Login {
    pub client: Client,
    /// Its name and password as a message of PLAIN (RFC 4616).
    pub message: Vec<u8>,
}

impl Question {
    /// Reads the fields of a request; none if it does not ask anything.
    pub fn read(headers: &HeaderMap, peer: IpAddr, settings: &Settings) -> Option<Self> {
        let method = value(headers, "Auth-Method")?;
        let protocol = value(headers, "Auth-Protocol")?;
        let attempt = value(headers, "Auth-Login-Attempt").and_then(|count| count.parse().ok());
        let asked = match (protocol, method, settings.logins) {
            ("smtp", "none", Auth::Required) => Err(reply::AUTH_REQUIRED),
            ("smtp", "none", _) => recipient(headers, peer, settings.lenient_paths)
                .map(|it| Asked::Recipient(Box::new(it))),
            ("smtp", _, Auth::Absent) => Err(reply::NO_LOGIN),
            // It says so of LOGIN too.
            ("smtp", "plain" | "login", _) => Ok(Asked::Login(Box::new(login(headers, peer)))),
            ("smtp", ..) => Err(reply::UNKNOWN_MECHANISM),
            _ => Err(reply::NOT_IMPLEMENTED),
        };
        Some(Self {
            attempt: attempt.unwrap_or(1),
            asked,
        })
    }
}

fn login(headers: &HeaderMap, peer: IpAddr) -> Login {
    let said = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let [user, password] = ["Auth-User", "Auth-Pass"].map(|name| unescaped(said(name)));
    Login {
        client: client(headers, peer),
        message: [b"", &user[..], &password].join(&0),
    }
}

/// nginx writes blanks, controls and percent signs as `%20`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let octet = escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        if octet.is_some() {
            rest = &after[2..];
        }
        octets.push(octet.unwrap_or(*first));
    }
    octets
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
        tls: tls(headers),
        name: text(value(headers, "Client-Host").filter(is_name)),
        helo: text(value(headers, "Auth-SMTP-Helo").filter(is_greeting)),
        ..Client::default()
    }
}

/// How the client's connection to nginx is encrypted; old versions tell only that it is.
fn tls(headers: &HeaderMap) -> Option<Tls> {
    let is_on = value(headers, "Auth-SSL")?.eq_ignore_ascii_case("on");
    let told = |name| value(headers, name).map(str::to_owned);
    is_on.then(|| Tls {
        version: told("Auth-SSL-Protocol").unwrap_or_else(|| "TLS".into()),
        cipher: told("Auth-SSL-Cipher").unwrap_or_default(),
        server_name: None,
        certificate: None,
    })
}

#[test]
fn escapes_of_nginx() {
    for (text, expected) in [
        ("alice", "alice"),
        ("a%20b%25+c%40", "a b%+c@"),
        ("%c3%BC", "\u{fc}"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz%+1", "%zz%+1"),
        ("%2525", "%25"),
    ] {
        assert_eq!(unescaped(text.as_bytes()), expected.as_bytes(), "{text}");
    }
}
