//! Configurations that a program has made, and not read.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use maiasaura::config::Time;
use maiasaura::{Config, Daemon};

use crate::client::{Client, Stream};

/// How to spoil one, and what is said of it.
type Spoiled = (fn(&mut Config), &'static str);

/// What a file could not say either.
const SPOILED: [Spoiled; 5] = [
    (|it| it.listeners.clear(), "listeners: there is none"),
    (
        |it| it.recipients.hosts.clear(),
        "recipients.hosts: no host is named",
    ),
    (
        |it| it.limits.connections = 0,
        "limits.connections: with 0 no mail could come in",
    ),
    (
        |it| it.timeouts.command = Time(Duration::ZERO),
        "timeouts.command: no time at all is not enough",
    ),
    (
        |it| it.hostname = Some("a b".into()),
        "hostname: \"a b\" is not a host name",
    ),
];

fn sound() -> (Config, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut config = Config::default();
    config.listen_on("127.0.0.1:0").expect("it is an address");
    config.recipients.hosts = vec!["example.org".into()];
    config.maildir.path = format!("{}/{{host}}/{{user}}", folder.path().display());
    (config, folder)
}

#[test]
fn what_a_file_may_not_say_a_program_may_not_either() {
    let (config, _folder) = sound();
    let running = Daemon::new(config.clone()).start().expect("it is sound");
    for (spoil, why) in SPOILED {
        let mut config = config.clone();
        spoil(&mut config);
        let daemon = Daemon::new(config.clone());
        let of_service = daemon.service().map(drop).expect_err(why);
        let of_start = daemon.start().map(drop).expect_err(why);
        let of_reload = running.reload(config).expect_err(why);
        for said in [
            of_service.to_string(),
            of_start.to_string(),
            of_reload.to_string(),
        ] {
            assert!(said.contains(&format!("configuration: {why}")), "{said}");
        }
    }
    let mut client = Client::greeted(&running.addresses()[0]);
    let reply = client.deliver("s@example.net", &["bob@example.org"], b"\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    running.shutdown();
}

/// A thread that reloads may share it with one that ends it.
#[test]
fn what_was_shut_down_takes_nothing_new() {
    let (config, _folder) = sound();
    let running = Arc::new(Daemon::new(config.clone()).start().expect("it is sound"));
    let address = running.addresses()[0].clone();
    let others = Arc::clone(&running);
    let ended = thread::spawn(move || others.shutdown()).join();
    ended.expect("it does not panic");
    let refused = running.reload(config).expect_err("it has ended");
    assert!(
        refused.to_string().contains("it was shut down"),
        "{refused}"
    );
    assert!(Stream::connect(&address).is_err());
    running.shutdown();
}
