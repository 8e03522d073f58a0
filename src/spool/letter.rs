//! A letter in a file, or in a bundle: its slip as the first field of a header, then the content.
//!
//! So any mail program can show it, and a dead letter is the same file with more fields on top.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Slip;
use super::section::Section;
use crate::content::begins_with_header;

/// The field with the slip.
const FIELD: &str = "X-Queue-Letter: ";
/// How the fields on top begin.
pub(super) const FIELDS: &str = "X-Queue-";
/// Octets before the content, about.
const HEAD: usize = 1000;
/// Lines that may be on top.
const LINES: usize = 10;
/// Octets of a slip, at most: 1,000 recipients take less than a tenth.
const SLIP: u64 = 16 << 20;

/// A letter that can be handed over. Its content is read when it is asked for.
#[derive(Debug)]
pub struct Letter {
    /// Its envelope.
    pub slip: Slip,
    file: File,
    /// Where the content begins.
    start: u64,
}

impl Letter {
    /// What is written before the content.
    pub(super) fn head(slip: &Slip, content: &[u8]) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(FIELD.as_bytes());
        slip.write(&mut head)?;
        head.extend_from_slice(b"\r\n");
        if !begins_with_header(content) {
            head.extend_from_slice(b"\r\n");
        }
        Ok(head)
    }

    /// Opens the letter in a file.
    ///
    /// # Errors
    ///
    /// Those of the kernel; `InvalidData` when it is no letter, or not a whole one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let octets = file.metadata()?.len();
        Self::read(file, 0, octets)
    }

    /// Reads the letter that takes so many octets of a file from `from` on.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(super) fn read(mut file: File, from: u64, octets: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        let mut lines = BufReader::new(file).take(SLIP.min(octets));
        let mut line = Vec::new();
        let mut head = 0;
        for _ in 0..LINES {
            line.clear();
            head += lines.read_until(b'\n', &mut line)? as u64;
            if let Some(json) = line.strip_prefix(FIELD.as_bytes()) {
                let slip = Slip::read(json.trim_ascii_end())?;
                let start = octets.checked_sub(slip.size);
                let start = start.filter(|start| (head..=head + 2).contains(start));
                let start = start.ok_or_else(|| invalid("it is not as long as it was"))?;
                let file = lines.into_inner().into_inner();
                let start = from + start;
                return Ok(Self { slip, file, start });
            }
            if !line.starts_with(FIELDS.as_bytes()) {
                break;
            }
        }
        Err(invalid("it is no letter of ours"))
    }

    /// The content: trace fields and message, lines ending in CRLF.
    pub fn content(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.slip.size).map_err(io::Error::other)?;
        let mut content = vec![0; size];
        self.file.read_exact_at(&mut content, self.start)?;
        Ok(content)
    }

    /// The content, to be written elsewhere.
    pub(super) fn section(&self) -> Section<'_> {
        Section::new(&self.file, self.start, self.slip.size)
    }

    /// Copies what the content has from `at` on into `buffer`, and returns how much; 0 at its end.
    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.slip.size.saturating_sub(at);
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        let length = rest.min(buffer.len());
        self.file.read_at(&mut buffer[..length], self.start + at)
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
