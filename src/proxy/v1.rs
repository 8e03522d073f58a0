//! Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 4711 25` CRLF.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Extras, Fault, Header, Progress, Source};

pub(super) const PREFIX: &[u8] = b"PROXY ";
/// With CRLF (section 2.1).
const LONGEST: usize = 107;
/// `PROXY UNKNOWN` CRLF.
const SHORTEST: usize = 15;

pub(super) fn read(octets: &[u8]) -> Result<Progress, Fault> {
    let line = &octets[..octets.len().min(LONGEST)];
    let Some(end) = line.iter().position(|octet| b"\r\n".contains(octet)) else {
        let missing = SHORTEST.saturating_sub(line.len()).max(2);
        // A line is never asked for octets beyond the longest one.
        return if line.len() + 2 <= LONGEST {
            Ok(Progress::Missing(missing))
        } else {
            Err(Fault::TooLong)
        };
    };
    match line[end..] {
        [b'\r'] if end + 2 <= LONGEST => Ok(Progress::Missing(1)),
        [b'\r'] => Err(Fault::TooLong),
        [b'\r', b'\n', ..] => {
            let source = source(&line[..end]).ok_or(Fault::Line)?;
            let extras = Extras::default();
            let header = Header { source, extras };
            Ok(Progress::Whole(Box::new(header), end + 2))
        }
        _ => Err(Fault::Line),
    }
}

fn source(line: &[u8]) -> Option<Source> {
    let words = str::from_utf8(line.get(PREFIX.len()..)?).ok()?;
    if words == "UNKNOWN" || words.starts_with("UNKNOWN ") {
        return Some(Source::Unknown);
    }
    let words: Vec<&str> = words.split(' ').collect();
    let [family, client, server, client_port, server_port] = words[..] else {
        return None;
    };
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let socket = |ip: &str, port: &str| {
        let ip = address(ip)?.to_canonical();
        Some(SocketAddr::new(ip, self::port(port)?))
    };
    Some(Source::Client {
        client: socket(client, client_port)?,
        server: socket(server, server_port)?,
    })
}

/// A number without sign and without zeros before it.
fn port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}
