//! The receiver as a process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::audit::list;
use crate::client::{Client, Protocol};
use crate::program::path;

/// The program that is proved.
const MAIASAURA: &str = env!("CARGO_BIN_EXE_maiasaura");

/// How a receiver is started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder that all Maildirs are in: `<root>/<host>/<user>`.
    pub root: PathBuf,
    /// `maildir.durability`.
    pub durability: &'static str,
    /// `recipients.users`.
    pub users: String,
    /// Keys beside those.
    pub keys: &'static str,
    /// A command line to put before the program.
    pub through: &'static [&'static str],
}

impl Plan {
    /// A receiver with the defaults of the configuration for everything else.
    pub fn new(root: &Path, durability: &'static str) -> Self {
        Self {
            root: root.to_path_buf(),
            durability,
            users: "any".to_string(),
            keys: "limits: {connections_per_ip: 1000}",
            through: &[],
        }
    }

    fn configuration(&self) -> String {
        format!(
            "hostname: mx.example.org\n\
             listeners:\n\
             - {{address: \"127.0.0.1:0\", protocol: smtp}}\n\
             - {{address: \"127.0.0.1:0\", protocol: lmtp}}\n\
             recipients: {{hosts: [example.org], users: {}}}\n\
             maildir: {{path: \"{}/{{host}}/{{user}}\", durability: {}}}\n\
             log: {{level: warn}}\n{}\n",
            self.users,
            self.root.display(),
            self.durability,
            self.keys
        )
    }
}

/// A running receiver, which ends at the latest when this goes.
pub struct Server {
    child: Child,
    ports: [u16; 2],
    /// Its configuration and its log, not on the file system that is tested.
    place: TempDir,
}

impl Server {
    /// Starts a receiver and waits until it listens.
    pub fn start(plan: &Plan) -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let configuration = place.path().join("maiasaura.yaml");
        fs::write(&configuration, plan.configuration()).expect("a file");
        let mut words = plan.through.iter().chain(&[MAIASAURA]);
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .args(["serve", "--config"])
            .arg(&configuration)
            .current_dir(place.path())
            .env("PATH", path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(place.path().join("log")).expect("a log"));
        let child = command.spawn().expect("tests/run installs what is needed");
        let mut server = Self {
            child,
            ports: [0; 2],
            place,
        };
        server.ports = server.introduced();
        server
    }

    /// Reads on standard output where it listens.
    fn introduced(&mut self) -> [u16; 2] {
        let output = self.child.stdout.take().expect("it is piped");
        let mut ports = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| {
                line.trim()
                    .strip_prefix("listening  on 127.0.0.1:")?
                    .parse()
                    .ok()
            });
        match (ports.next(), ports.next()) {
            (Some(smtp), Some(lmtp)) => [smtp, lmtp],
            _ => panic!("the receiver did not start:\n{}", self.log()),
        }
    }

    /// Where it speaks that protocol.
    pub fn port(&self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Smtp => self.ports[0],
            Protocol::Lmtp => self.ports[1],
        }
    }

    /// A client that is connected to it.
    pub fn client(&self) -> Client {
        Client::connect(self.port(Protocol::Smtp), Protocol::Smtp)
            .unwrap_or_else(|error| panic!("cannot connect: {error}\n{}", self.log()))
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), Signal::TERM).expect("it is there");
    }

    /// How many files without a name it has open.
    pub fn unnamed_files(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs");
        let names = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let unnamed = names.filter(|name| name.to_string_lossy().ends_with(" (deleted)"));
        unnamed.count()
    }

    /// What the threads of its process do, one letter for each, as in `/proc/<pid>/stat`.
    pub fn states(&self) -> String {
        let tasks = format!("/proc/{}/task", self.pid());
        let state = |task: PathBuf| {
            let stat = fs::read_to_string(task.join("stat")).ok()?;
            stat.rsplit_once(") ")?.1.chars().next()
        };
        list(Path::new(&tasks))
            .into_iter()
            .filter_map(state)
            .collect()
    }

    /// Waits for its end, and tells how it was.
    pub fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("it is ours")
    }

    /// `kill -9`, or waits for its end if it was killed already.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
