//! strace, which makes system calls of the receiver fail, or kills it just before one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program::path;
use crate::server::Server;

/// strace at work on a receiver. The receiver goes on without it when this is dropped.
pub struct Strace {
    child: Child,
    folder: TempDir,
}

impl Strace {
    /// Traces `calls`, which are separated by commas, of all threads from now on. `faults` are what
    /// strace calls an injection, such as `fsync:error=EIO:when=1`; calls are counted in each
    /// thread apart.
    pub fn attach(server: &Server, calls: &str, faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("strace");
        command
            .env("PATH", path())
            .args(["-f", "-y", "-s", "0", "-o"]);
        command.arg(folder.path().join("trace"));
        command.args(["-e", &format!("trace={calls}"), "-e", "signal=none"]);
        for fault in faults {
            command.args(["-e", &format!("inject={fault}")]);
        }
        command.args(["-p", &server.pid().to_string()]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("strace, which tests/run installs");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        let _ = said.read_line(&mut line);
        let strace = Self { child, folder };
        assert!(line.contains(" attached"), "strace: {line}");
        // What it has to say later must not stop it.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        strace
    }

    /// Lets go of the receiver, and tells which calls there were.
    pub fn detach(mut self) -> Trace {
        self.finish();
        let trace = fs::read_to_string(self.trace()).unwrap_or_default();
        let lines = trace.lines().filter(|line| !line.contains(" resumed>"));
        Trace {
            lines: lines.map(str::to_string).collect(),
        }
    }

    fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    /// Asked in this way, it lets go of all threads first.
    fn finish(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::INT));
        }
        let _ = self.child.wait();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The calls of a receiver: `<thread> <call>(<arguments>) = <result>`.
pub struct Trace {
    pub lines: Vec<String>,
}

impl Trace {
    /// The calls of that name, each with its arguments and its result.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| {
            let (called, rest) = call(line)?.1.split_once('(')?;
            (called == name).then_some(rest)
        })
    }

    /// How often the busiest thread has made the call of that name.
    pub fn most(&self, name: &str) -> usize {
        let mut threads: Vec<&str> = Vec::new();
        let named = |line: &&String| call(line).is_some_and(|(_, call)| called(call) == name);
        threads.extend(
            self.lines
                .iter()
                .filter(named)
                .filter_map(|line| Some(call(line)?.0)),
        );
        let count = |thread: &&str| threads.iter().filter(|other| *other == thread).count();
        threads.iter().map(count).max().unwrap_or(0)
    }
}

/// The thread of a line, and the rest.
fn call(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    Some((thread, rest.trim_start()))
}

fn called(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}
