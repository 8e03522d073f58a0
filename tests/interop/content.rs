//! Messages to send.

use std::fmt::Write as _;

/// A message with lines that a transport could spoil: dots, blanks at the end, eight bits,
/// a line of 998 octets and empty lines at the end. Lines end in CRLF.
pub fn awkward(subject: &str) -> Vec<u8> {
    let mut message = format!(
        "From: me@localhost\r\nTo: you@example.org\r\nSubject: {subject}\r\n\
         Message-ID: <{subject}@localhost>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         .\r\n..\r\n...\r\n.dot\r\nblanks  \r\n\t\r\nFrom here on\r\n\
         Grüße, 世界, \u{1f995}\r\n"
    );
    let _ = write!(message, "{}\r\n\r\n\r\n", "x".repeat(998));
    message.into_bytes()
}

/// Octets of every value, the same for the same `length`; not easily compressed.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        // xorshift64, George Marsaglia's.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(length);
    octets
}

/// The same with LF for every CRLF, as it is stored.
pub fn to_lf(message: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => stored.extend([text, b"\n"].concat()),
            None => stored.extend_from_slice(line),
        }
    }
    stored
}
