//! Letters that are not tried any more: a Maildir for people, each with the reason on top.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::DateTime;

use super::letter::FIELDS;
use super::queue::names;
use super::section::Section;
use super::{Letter, Place, Queue};
use crate::content::begins_with_header;
use crate::maildir::{Message, Store, crlf_size};

/// The name of the Maildir in the spool.
pub const DEAD: &str = "dead";
/// Octets of a reason that are kept.
const REASON: usize = 400;

/// The dead letters of all consumers.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    store: Arc<Store>,
    place: Place,
}

/// Why a letter is not tried any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the last attempt came to.
    pub why: String,
    /// How many there were.
    pub attempts: u32,
}

impl DeadLetters {
    /// Those of a spool.
    pub fn new(store: Arc<Store>, place: Place) -> Self {
        Self { store, place }
    }

    /// Their Maildir.
    pub fn path(&self) -> PathBuf {
        self.place.path().join(DEAD)
    }

    /// Moves a letter out of its queue. It is durable here before it is removed there.
    ///
    /// # Errors
    ///
    /// Then it is still in its queue, and perhaps here, too.
    pub fn bury(&self, queue: &Queue, name: &str, reason: &Reason) -> io::Result<()> {
        let (file, start, octets) = queue.open(name)?;
        let letter = Section::new(&file, start, octets);
        let mut fields = reason.fields();
        if !begins_with_header(&letter.head()?) {
            fields.push_str("\r\n");
        }
        let message = Message {
            parts: &[fields.as_bytes()],
            crlf_size: crlf_size(fields.as_bytes()) + letter.crlf_size()?,
            stream: Some(&letter),
        };
        self.place.make(DEAD, &[])?;
        let staged = self.store.stage(&self.place.location(DEAD), &message)?;
        self.store.commit(&mut Vec::from([staged]))?;
        queue.remove(name)
    }

    /// The files of all dead letters, in order of time. A mail program may have moved them to `cur/`.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for part in ["new", "cur"] {
            let folder = self.path().join(part);
            files.extend(names(&folder)?.iter().map(|name| folder.join(name)));
        }
        files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        Ok(files)
    }

    /// Opens a dead letter.
    ///
    /// # Errors
    ///
    /// As [`Queue::letter`].
    pub fn letter(path: &Path) -> io::Result<Letter> {
        Letter::open(path)
    }

    /// Why it is here.
    pub fn reason(path: &Path) -> io::Result<Reason> {
        Reason::read(path)
    }

    /// Puts a letter back into the queue it came from, as if it were new but for its envelope.
    ///
    /// # Errors
    ///
    /// Then it is still here, and perhaps in its queue, too.
    pub fn replay(&self, path: &Path) -> io::Result<()> {
        let letter = Self::letter(path)?;
        let queue = Queue::new(
            Arc::clone(&self.store),
            self.place.clone(),
            &letter.slip.consumer,
        );
        let queue = queue.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let staged = queue.stage(letter.slip.clone(), &[], Some(&letter.section()))?;
        self.store.commit(&mut vec![staged])?;
        fs::remove_file(path)
    }
}

impl Reason {
    /// The fields on top of a dead letter.
    fn fields(&self) -> String {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let mut why: String = self.why.chars().map(printable).collect();
        why.truncate(why.floor_char_boundary(REASON));
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let date = DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or_default());
        let (date, attempts) = (date.to_rfc822(), self.attempts);
        format!("{FIELDS}Reason: {why}\r\n{FIELDS}Attempts: {attempts}\r\n{FIELDS}Time: {date}\r\n")
    }

    fn read(path: &Path) -> io::Result<Self> {
        use std::io::{BufRead as _, BufReader, Read as _};
        let limit = (2 * REASON) as u64;
        let lines = BufReader::new(File::open(path)?.take(limit)).lines();
        let mut reason = Self {
            why: String::new(),
            attempts: 0,
        };
        for line in lines.map_while(Result::ok) {
            match line
                .strip_prefix(FIELDS)
                .and_then(|line| line.split_once(": "))
            {
                Some(("Reason", why)) => why.trim_end().clone_into(&mut reason.why),
                Some(("Attempts", number)) => reason.attempts = number.trim().parse().unwrap_or(0),
                Some(_) => {}
                None => break,
            }
        }
        Ok(reason)
    }
}
