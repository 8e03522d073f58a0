//! From receivers to workers through streams.

use std::fs;

use crate::house::{Folder, House, eventually};
use crate::pair::{ALICE, BOB, SENDER, delivers, lengths, worker, yaml};
use crate::process::{configure, run};
use crate::server::Server;

const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

#[test]
fn a_worker_delivers_what_a_receiver_has_published() {
    let server = Server::start();
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    assert_eq!(house.folder.mail_count(), 0, "nobody has delivered it");
    assert_eq!(lengths(&server), (1, 0));
    let working = worker(&house.folder, &yaml);
    eventually("it is delivered", || house.folder.mail_count() == 1);
    let stored = house.folder.mail("example.org/bob");
    assert_eq!(stored.content, b"Subject: t\n\nbody\n");
    assert_eq!(stored.field("Delivered-To").as_deref(), Some(BOB));
    let received = stored.field("Received").expect("the receiver has said so");
    assert!(received.contains("127.0.0.1"), "{received}");
    eventually("it is removed", || lengths(&server) == (0, 0));
    working.shutdown();
}

#[test]
fn mail_for_several_is_divided() {
    let server = Server::start();
    let more = "recipients: {hosts: [example.org], aliases: {both@example.org: [alice@example.org, bob@example.org]}}\n";
    let yaml = yaml(&server, "", more);
    let house = House::new(&yaml);
    delivers(&house, &["both@example.org", "carol@example.org"], MAIL);
    assert_eq!(lengths(&server), (3, 0));
    let working = worker(&house.folder, &yaml);
    eventually("all are delivered", || house.folder.mail_count() == 3);
    for user in ["alice", "bob", "carol"] {
        house.folder.mail(&format!("example.org/{user}"));
    }
    working.shutdown();
}

/// The reply may be lost on its way to the client.
#[test]
fn a_message_that_comes_again_is_delivered_once() {
    let server = Server::start();
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    for _ in 0..5 {
        delivers(&house, &[BOB], MAIL);
    }
    let working = worker(&house.folder, &yaml);
    eventually("all are done with", || lengths(&server) == (0, 0));
    delivers(&house, &[BOB], MAIL);
    delivers(&house, &[BOB], b"Subject: another\r\n\r\nbody\r\n");
    eventually("all are done with", || lengths(&server) == (0, 0));
    working.shutdown();
    assert_eq!(house.folder.mails("example.org/bob").len(), 2);
}

/// A node that holds Maildirs takes its partitions only, and all mail of a mailbox is in one.
#[test]
fn a_mailbox_has_one_home() {
    let server = Server::start();
    let all = yaml(&server, "", "");
    let house = House::new(&all);
    let [left, right] = ["[\"0-1\"]", "[\"2\", \"3\"]"].map(|partitions| {
        let folder = Folder::new();
        let yaml = yaml(&server, &format!(", consume: {partitions}"), "");
        (worker(&folder, &yaml), folder)
    });
    for number in 0..40 {
        let user = format!("user{}@example.org", number % 20);
        delivers(
            &house,
            &[&user],
            format!("Subject: {number}\r\n\r\n").as_bytes(),
        );
    }
    let both = [&left.1, &right.1];
    eventually("all are delivered", || {
        both.iter().map(|folder| folder.mail_count()).sum::<usize>() == 40
    });
    for number in 0..20 {
        let maildir = format!("example.org/user{number}/new");
        let counts = both.map(|folder| folder.files(&maildir).len());
        assert!(
            counts == [2, 0] || counts == [0, 2],
            "user{number}: {counts:?}"
        );
    }
    assert!(both.iter().all(|folder| folder.mail_count() > 0));
    left.0.shutdown();
    right.0.shutdown();
}

#[test]
fn what_nobody_can_deliver_goes_to_the_dead_ones_and_comes_back() {
    let server = Server::start();
    let folder = Folder::new();
    let narrow = "recipients: {hosts: [example.org], users: {bob: {}}}\n";
    let house = House::new(&yaml(&server, "", ""));
    delivers(&house, &[ALICE], MAIL);
    // Something that is no message at all.
    let key = server.keys("*:mail").remove(0);
    server.ask::<String>(&["XADD", &key, "*", "what", "ever"]);
    let working = worker(&folder, &yaml(&server, "", narrow));
    eventually("both are given up", || lengths(&server) == (0, 2));
    working.shutdown();
    configure(&folder, &yaml(&server, "", ""));
    let stream = |arguments: &[&str]| {
        run(
            &folder,
            &[&["-c", "config.yaml", "stream"], arguments].concat(),
            b"",
        )
    };
    let list = stream(&["list"]);
    let said = list.stdout.join("\n");
    assert!(
        said.contains("<s@example.net> to alice@example.org  (550 5.1.1 "),
        "{list:#?}"
    );
    assert!(said.contains("it is no message of ours"), "{list:#?}");
    assert!(said.ends_with("0 waiting, 2 dead"), "{list:#?}");
    let replay = stream(&["replay"]);
    assert!(
        replay
            .stdout
            .join("\n")
            .ends_with("1 back in their streams"),
        "{replay:#?}"
    );
    let working = worker(&folder, &yaml(&server, "", ""));
    eventually("it is delivered", || folder.mail_count() == 1);
    eventually("and done with", || lengths(&server) == (0, 1));
    working.shutdown();
    let odd = said
        .lines()
        .find(|line| line.contains("no message"))
        .expect("it is there");
    let name = odd.split(' ').next().expect("its name");
    assert_eq!(stream(&["drop", name]).code, Some(0));
    assert_eq!(stream(&["drop", name]).code, Some(66));
    assert_eq!(lengths(&server), (0, 0));
}

