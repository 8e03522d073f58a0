//! What Postfix and Exim have in common.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::doors::Secure;
use crate::exim::Exim;
use crate::postfix::Postfix;
use crate::program::{MAIASAURA, feed, program, succeed};
use crate::sample::block;

/// How long mail may take; MTAs look at their queue once in a second here.
const PATIENCE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(50);

/// Python's smtplib, as a client.
const SEND: &str = "
import smtplib, sys
port, sender, recipients, *parameters = sys.argv[1:]
client = smtplib.SMTP('127.0.0.1', int(port))
refused = client.sendmail(sender, recipients.splitlines(), sys.stdin.buffer.read(), parameters)
client.quit()
sys.exit(str(refused) if refused else 0)
";

/// Which MTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postfix,
    Exim,
}

pub const BOTH: [Kind; 2] = [Kind::Postfix, Kind::Exim];

/// How it hands over mail for example.org.
#[derive(Clone, Debug)]
pub enum Way {
    /// LMTP to a Unix socket.
    Unix(PathBuf),
    /// LMTP to a port of 127.0.0.1.
    Inet(u16),
    /// `maiasaura deliver` with this configuration, as `nobody`.
    Pipe(PathBuf),
    /// SMTP to a port of 127.0.0.1.
    Relay(u16),
    /// SMTP or LMTP within TLS.
    Secure(Secure),
}

/// A running MTA that takes mail on a port of 127.0.0.1.
pub trait Mta {
    fn port(&self) -> u16;
    /// What waits in its queue, as it shows it.
    fn queue(&self) -> String;
    fn log(&self) -> String;
}

impl Kind {
    /// Starts one.
    pub fn start(self, way: &Way) -> Box<dyn Mta> {
        match self {
            Self::Postfix => Box::new(Postfix::start(way)),
            Self::Exim => Box::new(Exim::start(way)),
        }
    }
}

impl dyn Mta + '_ {
    /// Hands it a message by SMTP, with parameters of MAIL such as `SMTPUTF8`.
    pub fn send(&self, from: &str, to: &[&str], message: &[u8], parameters: &[&str]) {
        let port = self.port().to_string();
        let mut python = program("python3");
        python
            .args(["-c", SEND, &port, from, &to.join("\n")])
            .args(parameters);
        let output = feed(&python, message);
        assert!(
            output.status.success(),
            "{from} {to:?}\n{}",
            crate::program::shown(&output)
        );
    }

    /// Waits for what comes by itself; whoever waits in vain is told what the MTA says.
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "in vain: {what}\nqueue:\n{}\nlog:\n{}",
                self.queue(),
                self.log()
            );
            thread::sleep(GLANCE);
        }
    }

    /// Waits until nothing is in its queue.
    #[track_caller]
    pub fn empty(&self) {
        self.until("an empty queue", || self.is_empty().then_some(()));
    }

    fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.trim().is_empty() || queue.contains("queue is empty")
    }

    /// Waits until its queue or its log has all of `words`, and something waits.
    #[track_caller]
    pub fn waits(&self, words: &[&str]) {
        self.until(&format!("{words:?} in the queue"), || {
            let said = self.queue() + &self.log();
            let is_told = words.iter().all(|word| said.contains(word));
            (is_told && !self.is_empty()).then_some(())
        });
    }
}

impl Way {
    /// What is to be replaced in the blocks of docs/mta.md for it.
    pub fn here(&self, folder: &Path) -> Vec<(&'static str, String)> {
        match self {
            Self::Unix(path) => vec![("/run/maiasaura/lmtp", path.display().to_string())],
            Self::Inet(port) => vec![("24", port.to_string())],
            Self::Pipe(configuration) => {
                let mut here = vec![("/usr/bin/maiasaura", executable(folder))];
                let configuration = configuration.display().to_string();
                here.push(("/etc/maiasaura/maiasaura.yaml", configuration));
                here.push(("user=maiasaura", "user=nobody".to_owned()));
                here
            }
            Self::Relay(_) => Vec::new(),
            Self::Secure(secure) => secure.here(&folder.join("etc").display().to_string()),
        }
    }

    /// A block of docs/mta.md for this place; only what is in it is replaced.
    pub fn block(&self, title: &str, folder: &Path) -> String {
        let here = self.here(folder);
        let whole = block(title, &[]);
        let here = here.iter().filter(|(written, _)| whole.contains(written));
        let here: Vec<(&str, &str)> = here.map(|(written, here)| (*written, &**here)).collect();
        block(title, &here)
    }
}

/// The program at a place where everybody can run it.
fn executable(folder: &Path) -> String {
    let path = folder.join("program");
    if !path.exists() {
        fs::copy(MAIASAURA, &path).expect("a copy of the program");
    }
    path.display().to_string()
}

/// A folder for `user`.
pub fn folder_of(user: &str, path: &Path) {
    fs::create_dir_all(path).expect("a folder");
    let id = |which: &str| {
        let id = succeed(program("id").args([which, user]));
        String::from_utf8_lossy(&id)
            .trim()
            .parse::<u32>()
            .expect("a number")
    };
    chown(path, Some(id("-u")), Some(id("-g"))).expect("its owner: run this as root");
}

/// Opens a socket or a folder for everybody.
pub fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("its mode");
}

/// The standard output of a command that may fail while an MTA starts or ends.
pub fn shown(command: &mut Command) -> String {
    let output = command.output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    )
}
