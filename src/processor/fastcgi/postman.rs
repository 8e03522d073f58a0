//! Letters that waited in the spool are handed to PHP.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::fastcgi::{self, Body, Bridge, Content, Envelope, Stored};
use crate::spool::{Answer, Consumer, Letter, Pending, Slip};

/// Between the name of a message in `cur/` and its flags.
const FLAGS: &str = ":2,";

/// Brings letters to PHP, each attempt with the same key. All who use the same bridge are equal.
#[derive(Debug, PartialEq)]
pub struct Postman {
    bridge: Arc<Bridge>,
}

impl Postman {
    /// One who uses this bridge.
    pub fn new(bridge: Arc<Bridge>) -> Self {
        Self { bridge }
    }
}

impl Consumer for Postman {
    fn hand(&self, letter: Arc<Letter>, attempt: u32) -> Pending<'_, Answer> {
        // The letter is read while it is sent, and PHP is waited for: both block.
        Box::pin(async move { hand(&self.bridge, &letter, attempt).await })
    }
}

async fn hand(bridge: &Bridge, letter: &Letter, attempt: u32) -> Answer {
    let slip = &letter.slip;
    let copy = match bridge.settings().body {
        Body::Path => match Copy::open(slip) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let why = "the copy that PHP was to read is not in its Maildir any more".into();
                return Answer::Never { why };
            }
            Err(error) => {
                let why = format!("cannot open the copy that PHP is to read: {error}");
                return Answer::Later { after: None, why };
            }
            Ok(copy) => Some(copy),
        },
        _ => None,
    };
    let content: &dyn Stored = copy.as_ref().map_or(letter, |copy| copy);
    let envelope = envelope(slip);
    let handed = bridge.hand(
        fastcgi::Letter {
            envelope: &envelope,
            // The content has it.
            trace: "",
            content: Content::Stored(content),
            path: copy.as_ref().map(|copy| &*copy.path),
        },
        attempt,
    );
    match handed.await {
        fastcgi::Answer::Delivered => Answer::Delivered,
        fastcgi::Answer::Later { after, why, .. } => Answer::Later { after, why },
        fastcgi::Answer::Never { reply, why } => {
            let why = format!("{reply} ({why})");
            Answer::Never { why }
        }
    }
}

impl Stored for Letter {
    fn octets(&self) -> u64 {
        self.slip.size
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Self::read_at(self, at, buffer)
    }
}

/// What PHP is told, the same as if it had been told at once.
fn envelope(slip: &Slip) -> Envelope {
    Envelope {
        id: slip.id.clone(),
        received: UNIX_EPOCH + Duration::from_millis(slip.received),
        mail_from: slip.mail_from.clone(),
        rcpt: slip.rcpt.clone(),
        mailbox: slip.mailboxes.first().cloned().unwrap_or_default(),
        captures: slip.captures.clone(),
        helo: slip.helo.clone(),
        client: slip.client,
        client_port: slip.port,
        server: slip.server,
        host: slip.host.clone(),
        tls: slip.tls.clone(),
        login: slip.login.clone(),
        origin: slip.origin.clone(),
        key: slip.key.clone(),
    }
}

/// The file in a Maildir that PHP reads itself.
#[derive(Debug)]
struct Copy {
    path: PathBuf,
    file: File,
    octets: u64,
}

impl Copy {
    /// The first copy that is there: a reader moves it from `new/` to `cur/`, and gives it flags.
    fn open(slip: &Slip) -> io::Result<Self> {
        for path in &slip.files {
            let is_there = path.try_exists()?;
            let place = is_there.then(|| path.clone()).or_else(|| moved(path));
            let Some(path) = place else {
                continue;
            };
            let file = File::open(&path)?;
            return Ok(Self {
                octets: file.metadata()?.len(),
                path,
                file,
            });
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Stored for Copy {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, at)
    }
}

fn moved(file: &Path) -> Option<PathBuf> {
    let (name, maildir) = (file.file_name()?, file.parent()?.parent()?);
    let begin = [name.to_str()?, FLAGS].concat();
    let entries = fs::read_dir(maildir.join("cur")).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&begin))
    })
}
