//! The TLVs of version 2: a type, a length of two octets, and a value (section 2.2.1).

use core::fmt::Write as _;

use super::Fault;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const NETNS: u8 = 0x30;

const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;
/// The bit that says that the client connected with TLS.
const OVER_TLS: u8 = 0x01;
/// The bits that say that a certificate was shown: on this connection, or earlier in its TLS session.
const CERTIFICATE: u8 = 0x02 | 0x04;

/// Octets of a version or a cipher; the longest of IANA's registry has 45.
const LONGEST_WORD: usize = 64;
/// Octets of a unique id (section 2.2.5).
const LONGEST_ID: usize = 128;

/// What a proxy tells beside addresses. TLVs of other types, NOOP among them, mean nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The protocol that TLS agreed on (ALPN).
    pub alpn: Option<String>,
    /// The host that the client asked for, as in SNI (AUTHORITY).
    pub authority: Option<String>,
    /// The proxy's name for the connection (`UNIQUE_ID`): text, or else hexadecimal digits.
    pub id: Option<String>,
    /// The network namespace (NETNS).
    pub namespace: Option<String>,
    /// The client's TLS, if it used any.
    pub ssl: Option<Ssl>,
}

/// The TLS that a proxy has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssl {
    /// Such as `TLSv1.3`.
    pub version: Option<String>,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// The common name of the client's certificate; none where it showed none that was verified.
    pub name: Option<String>,
}

impl Extras {
    /// Reads the TLVs of a header from octet `at` to its end.
    pub(super) fn read(header: &[u8], at: usize) -> Result<Self, Fault> {
        let mut extras = Self::default();
        let mut is_checked = false;
        for tlv in tlvs(header, at) {
            let Tlv { kind, at, value } = tlv?;
            match kind {
                ALPN => once(&mut extras.alpn, text(value)?)?,
                AUTHORITY => once(&mut extras.authority, text(value)?)?,
                UNIQUE_ID => once(&mut extras.id, id(value)?)?,
                NETNS => once(&mut extras.namespace, text(value)?)?,
                SSL => {
                    let ssl = ssl(header, at, value)?;
                    if let Some(ssl) = ssl {
                        once(&mut extras.ssl, ssl)?;
                    }
                }
                CRC32C if is_checked => return Err(Fault::Tlv),
                CRC32C => {
                    is_checked = true;
                    check(header, at, value)?;
                }
                _ => {}
            }
        }
        Ok(extras)
    }
}

struct Tlv<'a> {
    kind: u8,
    /// Where the value is in the header.
    at: usize,
    value: &'a [u8],
}

/// The TLVs from `at` to the end of `octets`; after a fault there is no other.
fn tlvs(octets: &[u8], mut at: usize) -> impl Iterator<Item = Result<Tlv<'_>, Fault>> {
    core::iter::from_fn(move || {
        let rest = octets.get(at..).filter(|rest| !rest.is_empty())?;
        let tlv = match rest {
            [kind, high, low, rest @ ..] => rest
                .get(..usize::from(u16::from_be_bytes([*high, *low])))
                .map(|value| Tlv {
                    kind: *kind,
                    at: at + 3,
                    value,
                }),
            _ => None,
        };
        at = tlv
            .as_ref()
            .map_or(octets.len(), |tlv| tlv.at + tlv.value.len());
        Some(tlv.ok_or(Fault::Length))
    })
}

fn once<T>(known: &mut Option<T>, value: T) -> Result<(), Fault> {
    match known.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Tlv),
    }
}

/// Text that can be put into a log.
fn text(value: &[u8]) -> Result<String, Fault> {
    let text = str::from_utf8(value).map_err(|_| Fault::Tlv)?;
    let is_plain = !text.chars().any(char::is_control);
    is_plain.then(|| text.to_owned()).ok_or(Fault::Tlv)
}

/// A name of TLS, which is put into a comment of `Received`.
fn word(value: &[u8]) -> Result<String, Fault> {
    let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(octet);
    let is_plain = value.len() <= LONGEST_WORD && value.iter().all(is_part);
    is_plain.then_some(()).ok_or(Fault::Tlv)?;
    text(value)
}

fn id(value: &[u8]) -> Result<String, Fault> {
    if value.len() > LONGEST_ID {
        return Err(Fault::Tlv);
    }
    Ok(text(value).unwrap_or_else(|_| {
        value.iter().fold(String::new(), |mut digits, octet| {
            let _ = write!(digits, "{octet:02x}");
            digits
        })
    }))
}

/// A bit field, four octets that are 0 when the client's certificate was verified, and TLVs.
fn ssl(header: &[u8], at: usize, value: &[u8]) -> Result<Option<Ssl>, Fault> {
    let [bits, verify @ ..] = value.get(..5).ok_or(Fault::Length)? else {
        return Err(Fault::Length);
    };
    let mut ssl = Ssl::default();
    for tlv in tlvs(&header[..at + value.len()], at + 5) {
        let Tlv { kind, value, .. } = tlv?;
        match kind {
            SSL_VERSION => once(&mut ssl.version, word(value)?)?,
            SSL_CIPHER => once(&mut ssl.cipher, word(value)?)?,
            SSL_CN => once(&mut ssl.name, text(value)?)?,
            _ => {}
        }
    }
    if bits & CERTIFICATE == 0 || verify != [0; 4] {
        ssl.name = None;
    }
    Ok((bits & OVER_TLS != 0).then_some(ssl))
}

/// The checksum is over the whole header, with zeros in its own place.
fn check(header: &[u8], at: usize, value: &[u8]) -> Result<(), Fault> {
    let told: [u8; 4] = value.try_into().map_err(|_| Fault::Length)?;
    let sum = crc32c::crc32c(&header[..at]);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    let sum = crc32c::crc32c_append(sum, &header[at + 4..]);
    if sum == u32::from_be_bytes(told) {
        Ok(())
    } else {
        Err(Fault::Checksum)
    }
}
