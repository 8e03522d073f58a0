//! `delivery: queued`: an outage of the database costs nobody anything.

use std::fs;

use crate::house::{House, eventually};
use crate::mariadb::{Database, Server};
use crate::rows::{CHAIN, delivers, house, send};

const QUICK: &str = "delivery: queued, timeout: 2s, connect_timeout: 2s";

#[test]
fn rows_come_from_the_queue() {
    let database = Database::with_table();
    let house = house(&database, "delivery: queued, mail: true");
    let mail = "Subject: gr\u{fc}n \u{1f95a}\r\nTo: list@example.org\r\nMessage-ID: <7@x.example>\r\nContent-Type: text/plain\r\n\r\nbody\r\n";
    delivers(
        &house,
        &["bob@example.org", "carol@example.org"],
        mail.as_bytes(),
    );
    eventually("the rows are there", || database.count() == 2);
    let rows = database.sql(
        "SELECT recipient, subject, `to`, `from`, message_id, content_type, INET6_NTOA(ip_addr), is_tls+0, \
         body, mail LIKE '%\r\n\r\nbody\r\n', mail LIKE CONCAT('Return-Path: <s@example.net>\r\nDelivered-To: ', recipient, '%'), \
         ABS(TIMESTAMPDIFF(SECOND, date, NOW())) < 60 FROM new_mail ORDER BY recipient",
    );
    let row = |who: &str| {
        format!(
            "{who}@example.org\tgr\u{fc}n \u{1f95a}\tlist@example.org\ts@example.net\t7@x.example\ttext/plain\t127.0.0.1\t0\t\t1\t1\t1"
        )
    };
    assert_eq!(rows, [row("bob"), row("carol")].join("\n"));
    eventually("the queue is empty", || letters(&house) == 0);
}

/// Letters that wait.
pub fn letters(house: &House) -> usize {
    house.folder.letters("mysql").len()
}

#[test]
fn compressor_compresses_what_comes_from_the_queue() {
    let database = Database::with_table();
    let house = House::new(&format!(
        "save: HeadersParser|Header|Compressor|MailDir|MySQL\n{}",
        database.section("delivery: queued, mail: true")
    ));
    delivers(&house, &["bob@example.org"], b"Subject: s\r\n\r\nbody\r\n");
    eventually("the row is there", || database.count() == 1);
    assert_eq!(
        database.sql("SELECT body, HEX(mail) LIKE '78%' FROM new_mail"),
        "gzip\t1"
    );
}

/// Mail is taken while the server is down, and each message has its row once it is up; once.
#[test]
fn an_outage_costs_nobody_anything() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    let house = House::new(&format!(
        "{CHAIN}{}spool: {{longest_pause: 1s}}\n",
        database.section(QUICK)
    ));
    delivers(&house, &["bob@example.org"], b"Subject: first\r\n\r\n");
    eventually("the first row is there", || database.count() == 1);
    server.kill();
    let mut client = house.client();
    for number in 0..20 {
        let mail = format!("Subject: {number}\r\n\r\n");
        let reply = send(&mut client, &["bob@example.org"], mail.as_bytes());
        assert!(reply.starts_with("250 "), "{reply}");
    }
    assert_eq!(house.folder.mails("example.org/bob").len(), 21);
    assert!(letters(&house) >= 20, "{:?}", house.folder.tree());
    server.run();
    retry_now(&house);
    eventually("all rows are there", || {
        retry_now(&house);
        database.count() == 21
    });
    eventually("the queue is empty", || letters(&house) == 0);
    assert_eq!(
        database.sql("SELECT COUNT(DISTINCT subject) FROM new_mail"),
        "21"
    );
}

/// What `maiasaura queue retry` does: states say that the time has come.
pub fn retry_now(house: &House) {
    let folder = house.folder.path("maildirs/.spool/mysql/state");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(text) = fs::read_to_string(entry.path()) else {
            continue;
        };
        let Some((before, rest)) = text.split_once("\"next\":") else {
            continue;
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let new = format!("{before}\"next\":0{}", &rest[end..]);
        let other = house.folder.path("state-for-now");
        fs::write(&other, new).expect("a file");
        fs::rename(other, entry.path()).expect("it is replaced");
    }
}

/// A chain of this alone keeps the message in its row; one that does not fit becomes a dead letter.
#[test]
fn a_row_alone_is_no_place_for_what_does_not_fit() {
    let server = Server::start(&["--max-allowed-packet=1M"]);
    let database = server.database();
    database.make_table();
    let house = House::new(&format!(
        "save: HeadersParser|Hasher|Header|MySQL\n{}",
        database.section("delivery: queued, mail: true")
    ));
    let large = [
        "Subject: large\r\n\r\n",
        &"line of text\r\n".repeat(100_000),
    ]
    .concat();
    delivers(&house, &["bob@example.org"], large.as_bytes());
    delivers(&house, &["bob@example.org"], b"Subject: small\r\n\r\n");
    eventually("the small one is there", || database.count() == 1);
    eventually("the large one is dead", || {
        house
            .folder
            .tree()
            .iter()
            .any(|path| path.contains("/.spool/dead/new/"))
    });
}
