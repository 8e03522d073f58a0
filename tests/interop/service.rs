//! A program that runs beside a test, and is stopped with it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything that should happen may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked for.
const GLANCE: Duration = Duration::from_millis(10);

/// A running program; what it says goes to a file.
pub struct Service {
    child: Child,
    said: PathBuf,
}

impl Service {
    /// Starts `command`; standard output and standard error go to `name`.out in `folder`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let said = folder.join(format!("{name}.out"));
        let file = File::create(&said).expect("a file for what it says");
        let same = file.try_clone().expect("the same file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(same)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, said }
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).expect("what it said")).into_owned()
    }

    /// Waits until it has said a line that contains all of `words`.
    pub fn line(&mut self, words: &[&str]) -> String {
        self.until(&format!("a line with {words:?}"), |service| {
            let said = service.said();
            let mut whole = said
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            whole
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(|line| line.trim_end().to_owned())
        })
    }

    /// Waits until `port` of 127.0.0.1 takes connections.
    pub fn port(&mut self, port: u16) {
        self.until(&format!("a connection to port {port}"), |_| {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    /// Waits until `look` finds what it looks for; the program must go on running.
    fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("its state");
            if let Some(found) = look(self) {
                return found;
            }
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "waited for {what}; state {ended:?}; it said:\n{}",
                self.said()
            );
            thread::sleep(GLANCE);
        }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits until it ends by itself.
    pub fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(ended) = self.child.try_wait().expect("its state") {
                return ended;
            }
            thread::sleep(GLANCE);
        }
        panic!("it does not end; it said:\n{}", self.said());
    }

    /// Asks it to end, and waits for that; one that does not listen is killed.
    pub fn stop(&mut self) -> ExitStatus {
        if let Some(ended) = self.child.try_wait().expect("its state") {
            return ended;
        }
        let _ = kill_process(self.pid(), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(ended) = self.child.try_wait().expect("its state") {
                return ended;
            }
            thread::sleep(GLANCE);
        }
        let _ = self.child.kill();
        self.child.wait().expect("its end")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port of 127.0.0.1 that nobody listens on, for programs that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
