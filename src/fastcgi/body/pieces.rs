//! A body in pieces, each of which is encoded while it is read: a message is not
//! in memory a second time only because PHP wants it as base64.

use std::borrow::Cow;
use std::io::{self, Read};

use super::super::Content;

/// Octets that are encoded at once; a multiple of 3, for base64.
const BLOCK: usize = 24 << 10;
/// Octets that are encoded when they are added.
const SHORT: usize = 4 << 10;

/// How octets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    /// RFC 4648 section 4.
    Base64,
    /// As a value of a form, `application/x-www-form-urlencoded`.
    Form,
    /// As what stands between the quotes of a JSON string; for UTF-8 only.
    Json,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Octets(Cow<'a, [u8]>),
    Content(Content<'a>),
}

impl Source<'_> {
    /// Octets of the block that begins at `at`.
    fn block_at(&self, at: u64) -> usize {
        let octets = match self {
            Self::Octets(octets) => octets.len() as u64,
            Self::Content(content) => content.size(),
        };
        usize::try_from(octets.saturating_sub(at)).map_or(BLOCK, |rest| rest.min(BLOCK))
    }
}

#[derive(Clone, Debug)]
struct Piece<'a> {
    source: Source<'a>,
    coding: Coding,
    size: u64,
}

/// What is sent, and where the reader is.
#[derive(Clone, Debug, Default)]
pub struct Pieces<'a> {
    all: Vec<Piece<'a>>,
    /// The piece that is read, and how much of it was.
    piece: usize,
    at: u64,
    /// What is encoded and was not read yet, from `taken` on.
    encoded: Vec<u8>,
    taken: usize,
}

impl<'a> Pieces<'a> {
    /// Adds octets that are written so. Short ones are at once, and those that
    /// follow each other are one piece.
    pub(super) fn coded(&mut self, octets: impl Into<Cow<'a, [u8]>>, coding: Coding) {
        let octets = octets.into();
        if octets.len() <= SHORT {
            let mut text = Vec::new();
            encode(&octets, coding, &mut text);
            self.short(&text);
            return;
        }
        let size = match coding {
            Coding::Plain | Coding::Base64 => coded_size(octets.len() as u64, coding),
            Coding::Form | Coding::Json => escaped_size(&octets, coding),
        };
        self.all.push(Piece {
            source: Source::Octets(octets),
            coding,
            size,
        });
    }

    fn short(&mut self, octets: &[u8]) {
        if let Some(Piece {
            source: Source::Octets(Cow::Owned(text)),
            coding: Coding::Plain,
            size,
        }) = self.all.last_mut()
        {
            text.extend_from_slice(octets);
            *size += octets.len() as u64;
            return;
        }
        self.all.push(Piece {
            source: Source::Octets(Cow::Owned(octets.to_owned())),
            coding: Coding::Plain,
            size: octets.len() as u64,
        });
    }

