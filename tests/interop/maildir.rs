//! What lies in a Maildir, and whether it is what was sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::content::to_lf;

/// A Maildir to look at.
pub struct Maildir(pub PathBuf);

/// A message in a Maildir.
pub struct Stored {
    /// The name of its file.
    pub name: String,
    /// What is in it.
    pub octets: Vec<u8>,
}

impl Maildir {
    /// The messages in `new` and `cur`; each is whole, and nothing is left in `tmp`.
    pub fn messages(&self) -> Vec<Stored> {
        let left = self.files("tmp");
        assert!(left.is_empty(), "{}: tmp has {left:?}", self.0.display());
        let files = self.files("new").into_iter().chain(self.files("cur"));
        let messages: Vec<Stored> = files.map(|file| Stored::read(&file)).collect();
        for message in &messages {
            message.is_whole();
        }
        messages
    }

    /// The only message.
    pub fn message(&self) -> Stored {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "messages in {}", self.0.display());
        messages.remove(0)
    }

    /// Whether the contents are those that were sent, each once, in any order.
    pub fn holds(&self, sent: &[Vec<u8>]) {
        let mut expected = BTreeMap::new();
        for message in sent {
            *expected.entry(to_lf(message)).or_insert(0) += 1;
        }
        for message in self.messages() {
            let count = expected.entry(message.content().to_owned()).or_insert(0);
            *count -= 1;
        }
        for (content, count) in expected {
            let shown = String::from_utf8_lossy(&content[..content.len().min(500)]);
            assert_eq!(count, 0, "sent so much oftener than it came:\n{shown}");
        }
    }

    /// The files in one of its folders; none when the folder is not there.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.0.join(folder)) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }
}

impl Stored {
    fn read(path: &Path) -> Self {
        let name = path.file_name().expect("a name").to_str().expect("ASCII");
        Self {
            name: name.to_owned(),
            octets: fs::read(path).expect("a readable message"),
        }
    }

    /// The number after a key of its name, such as `,S=`.
    pub fn number(&self, key: &str) -> usize {
        let (_, number) = self.name.split_once(key).expect("a key");
        let end = number.find(|c: char| !c.is_ascii_digit());
        number[..end.unwrap_or(number.len())]
            .parse()
            .expect("a number")
    }

    /// Its trace fields and its content.
    fn parts(&self) -> (&[u8], &[u8]) {
        let ours = [
            "Return-Path:",
            "Delivered-To:",
            "X-Original-To:",
            "Received:",
        ];
        let mut end = 0;
        for name in ours {
            if self.octets[end..].starts_with(name.as_bytes()) {
                end += field(&self.octets[end..]);
            }
        }
        self.octets.split_at(end)
    }

    /// What was sent, without the trace fields.
    pub fn content(&self) -> &[u8] {
        self.parts().1
    }

    /// The trace fields.
    pub fn trace(&self) -> String {
        String::from_utf8(self.parts().0.to_owned()).expect("UTF-8")
    }

    /// Whether its sizes are those in its name, and its trace is complete.
    fn is_whole(&self) {
        assert_eq!(self.number(",S="), self.octets.len(), "{}", self.name);
        let lone =
            |at: &usize| self.octets[*at] == b'\n' && (*at == 0 || self.octets[at - 1] != b'\r');
        let ends = (0..self.octets.len()).filter(lone).count();
        assert_eq!(
            self.number(",W="),
            self.octets.len() + ends,
            "{}",
            self.name
        );
        let trace = self.trace();
        for field in ["Return-Path: <", "\nDelivered-To: ", "\nReceived: "] {
            assert!(trace.contains(field), "{}:\n{trace}", self.name);
        }
    }
}

/// The octets of the first field of a header, with its continuation lines.
fn field(header: &[u8]) -> usize {
    let mut end = 0;
    for line in header.split_inclusive(|&octet| octet == b'\n') {
        if end > 0 && !line.starts_with(b"\t") {
            break;
        }
        end += line.len();
    }
    end
}
