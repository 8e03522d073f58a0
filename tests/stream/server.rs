//! A Redis in a folder of its own.

use std::path::PathBuf;
use std::process::Command;

use redis::{Connection, FromRedisValue, RedisResult, cmd};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::house::eventually;
use crate::service::Service;

/// A running Redis that syncs before it answers. It is stopped when it is dropped.
pub struct Server {
    service: Option<Service>,
    lines: String,
    pub folder: TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With these lines more in its configuration, such as `requirepass secret`.
    pub fn with(lines: &str) -> Self {
        let folder = TempDir::with_prefix("maiasaura-redis-").expect("a temporary folder");
        let mut server = Self {
            service: None,
            lines: lines.to_owned(),
            folder,
        };
        server.run();
        server
    }

    /// Starts it, again, with what it has on the disk.
    pub fn run(&mut self) {
        let folder = self.folder.path();
        let text = format!(
            "port 0\nunixsocket {}/s\ndir {}\nsave \"\"\nappendonly yes\nappendfsync always\n{}\n",
            folder.display(),
            folder.display(),
            self.lines
        );
        let file = folder.join("redis.conf");
        std::fs::write(&file, text).expect("a file");
        let mut command = Command::new("redis-server");
        command.arg(&file);
        self.service = Some(Service::start("redis", &mut command, folder));
        // It says so, too, while it wants a password.
        // "Ready to", since 7.2.
        self.service().line(&["eady to accept connections"]);
        let is_loaded = || match self.try_ask::<String>(&["PING"]) {
            Ok(_) => true,
            Err(error) => !error.to_string().contains("LOADING"),
        };
        eventually("Redis has read its files", is_loaded);
    }

    fn service(&mut self) -> &mut Service {
        self.service.as_mut().expect("it runs")
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.service().signal(signal);
    }

    /// Ends it, as a power cut would but for what the kernel has.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.service().end();
        self.service = None;
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The section of a configuration that leads here; `keys` begins with a comma.
    pub fn section(&self, keys: &str) -> String {
        format!(
            "redis: {{\"address\": \"unix:{}\"{keys}}}\n",
            self.socket().display()
        )
    }

    pub fn connection(&self) -> RedisResult<Connection> {
        let address = format!("unix:{}", self.socket().display());
        redis::Client::open(address)?.get_connection()
    }

    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query(&mut self.connection()?)
    }

    #[track_caller]
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", pattern]);
        keys.sort();
        keys
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was stopped would not hear that it is to end.
        if let Some(service) = &self.service {
            let _ = rustix::process::kill_process(service.pid(), Signal::CONT);
        }
    }
}
