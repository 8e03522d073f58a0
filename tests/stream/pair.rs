//! A receiver and workers, with a Redis between them.

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::{Daemon, RunningWorker};

use crate::house::{Folder, House, configuration};
use crate::process::{Program, command, configure};
use crate::server::Server;

pub const SENDER: &str = "s@example.net";
pub const BOB: &str = "bob@example.org";
pub const ALICE: &str = "alice@example.org";

/// What both are told: streams here, and workers that deliver into Maildirs. `keys` are more of the
/// section `stream` and begin with a comma, `more` are other sections.
pub fn yaml(server: &Server, keys: &str, more: &str) -> String {
    format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\n\
         limits: {{message_size: 30MB, connections_per_ip: 1000}}\n\
         stream: {{partitions: 4, take_over_after: 2s{keys}}}\n{more}",
        server.section(", durable: true")
    )
}

/// A worker of this process.
pub fn worker(folder: &Folder, yaml: &str) -> RunningWorker {
    worker_with(folder, yaml, |daemon| daemon)
}

/// The same, with more than its configuration says.
pub fn worker_with(
    folder: &Folder,
    yaml: &str,
    furnish: impl FnOnce(Daemon) -> Daemon,
) -> RunningWorker {
    let environment: Environment = folder.variables().into_iter().collect();
    let config = Config::parse(&configuration(yaml), "test", &environment);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    let running = furnish(Daemon::new(config)).work();
    running.unwrap_or_else(|error| panic!("{error}"))
}

/// A worker of its own, which can be killed.
pub fn worker_process(folder: &Folder, yaml: &str) -> Program {
    configure(folder, yaml);
    let program = Program::spawn(command(folder, &["-c", "config.yaml", "work"]));
    program.stdout.wait("  delivers ", 1);
    program
}

#[track_caller]
pub fn delivers(house: &House, to: &[&str], content: &[u8]) {
    let reply = house.client().deliver(SENDER, to, content);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

/// What is in the streams of all partitions: waiting, and dead.
pub fn lengths(server: &Server) -> (u64, u64) {
    let sum = |pattern: &str| {
        let keys = server.keys(pattern);
        keys.iter()
            .map(|key| server.ask::<u64>(&["XLEN", key]))
            .sum()
    };
    (sum("*:mail"), sum("*:dead"))
}
