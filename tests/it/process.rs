//! The program as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use maiasaura::server::{Access, Address};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, PATIENCE};
use crate::house::{Folder, configuration, eventually};

/// Where the program is.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_maiasaura");

/// Lines that a process writes, as they come.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Lines {
    /// Collects them until the other side closes.
    fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let heard = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                let (all, changed) = &*heard.0;
                all.lock().expect("nobody panics with it").push(line);
                changed.notify_all();
            }
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().expect("nobody panics with it").clone()
    }

    /// Waits until this many lines hold `text`, and returns them.
    #[track_caller]
    pub fn wait(&self, text: &str, count: usize) -> Vec<String> {
        let (all, changed) = &*self.0;
        let all = all.lock().expect("nobody panics with it");
        let found = |all: &[String]| {
            let found = all.iter().filter(|line| line.contains(text));
            found.cloned().collect::<Vec<_>>()
        };
        let (all, _) = changed
            .wait_timeout_while(all, PATIENCE, |all| found(all).len() < count)
            .expect("nobody panics with it");
        let lines = found(&all);
        assert!(lines.len() >= count, "{count} lines with {text}: {all:#?}");
        lines
    }
}

/// A process. It is killed when it is dropped.
pub struct Program {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
    addresses: Vec<Address>,
}

/// What a process came to.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal has ended it.
    pub code: Option<i32>,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

/// The program in a folder, with nothing in its environment but what a configuration may name.
pub fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    prepare(folder, command)
}

/// The program, called by a line for `sh` in which it is `"$@"`.
pub fn shell(folder: &Folder, line: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line, "sh", PROGRAM]).args(arguments);
    prepare(folder, command)
}

/// A command in a folder, whose output is kept.
pub fn prepare(folder: &Folder, mut command: Command) -> Command {
    command.env_clear().envs(folder.variables());
    command.current_dir(folder.path(""));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Writes the configuration of a house and returns its path.
pub fn configure(folder: &Folder, yaml: &str) -> PathBuf {
    let path = folder.path("config.yaml");
    fs::write(&path, configuration(yaml)).expect("it can be written");
    path
}

impl Program {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program can be started");
        let stdout = child.stdout.take().map(Lines::of).unwrap_or_default();
        let stderr = child.stderr.take().map(Lines::of).unwrap_or_default();
        Self {
            child,
            stdout,
            stderr,
            addresses: Vec::new(),
        }
    }

    /// Starts a server that is configured so, and waits until it has introduced itself.
    pub fn serve(folder: &Folder, yaml: &str) -> Self {
        configure(folder, yaml);
        Self::introduced(command(folder, &["-c", "config.yaml"]), yaml)
    }

    /// Waits until a server that is configured so has said where it listens.
    pub fn introduced(command: Command, yaml: &str) -> Self {
        let mut program = Self::spawn(command);
        let count = configuration(yaml).matches("address:").count();
        let lines = program.stdout.wait("  listening  on ", count);
        program.addresses = lines.iter().map(|line| address(line)).collect();
        program
    }

    pub fn address(&self) -> &Address {
        &self.addresses[0]
    }

    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A client of the first listener, after the greetings.
    pub fn client(&self) -> Client {
        Client::greeted(self.address())
    }

    /// Its standard input, if that is a pipe and was not taken before.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is a pipe")
    }

    /// The time that it had a processor, in hundredths of a second (`stat` in proc(5)).
    pub fn processor_time(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(path).expect("it runs");
        let (_, fields) = text.rsplit_once(") ").expect("its name is in brackets");
        let times = fields.split(' ').skip(11).take(2);
        times
            .map(|time| time.parse::<u64>().expect("it is a number"))
            .sum()
    }

    /// The most memory that it had at any time, in octets (`status` in proc(5)).
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("it runs");
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        1024 * number.expect("it is a number of kB")
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it has not been waited for");
    }

    /// Asks it to stop; it must end well.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        // Whoever has read to the end holds its lines no more.
        eventually("its last lines are read", || {
            [&self.stdout, &self.stderr]
                .iter()
                .all(|lines| Arc::strong_count(&lines.0) == 1)
        });
        Ended {
            code: status.and_then(|status| status.code()),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The only line on standard error.
    #[track_caller]
    pub fn complaint(&self) -> &str {
        let [line] = &self.stderr[..] else {
            panic!("not one line: {self:#?}");
        };
        line
    }
}

fn address(line: &str) -> Address {
    let text = line.trim_start_matches("  listening  on ");
    match text.split_once(':') {
        Some(("unix", path)) => Address::Unix(path.into(), Access::with_mode(0)),
        Some(("systemd", name)) => Address::Systemd(name.into()),
        _ => Address::Tcp(text.parse().expect("it is an address")),
    }
}

/// Runs the program to its end.
#[track_caller]
pub fn run(folder: &Folder, arguments: &[&str], input: &[u8]) -> Ended {
    let mut command = command(folder, arguments);
    command.stdin(Stdio::piped());
    let mut program = Program::spawn(command);
    let mut stdin = program.stdin();
    let input = input.to_vec();
    thread::spawn(move || stdin.write_all(&input));
    program.end()
}