#[test]
fn what_cannot_be_delivered_now_waits() {
    let server = Server::start();
    let folder = Folder::new();
    let house = House::new(&yaml(&server, "", ""));
    // A file where a folder has to be.
    fs::create_dir_all(folder.path("maildirs")).expect("a folder");
    fs::write(folder.path("maildirs/example.org"), "").expect("a file");
    let working = worker(&folder, &yaml(&server, "", ""));
    delivers(&house, &[BOB], MAIL);
    eventually("a worker has it", || {
        let pending: Vec<u64> = server
            .keys("*:mail")
            .iter()
            .map(|key| server.ask::<Vec<redis::Value>>(&["XPENDING", key, "maiasaura"]))
            .map(|summary| redis::from_redis_value(summary[0].clone()).expect("a number"))
            .collect();
        pending.iter().sum::<u64>() == 1
    });
    // The one that stops leaves it to the next, which does not wait as long as for one that died.
    working.shutdown();
    assert_eq!((folder.mail_count(), lengths(&server)), (0, (1, 0)));
    fs::remove_file(folder.path("maildirs/example.org")).expect("it is there");
    let working = worker(&folder, &yaml(&server, "", ""));
    eventually("it is delivered", || folder.mail_count() == 1);
    eventually("and removed", || lengths(&server) == (0, 0));
    working.shutdown();
}

#[test]
fn large_messages_and_every_octet_come_through() {
    let server = Server::start();
    let yaml = yaml(
        &server,
        "",
        "maildir: {path: \"${ROOT}/{host}/{user}\", eol: crlf}\n",
    );
    let house = House::new(&yaml);
    let mut large = b"Subject: large\r\n\r\n".to_vec();
    while large.len() < 25_000_000 {
        large
            .extend_from_slice(b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n");
    }
    delivers(&house, &[ALICE], &large);
    let binary = b"Subject: b\r\n\r\n\0\xff\xfe\0lone \n and \r ends\r\n";
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}> BODY=BINARYMIME"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.send(format!("BDAT {} LAST\r\n", binary.len()).as_bytes());
    client.send(binary);
    let reply = client.reply();
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let working = worker(&house.folder, &yaml);
    eventually("both are delivered", || house.folder.mail_count() == 2);
    working.shutdown();
    assert!(house.folder.mail("example.org/alice").content == large);
    assert!(
        house
            .folder
            .mail("example.org/bob")
            .content
            .ends_with(binary)
    );
}

/// Something else is at the key of a stream.
#[test]
fn a_key_of_another_kind_is_a_fault_of_ours() {
    let server = Server::start();
    for partition in 0..4 {
        let key = format!("maiasaura:{{{partition}}}:mail");
        server.ask::<String>(&["SET", &key, "a text"]);
    }
    let house = House::new(&yaml(&server, "", ""));
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let prefix = yaml(&server, ", prefix: other", "");
    delivers(&House::new(&prefix), &[BOB], MAIL);
}

/// Nor does it hold up the mail of other partitions.
#[test]
fn a_key_of_another_kind_stands_in_the_way_of_its_partition_only() {
    let server = Server::start();
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    for partition in 0..4 {
        let key = format!("maiasaura:{{{partition}}}:mail");
        server.ask::<bool>(&["SETNX", &key, "a text"]);
    }
    let working = worker(&house.folder, &yaml);
    eventually("it is delivered", || house.folder.mail_count() == 1);
    delivers(&house, &[BOB], b"Subject: another\r\n\r\nbody\r\n");
    eventually("so is the next", || house.folder.mail_count() == 2);
    working.shutdown();
}

#[test]
fn a_full_redis_refuses_and_loses_nothing() {
    let server = Server::with("maxmemory-policy noeviction");
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let reply = house.client().deliver(SENDER, &[ALICE], MAIL);
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    let working = worker(&house.folder, &yaml);
    eventually("what was taken is delivered", || {
        house.folder.mail_count() == 1
    });
    working.shutdown();
    house.folder.mail("example.org/bob");
}

/// A replica that is asked for and not there: the client hears so, and comes again.
#[test]
fn replicas_that_are_promised_have_to_be_there() {
    let server = Server::start();
    let keys = ", replicas: 1";
    let house =
        House::new(&yaml(&server, keys, "").replace("durable: true", "durable: true, timeout: 1s"));
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}

/// Redis has lost its memory, and the groups with it.
#[test]
fn an_emptied_redis_is_furnished_again() {
    let server = Server::start();
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    let working = worker(&house.folder, &yaml);
    delivers(&house, &[BOB], MAIL);
    eventually("it is delivered", || house.folder.mail_count() == 1);
    server.ask::<String>(&["FLUSHALL"]);
    delivers(&house, &[ALICE], MAIL);
    eventually("so is the next", || house.folder.mail_count() == 2);
    working.shutdown();
}

#[test]
fn without_a_durable_redis_a_stream_alone_is_no_store() {
    let server = Server::start();
    let folder = Folder::new();
    configure(
        &folder,
        &yaml(&server, "", "").replace(", durable: true", ""),
    );
    let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    assert!(
        ended
            .complaint()
            .contains("none of these processors stores mail"),
        "{ended:#?}"
    );
}