    /// Adds a text as it is.
    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.coded(text.into().into_bytes(), Coding::Plain);
    }

    /// Adds a message. For a form it has to be read to know how long that will be.
    pub(super) fn content(&mut self, content: Content<'a>, coding: Coding) -> io::Result<()> {
        let size = match coding {
            Coding::Plain | Coding::Base64 => coded_size(content.size(), coding),
            Coding::Form | Coding::Json => escaped_content_size(content, coding)?,
        };
        self.all.push(Piece {
            source: Source::Content(content),
            coding,
            size,
        });
        Ok(())
    }

    /// How many octets will be read.
    pub(super) fn size(&self) -> u64 {
        self.all.iter().map(|piece| piece.size).sum()
    }

    /// Has all of it to be read again.
    pub(super) fn rewind(&mut self) {
        (self.piece, self.at) = (0, 0);
        self.encoded.clear();
        self.taken = 0;
    }

    /// Encodes the next block, if there is one.
    fn refill(&mut self) -> io::Result<()> {
        self.encoded.clear();
        self.taken = 0;
        let mut block = Vec::new();
        while let Some(piece) = self.all.get(self.piece) {
            let plain = piece.coding == Coding::Plain;
            let read = if plain { &mut self.encoded } else { &mut block };
            read.resize(piece.source.block_at(self.at), 0);
            let length = fill(&piece.source, self.at, read)?;
            read.truncate(length);
            if length > 0 {
                if !plain {
                    encode(&block, piece.coding, &mut self.encoded);
                }
                self.at += length as u64;
                return Ok(());
            }
            (self.piece, self.at) = (self.piece + 1, 0);
        }
        Ok(())
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.encoded.len() {
            self.refill()?;
        }
        let length = buffer.len().min(self.encoded.len() - self.taken);
        buffer[..length].copy_from_slice(&self.encoded[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

/// As much as there is, up to the whole block.
fn fill(source: &Source<'_>, at: u64, block: &mut [u8]) -> io::Result<usize> {
    let octets: [&[u8]; 1];
    let content = match source {
        Source::Content(content) => *content,
        Source::Octets(all) => {
            octets = [all];
            Content::Pieces(&octets)
        }
    };
    let mut filled = 0;
    while filled < block.len() {
        match content.read_at(at + filled as u64, &mut block[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn coded_size(octets: u64, coding: Coding) -> u64 {
    match coding {
        Coding::Base64 => octets.div_ceil(3) * 4,
        _ => octets,
    }
}

fn escaped_size(octets: &[u8], coding: Coding) -> u64 {
    let sizes = octets.iter().map(|octet| escaped(*octet, coding).1 as u64);
    sizes.sum()
}

fn escaped_content_size(content: Content<'_>, coding: Coding) -> io::Result<u64> {
    let (mut size, mut at) = (0, 0);
    let mut block = vec![0; BLOCK];
    loop {
        let length = content.read_at(at, &mut block)?;
        if length == 0 {
            return Ok(size);
        }
        at += length as u64;
        size += escaped_size(&block[..length], coding);
    }
}

fn encode(block: &[u8], coding: Coding, out: &mut Vec<u8>) {
    match coding {
        Coding::Plain => out.extend_from_slice(block),
        Coding::Base64 => base64(block, out),
        Coding::Form | Coding::Json => {
            for octet in block {
                let (coded, length) = escaped(*octet, coding);
                out.extend_from_slice(&coded[..length]);
            }
        }
    }
}

/// One octet, and how many there are of it then.
fn escaped(octet: u8, coding: Coding) -> ([u8; 6], usize) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (
        DIGITS[usize::from(octet >> 4)],
        DIGITS[usize::from(octet & 15)],
    );
    let (text, length): ([u8; 6], usize) = match (coding, octet) {
        (Coding::Form, b' ') => (*b"+     ", 1),
        (Coding::Form, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_') => {
            ([octet; 6], 1)
        }
        (Coding::Form, _) => ([b'%', high, low, 0, 0, 0], 3),
        (_, b'"' | b'\\') => ([b'\\', octet, 0, 0, 0, 0], 2),
        (_, ..b' ') => ([b'\\', b'u', b'0', b'0', high, low], 6),
        _ => ([octet; 6], 1),
    };
    (text, length)
}

fn base64(octets: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in octets.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= group.len() { digit } else { b'=' });
        }
    }
}

/// A text as a value of a form, or of a query.
pub(in super::super) fn form_text(text: &str) -> String {
    let escaped = text.bytes().map(|octet| escaped(octet, Coding::Form));
    let taken = escaped.flat_map(|(octets, length)| octets.into_iter().take(length));
    taken.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::super::Stored;
    use super::*;

    fn octets_of(pieces: &Pieces<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        pieces.clone().read_to_end(&mut octets).unwrap();
        assert_eq!(octets.len() as u64, pieces.size());
        octets
    }

    fn read(pieces: &Pieces<'_>) -> String {
        String::from_utf8(octets_of(pieces)).unwrap()
    }

    /// RFC 4648 section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (octets, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut pieces = Pieces::default();
            pieces.coded(octets.as_bytes(), Coding::Base64);
            assert_eq!(read(&pieces), coded);
        }
    }

    #[test]
    fn blocks_do_not_show() {
        let octets: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let whole = [&octets[..10], &[], &octets[10..70_001], &octets[70_001..]];
        for coding in [Coding::Plain, Coding::Base64, Coding::Form] {
            let mut once = Pieces::default();
            once.coded(&octets[..], coding);
            let mut split = Pieces::default();
            split.content(Content::Pieces(&whole), coding).unwrap();
            assert_eq!(octets_of(&once), octets_of(&split));
        }
        assert_eq!(form_text("a b+ü/=&~"), "a+b%2B%C3%BC%2F%3D%26%7E");
    }

    /// Three octets.
    #[derive(Debug)]
    struct Three(u64);

    impl Stored for Three {
        fn octets(&self) -> u64 {
            self.0
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let mut buffer = buffer;
            buffer.write(&b"abc"[usize::try_from(at).unwrap()..])
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_is_an_error() {
        for (size, outcome) in [(3, Ok("abc")), (4, Err(io::ErrorKind::UnexpectedEof))] {
            let mut pieces = Pieces::default();
            let three = Three(size);
            pieces
                .content(Content::Stored(&three), Coding::Plain)
                .unwrap();
            let mut text = String::new();
            let read = pieces.read_to_string(&mut text);
            assert_eq!(
                read.map(|_| text.as_str()).map_err(|error| error.kind()),
                outcome
            );
        }
    }
}
