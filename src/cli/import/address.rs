//! Addresses to listen on, as Go reads them.

use std::net::{IpAddr, SocketAddr};

/// Services that have a name there.
const PORTS: [(&str, u16); 3] = [("smtp", 25), ("smtps", 465), ("submission", 587)];

/// Ours for one of theirs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) found: Vec<String>,
    pub(super) note: Option<String>,
}

/// `127.0.0.1:25`, `[::1]:25`, `:25`, `localhost:25`. An error says what to write.
pub(super) fn addresses(text: &str) -> Result<Addresses, String> {
    let wrong =
        || format!("{text:?} is not an address; write one such as 127.0.0.1:25 into listeners");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let named = PORTS.iter().find(|(name, _)| *name == port);
    let port = match named {
        Some((_, port)) => *port,
        None => port.parse().map_err(|_| wrong())?,
    };
    let only = |ip: IpAddr| vec![SocketAddr::new(ip, port).to_string()];
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(host).parse() {
        return Ok(Addresses {
            found: only(ip),
            note: None,
        });
    }
    match host {
        "" | "*" => Ok(Addresses {
            found: vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
            note: Some(
                "Every address, IPv4 and IPv6: two listeners here. Take the second one away on a \
                 machine without IPv6."
                    .to_owned(),
            ),
        }),
        "localhost" => Ok(Addresses {
            found: vec![format!("127.0.0.1:{port}")],
            note: None,
        }),
        name => Err(format!(
            "{name:?} is a name; write the IP address that it has into listeners, as {text:?} is \
             left out"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn addresses_as_go_reads_them() {
        for (text, found) in [
            ("127.0.0.1:2525", &["127.0.0.1:2525"][..]),
            ("[::1]:25", &["[::1]:25"]),
            ("0.0.0.0:smtp", &["0.0.0.0:25"]),
            (":587", &["0.0.0.0:587", "[::]:587"]),
            ("localhost:25", &["127.0.0.1:25"]),
        ] {
            assert_eq!(addresses(text).unwrap().found, found, "{text}");
        }
        for odd in [
            "",
            "25",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:99999",
            "mx.example.org:25",
            "::1:x",
            "a:b",
        ] {
            assert!(addresses(odd).is_err(), "{odd}");
        }
    }
}
