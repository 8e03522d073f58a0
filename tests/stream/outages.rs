//! Redis that is not there, does not want us, is full, or does not answer: 451 or 452, never 5xx, and
//! all is well again when it is.

use std::time::{Duration, Instant};

use maiasaura::health::State;
use rustix::process::Signal;

use crate::house::{House, eventually};
use crate::pair::lengths;
use crate::server::Server;
use crate::values::{delivers, only};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
const LATER: &str = "451 4.3.0 ";

fn reply(house: &House) -> String {
    house.client().deliver(SENDER, &[BOB], MAIL)
}

#[track_caller]
fn is_late(house: &House) {
    let reply = reply(house);
    assert!(reply.starts_with(LATER), "{reply}");
}

fn recovers(house: &House) {
    eventually("Redis is asked again", || {
        reply(house).starts_with("250 2.0.0 ")
    });
}

#[test]
fn a_restart_is_an_interruption_only() {
    let mut server = Server::start();
    let house = only(&server, "");
    delivers(&house, &[BOB], MAIL);
    server.kill();
    is_late(&house);
    server.run();
    recovers(&house);
    // A restart between two messages nobody notices.
    server.kill();
    server.run();
    delivers(&house, &[BOB], MAIL);
}

/// Whoever looks at the board sees that mail is deferred, and why.
#[test]
fn an_outage_is_on_the_board() {
    let mut server = Server::start();
    let house = only(&server, "");
    let redis = || {
        let states = house.running().health().states();
        let redis = states.into_iter().find(|(name, _)| &**name == "redis");
        redis.expect("it is on the board").1
    };
    delivers(&house, &[BOB], MAIL);
    assert_eq!(redis(), State::Well);
    server.kill();
    is_late(&house);
    assert!(matches!(redis(), State::Ill(why) if why.contains("unix:/")));
    server.run();
    recovers(&house);
    assert_eq!(redis(), State::Well);
}

#[test]
fn nothing_is_in_a_maildir_that_redis_does_not_have() {
    let mut server = Server::start();
    server.kill();
    let house = House::new(&format!(
        "{}save: Hasher|Header|MailDir|Redis",
        server.section("")
    ));
    is_late(&house);
    assert_eq!(house.folder.mail_count(), 0);
    server.run();
    recovers(&house);
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn wrong_credentials_are_no_fault_of_the_message() {
    let server = Server::with("requirepass secret");
    for keys in ["", ", password: wrong", ", user: nobody, password: secret"] {
        is_late(&only(&server, keys));
    }
    delivers(&only(&server, ", password: secret"), &[BOB], MAIL);
    let file = server.folder.path().join("password");
    std::fs::write(&file, "secret\n").expect("a file");
    let keys = format!(", user: default, password_file: {}", file.display());
    delivers(&only(&server, &keys), &[BOB], MAIL);
}

#[test]
fn a_replica_takes_nothing() {
    let server = Server::with("replicaof 127.0.0.1 1");
    let house = only(&server, "");
    is_late(&house);
    // It is the master from now on.
    server.ask::<String>(&["REPLICAOF", "NO", "ONE"]);
    recovers(&house);
}

#[test]
fn memory_that_is_full_is_said_to_be() {
    let server = Server::with("maxmemory-policy noeviction");
    let house = only(&server, "");
    delivers(&house, &[BOB], MAIL);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = reply(&house);
    assert!(full.starts_with("452 4.3.1 "), "{full}");
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    // It has answered all the time, so nobody has to wait.
    delivers(&house, &[BOB], MAIL);
}

#[test]
fn one_that_hangs_is_left_alone() {
    let mut server = Server::start();
    let house = only(&server, ", timeout: 1s, connect_timeout: 1s");
    delivers(&house, &[BOB], MAIL);
    server.signal(Signal::STOP);
    is_late(&house);
    // Now it is known: many clients together do not take longer than a few of them would one by one.
    let begin = Instant::now();
    for _ in 0..50 {
        is_late(&house);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(50),
        "each has waited for it"
    );
    server.signal(Signal::CONT);
    recovers(&house);
}

/// Each message does not wait for it alone, and nothing stays behind that the client sends again.
#[test]
fn a_replica_that_is_away_is_waited_for_once_by_all() {
    let server = Server::start();
    let yaml = format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\nlimits: {{connections_per_ip: 100}}\n\
         stream: {{replicas: 1}}\n",
        server.section(", durable: true, connections: 1, timeout: 2s")
    );
    let house = House::new(&yaml);
    std::thread::scope(|scope| {
        for number in 0..30 {
            let house = &house;
            scope.spawn(move || {
                let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
                let reply = house.client().deliver(SENDER, &[BOB], mail.as_bytes());
                assert!(reply.starts_with(LATER), "{reply}");
            });
        }
    });
    let stats: String = server.ask(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| {
        let rest = line.strip_prefix("cmdstat_wait:calls=")?;
        rest.split(',').next()?.parse::<u32>().ok()
    });
    assert!(calls.is_some_and(|calls| calls < 15), "{calls:?}");
    assert_eq!(lengths(&server), (0, 0), "what was refused is withdrawn");
}
