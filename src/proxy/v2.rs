//! Version 2: a signature, a command, a family, a length; then addresses, then TLVs.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Extras, Fault, Header, LONGEST, Progress, Source};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of the part that is always there.
pub(super) const FIXED: usize = 16;
/// Octets of two addresses of a Unix socket.
const UNIX: usize = 216;

pub(super) fn read(octets: &[u8]) -> Result<Progress, Fault> {
    // What is wrong is said as soon as it can be seen.
    let command = octets.get(12).copied().map(command).transpose()?;
    let family = octets.get(13).copied();
    if command == Some(Command::Proxy) {
        family.map(addresses).transpose()?;
    }
    let Some(fixed) = octets.get(..FIXED) else {
        return Ok(Progress::Missing(FIXED - octets.len()));
    };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > LONGEST {
        return Err(Fault::TooLong);
    }
    if command == Some(Command::Proxy) && length - FIXED < addresses(fixed[13])? {
        return Err(Fault::Length);
    }
    let Some(header) = octets.get(..length) else {
        return Ok(Progress::Missing(length - octets.len()));
    };
    let header = match command {
        Some(Command::Proxy) => proxied(header)?,
        // All but the length is to be ignored (section 2.2).
        _ => Header {
            source: Source::Proxy,
            extras: Extras::default(),
        },
    };
    Ok(Progress::Whole(Box::new(header), length))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

fn command(octet: u8) -> Result<Command, Fault> {
    match octet {
        0x20 => Ok(Command::Local),
        0x21 => Ok(Command::Proxy),
        _ => Err(Fault::Version),
    }
}

/// How many octets the addresses of a family take.
fn addresses(family: u8) -> Result<usize, Fault> {
    match family {
        0x00 => Ok(0),
        0x11 => Ok(12),
        0x21 => Ok(36),
        0x31 => Ok(UNIX),
        _ => Err(Fault::Family),
    }
}

fn proxied(header: &[u8]) -> Result<Header, Fault> {
    let (fixed, rest) = header.split_at(FIXED);
    let size = addresses(fixed[13])?;
    let (addresses, _) = rest.split_at_checked(size).ok_or(Fault::Length)?;
    Ok(Header {
        source: match size {
            12 => client::<4, Ipv4Addr>(addresses)?,
            36 => client::<16, Ipv6Addr>(addresses)?,
            _ => Source::Unknown,
        },
        extras: Extras::read(header, FIXED + size)?,
    })
}

/// Source address, destination address, source port, destination port.
fn client<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(octets: &[u8]) -> Result<Source, Fault> {
    let array = |at: usize| octets.get(at..at + N)?.try_into().ok();
    let address = |at: usize| array(at).map(|octets: [u8; N]| A::from(octets).into());
    let socket = |address_at: usize, port_at: usize| {
        let address: IpAddr = address(address_at)?;
        let port = octets.get(port_at..port_at + 2)?.try_into().ok()?;
        Some(SocketAddr::new(
            address.to_canonical(),
            u16::from_be_bytes(port),
        ))
    };
    Ok(Source::Client {
        client: socket(0, 2 * N).ok_or(Fault::Length)?,
        server: socket(N, 2 * N + 2).ok_or(Fault::Length)?,
    })
}
