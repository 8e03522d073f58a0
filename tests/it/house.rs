//! A daemon at work in a folder of its own, and what lies in its Maildirs.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::{Daemon, Reloaded, Running};
use maiasaura::maildir::{self, Store};
use maiasaura::server::Address;
use maiasaura::spool::{Place, Queue};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE};

/// The sections that a configuration has unless it says otherwise. `${ROOT}` is where the
/// Maildirs are, `${FOLDER}` what it lies in.
const SECTIONS: [(&str, &str); 5] = [
    ("hostname", "hostname: mx.example.org"),
    ("listeners", r#"listeners: [{address: "127.0.0.1:0"}]"#),
    (
        "recipients",
        r#"recipients: {hosts: [example.org, "*.wild.example"]}"#,
    ),
    ("maildir", r#"maildir: {path: "${ROOT}/{host}/{user}"}"#),
    ("threads", "threads: 2"),
];

/// The configuration of a house, with what `yaml` leaves out.
pub fn configuration(yaml: &str) -> String {
    let is_missing = |key: &str| {
        !yaml
            .lines()
            .any(|line| line.starts_with(&format!("{key}:")))
    };
    let usual = SECTIONS.iter().filter(|(key, _)| is_missing(key));
    let mut text = yaml.to_owned();
    for (_, section) in usual {
        text.push('\n');
        text.push_str(section);
    }
    text + "\n"
}

/// The folder of one test.
pub struct Folder(TempDir);

/// A daemon in its folder. Where it ends, nothing may be left in any `tmp/`.
pub struct House {
    pub folder: Folder,
    running: Option<Running>,
    addresses: Vec<Address>,
}

/// A message in a Maildir.
#[derive(Debug)]
pub struct Stored {
    pub path: PathBuf,
    /// The trace fields.
    pub trace: String,
    /// What follows them.
    pub content: Vec<u8>,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// What lies below this folder, links not followed, as paths in it and in order.
    pub fn tree(&self) -> Vec<String> {
        let mut paths = Vec::new();
        walk(self.0.path(), &mut paths);
        let prefix = format!("{}/", self.0.path().display());
        let inside = |path: PathBuf| path.display().to_string().replacen(&prefix, "", 1);
        let mut paths: Vec<String> = paths.into_iter().map(inside).collect();
        paths.sort();
        paths
    }

    /// The files in a folder of a Maildir, such as `example.org/bob/new`, in order.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let path = self.path("maildirs").join(folder);
        let Ok(entries) = fs::read_dir(&path) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be listed").path())
            .collect();
        files.sort();
        files
    }

    /// The names of the letters that wait for an application.
    pub fn letters(&self, name: &str) -> Vec<String> {
        letters(&Place::beside(&self.path("maildirs").into(), false), name)
    }

    /// The messages in `new/` of a Maildir such as `example.org/bob`.
    pub fn mails(&self, maildir: &str) -> Vec<Stored> {
        let files = self.files(&format!("{maildir}/new"));
        files.iter().map(|path| Stored::read(path)).collect()
    }

    /// The only message in `new/`.
    #[track_caller]
    pub fn mail(&self, maildir: &str) -> Stored {
        let mut mails = self.mails(maildir);
        assert_eq!(mails.len(), 1, "messages for {maildir}");
        mails.remove(0)
    }

    /// How many messages there are in all Maildirs.
    pub fn mail_count(&self) -> usize {
        let tree = self.tree();
        tree.iter().filter(|path| path.contains("/new/")).count()
    }

    /// What interrupted deliveries have left.
    pub fn leftovers(&self) -> Vec<String> {
        let mut tree = self.tree();
        tree.retain(|path| path.contains("/tmp/"));
        tree
    }

    /// Makes a Maildir.
    pub fn make(&self, maildir: &str) {
        for part in ["cur", "new", "tmp"] {
            let path = self.path("maildirs").join(maildir).join(part);
            fs::create_dir_all(path).expect("a folder can be made");
        }
    }

    fn environment(&self) -> Environment {
        self.variables().into_iter().collect()
    }

    /// The variables that a configuration may name.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("ROOT", self.path("maildirs").display().to_string()),
            ("FOLDER", self.0.path().display().to_string()),
        ]
    }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        paths.push(entry.path());
        if entry.file_type().expect("it has a type").is_dir() {
            walk(&entry.path(), paths);
        }
    }
}

impl House {
    /// Starts a daemon that is configured so.
    pub fn new(yaml: &str) -> Self {
        Self::with(yaml, |daemon| daemon)
    }

    /// The same, with processors that it does not have by itself.
    pub fn with(yaml: &str, furnish: impl FnOnce(Daemon) -> Daemon) -> Self {
        Self::furnished(Folder::new(), yaml, furnish)
    }

