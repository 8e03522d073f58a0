//! Marks: of entries with one key, one worker delivers one, however many look at the same moment.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use maiasaura::redis::{Client, Endpoint, Settings, command};
use maiasaura::stream::{self, Claim, Entry, Source};

use crate::house::House;
use crate::pair::{BOB, delivers, yaml};
use crate::server::Server;

const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
const WORKERS: usize = 8;
const ROUNDS: usize = 200;
/// An entry that was withdrawn after somebody had marked it: nobody has it.
const WITHDRAWN: &str = "1-1";

fn streams(partitions: u16) -> stream::Settings {
    stream::Settings {
        prefix: "maiasaura".into(),
        partitions,
        group: "maiasaura".into(),
        replicas: 0,
        waitaof: false,
        remember: Duration::from_hours(1),
    }
}

/// A mark of an entry that is gone is inherited by one of those who have another with its key. `house` receives
/// into `partitions` streams there.
pub fn one_inherits(settings: &Settings, house: &House, partitions: u16) {
    for _ in 0..WORKERS {
        delivers(house, &[BOB], MAIL);
    }
    let client = || Arc::new(Client::new(settings.clone()).expect("an address"));
    let streams = streams(partitions);
    let partition = [streams.partition(BOB)];
    let workers: Vec<(Source, Entry)> = (0..WORKERS)
        .map(|number| {
            let source = Source::new(client(), streams.clone(), format!("worker-{number}"));
            source.prepare(&partition).expect("a group");
            let entry = source.read(&partition, 1).expect("it answers").remove(0);
            (source, entry)
        })
        .collect();
    let mark = &workers[0].1.parcel.as_ref().expect("a message").mark;
    let key = format!("maiasaura:{{{}}}:mark:{mark}", partition[0]);
    for round in 0..ROUNDS {
        let mut set = command("SET");
        set.arg(&key).arg(WITHDRAWN);
        client().run(vec![set]).expect("it answers");
        let barrier = Barrier::new(WORKERS);
        let claims: Vec<Claim> = thread::scope(|scope| {
            let claim = |(source, entry): &(Source, Entry)| {
                barrier.wait();
                source
                    .claim(std::slice::from_ref(entry))
                    .expect("it answers")[0]
            };
            let threads: Vec<_> = workers
                .iter()
                .map(|worker| scope.spawn(move || claim(worker)))
                .collect();
            let join =
                |thread: thread::ScopedJoinHandle<'_, Claim>| thread.join().expect("a claim");
            threads.into_iter().map(join).collect()
        });
        let ours = claims.iter().filter(|claim| **claim == Claim::Ours).count();
        assert_eq!(ours, 1, "round {round}: {claims:?}");
        assert!(!claims.contains(&Claim::Done), "{claims:?}");
    }
}

#[test]
fn one_inherits_what_the_dead_have_marked() {
    let server = Server::start();
    let house = House::new(&yaml(&server, "", ""));
    one_inherits(&Settings::at(Endpoint::Unix(server.socket())), &house, 4);
}

/// A mark whose entry is with a worker bars the others, however long that takes.
#[test]
fn what_a_worker_has_is_inherited_by_nobody() {
    let server = Server::start();
    let house = House::new(&yaml(&server, "", ""));
    for _ in 0..2 {
        delivers(&house, &[BOB], MAIL);
    }
    let settings = Settings::at(Endpoint::Unix(server.socket()));
    let client = Arc::new(Client::new(settings).expect("an address"));
    let streams = streams(4);
    let source = Source::new(client, streams.clone(), "worker".into());
    let partition = [streams.partition(BOB)];
    source.prepare(&partition).expect("a group");
    let entries = source.read(&partition, 2).expect("it answers");
    let claim = |number: usize| source.claim(&entries[number..=number]).expect("it answers")[0];
    assert_eq!(
        (claim(0), claim(1), claim(0)),
        (Claim::Ours, Claim::Busy, Claim::Ours)
    );
    source.finish(&entries[0]).expect("it answers");
    assert_eq!(claim(1), Claim::Done);
}

/// While Redis is full nothing can be marked: what nobody has is delivered all the same.
#[test]
fn a_full_redis_keeps_no_mark_of_the_dead() {
    let server = Server::with("maxmemory-policy noeviction");
    let house = House::new(&yaml(&server, "", ""));
    delivers(&house, &[BOB], MAIL);
    let settings = Settings::at(Endpoint::Unix(server.socket()));
    let client = Arc::new(Client::new(settings).expect("an address"));
    let streams = streams(4);
    let partition = [streams.partition(BOB)];
    let source = Source::new(client, streams, "worker".into());
    source.prepare(&partition).expect("a group");
    let entries = source.read(&partition, 1).expect("it answers");
    assert_eq!(source.claim(&entries), Ok(vec![Claim::Ours]));
    let mark = server.keys("*:mark:*").remove(0);
    server.ask::<String>(&["SET", &mark, WITHDRAWN]);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(source.claim(&entries), Ok(vec![Claim::Ours]));
    assert_eq!(server.keys("*:mark:*"), Vec::<String>::new());
}