    /// The same, in a folder that has something in it.
    pub fn in_folder(folder: Folder, yaml: &str) -> Self {
        Self::furnished(folder, yaml, |daemon| daemon)
    }

    /// Starts one that may not be able to.
    pub fn try_new(yaml: &str) -> Result<Self, String> {
        Self::try_furnished(Folder::new(), yaml, |daemon| daemon)
    }

    fn furnished(folder: Folder, yaml: &str, furnish: impl FnOnce(Daemon) -> Daemon) -> Self {
        let house = Self::try_furnished(folder, yaml, furnish);
        house.unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_furnished(
        folder: Folder,
        yaml: &str,
        furnish: impl FnOnce(Daemon) -> Daemon,
    ) -> Result<Self, String> {
        let config = Config::parse(&configuration(yaml), "test", &folder.environment());
        let config = config.map_err(|error| error.to_string())?;
        let running = furnish(Daemon::new(config)).start();
        let running = running.map_err(|error| error.to_string())?;
        Ok(Self {
            folder,
            addresses: running.addresses(),
            running: Some(running),
        })
    }

    /// Changes its configuration; says what was changed, or why not.
    pub fn reload(&mut self, yaml: &str) -> Result<Reloaded, String> {
        let config = Config::parse(&configuration(yaml), "test", &self.folder.environment());
        let config = config.map_err(|error| error.to_string())?;
        let outcome = self.running().reload(config);
        self.addresses = self.running().addresses();
        outcome.map_err(|error| error.to_string())
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Where its listeners are.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub fn address(&self) -> &Address {
        &self.addresses()[0]
    }

    /// Where nginx may ask.
    #[cfg(feature = "auth-http")]
    pub fn auth_http(&self) -> std::net::SocketAddr {
        self.running().auth_http().expect("it is configured")
    }

    /// Where figures are told.
    #[cfg(feature = "metrics")]
    pub fn metrics(&self) -> std::net::SocketAddr {
        self.running().metrics().expect("it is configured")
    }

    /// A client of the first listener, after the greetings.
    pub fn client(&self) -> Client {
        Client::greeted(self.address())
    }

    /// Shuts down and waits for the end.
    pub fn close(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.close();
        if !thread::panicking() {
            assert_eq!(self.folder.leftovers(), Vec::<String>::new());
        }
    }
}

impl Stored {
    /// Reads a message and divides it after the last of its trace fields, which is `Received`.
    pub fn read(path: &Path) -> Self {
        let octets = fs::read(path).expect("a message can be read");
        let lines: Vec<&[u8]> = octets.split_inclusive(|&octet| octet == b'\n').collect();
        let received = lines.iter().position(|line| line.starts_with(b"Received:"));
        let received = received.expect("every message has a Received field");
        let is_folded = |line: &&&[u8]| line.starts_with(b"\t");
        let end = received + 1 + lines[received + 1..].iter().take_while(is_folded).count();
        Self {
            path: path.to_owned(),
            trace: String::from_utf8(lines[..end].concat()).expect("trace fields are UTF-8"),
            content: lines[end..].concat(),
        }
    }

    /// The value of a trace field, unfolded; nothing if there is no such field.
    pub fn field(&self, name: &str) -> Option<String> {
        let trace = self.trace.replace("\r\n", "\n").replace("\n\t", " ");
        let start = format!("{name}: ");
        let value = trace.lines().find_map(|line| line.strip_prefix(&start));
        value.map(str::to_owned)
    }

    pub fn size(&self) -> u64 {
        fs::metadata(&self.path).expect("it is there").size()
    }
}

/// The permissions of a file or folder.
pub fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o7777
}

pub fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Waits for what must come to be, of which no event tells.
#[track_caller]
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, is_so);
}

/// The same, of what may take its time.
#[track_caller]
pub fn eventually_within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A message of `tests/mails/`, with the line ends that mail has.
pub fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/mails")
        .join(name);
    let octets = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    crlf(&octets)
}

/// The same text with CRLF.
pub fn crlf(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&octet| octet == b'\n');
    let with_cr = |line: &[u8]| match line.strip_suffix(b"\n") {
        Some(line) => [line, b"\r\n"].concat(),
        None => line.to_vec(),
    };
    lines.flat_map(with_cr).collect()
}

/// The same text with LF.
pub fn lf(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&octet| octet == b'\n');
    let without_cr = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(line) => [line, b"\n"].concat(),
        None => line.to_vec(),
    };
    lines.flat_map(without_cr).collect()
}

/// The names of the letters in one queue of a spool.
pub fn letters(place: &Place, name: &str) -> Vec<String> {
    let store = Arc::new(Store::new(maildir::Settings::default()));
    let queue = Queue::new(store, place.clone(), name).expect("it is a name");
    queue.letters().expect("they can be listed")
}
