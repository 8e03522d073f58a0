//! What is in a row, and that it is there when the client hears 250.

use std::io::Read as _;
use std::sync::Barrier;

use flate2::read::ZlibDecoder;
use maiasaura::mysql::{self, Row};

use crate::client::{Client, mail_data};
use crate::house::{House, crlf};
use crate::mariadb::{Database, Server, at_once};

/// The chain of most tests.
pub const INLINE: &str = "delivery: inline";
pub const CHAIN: &str = "save: HeadersParser|Hasher|Header|MailDir|MySQL\n";

/// Sends a message, and returns the reply.
pub fn send(client: &mut Client, to: &[&str], mail: &[u8]) -> String {
    client.wants("MAIL FROM:<s@example.net> SMTPUTF8 BODY=8BITMIME", "250 ");
    for to in to {
        client.wants(&format!("RCPT TO:<{to}>"), "250 ");
    }
    client.wants("DATA", "354 ");
    client.send(&mail_data(mail));
    client.reply()
}

#[track_caller]
pub fn delivers(house: &House, to: &[&str], mail: &[u8]) {
    let reply = send(&mut house.client(), to, mail);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

pub fn house(database: &Database, keys: &str) -> House {
    House::new(&format!("{CHAIN}{}", database.section(keys)))
}

const MAIL: &str = "From: Alice <alice@example.net>\r\nTo: Bob <list@example.org>\r\n\
                    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= \u{1f95a}\r\nMessage-ID: <7@example.net>\r\n\
                    Reply-To: answers@example.net\r\nSender: desk@example.net\r\n\
                    Content-Type: text/html; charset=utf-8\r\n\r\nbody\r\n";

/// Upstream: the hash of a recipient depends on those before it.
#[test]
fn a_row_tells_of_its_message() {
    let database = Database::with_table();
    let house = house(&database, INLINE);
    delivers(
        &house,
        &["bob@example.org", "Carol@example.org"],
        MAIL.as_bytes(),
    );
    let columns = "`to`, `from`, subject, body, charset, LENGTH(mail), spam_score, content_type, recipient, \
                   has_attach, HEX(ip_addr), delivered+0, attach_info, dkim_valid, return_path, is_tls+0, message_id, \
                   reply_to, sender";
    let rows = database.sql(&format!("SELECT {columns} FROM new_mail ORDER BY mail_id"));
    let common =
        "list@example.org\ts@example.net\tGr\u{fc}\u{df}e \u{1f95a}\t\tUTF-8\t0\t0\ttext/html";
    let rest = "0\t7F000001\t0\t\tNULL\ts@example.net\t0\t7@example.net\tanswers@example.net\tdesk@example.net";
    let expected = [
        format!("{common}\tbob@example.org\t{rest}"),
        format!("{common}\tCarol@example.org\t{rest}"),
    ];
    assert_eq!(rows, expected.join("\n"));
    let age =
        database.sql("SELECT MAX(ABS(TIMESTAMPDIFF(SECOND, date, NOW()))) < 60 FROM new_mail");
    assert_eq!(age, "1", "in the time of the server");
    let hashes = database.sql("SELECT COUNT(DISTINCT hash), MIN(LENGTH(hash)) FROM new_mail");
    assert_eq!(hashes, "2\t64");
    assert_eq!(house.folder.mail_count(), 2);
}

#[test]
fn what_is_missing_in_a_header_is_made_up_or_empty() {
    let database = Database::with_table();
    // The header is read where HeadersParser is not in the chain, too.
    let house = House::new(&format!(
        "save: MailDir|MySQL\n{}",
        database.section(INLINE)
    ));
    delivers(&house, &["bob@example.org"], b"no header at all\r\n");
    let row = database.sql(
        "SELECT `to`, subject, content_type, reply_to, sender, \
         message_id = CONCAT(hash, '.bob@mx.example.org') FROM new_mail",
    );
    assert_eq!(row, "bob@example.org\t\t\t\t\t1");
}

/// Upstream: behind the Compressor only the first row has the message, the others its trace fields.
#[test]
fn the_message_may_be_in_its_row() {
    let plain = Database::with_table();
    let house_of_plain = house(&plain, "delivery: inline, mail: true");
    delivers(&house_of_plain, &["bob@example.org"], MAIL.as_bytes());
    let stored = unhex(&plain.sql("SELECT HEX(mail) FROM new_mail"));
    let file = house_of_plain.folder.mail("example.org/bob");
    let lies = crlf(&[file.trace.as_bytes(), &file.content].concat());
    assert_eq!(stored, lies);
    assert!(stored.starts_with(b"Return-Path: <s@example.net>\r\n"));

    let packed = Database::with_table();
    let chain = "save: HeadersParser|Hasher|Header|Compressor|MySQL\n";
    let house = House::new(&format!(
        "{chain}{}",
        packed.section("delivery: inline, mail: true")
    ));
    delivers(
        &house,
        &["bob@example.org", "carol@example.org"],
        MAIL.as_bytes(),
    );
    assert_eq!(packed.sql("SELECT DISTINCT body FROM new_mail"), "gzip");
    for stream in packed.sql("SELECT HEX(mail) FROM new_mail").lines() {
        let mut message = String::new();
        let octets = unhex(stream);
        ZlibDecoder::new(&*octets)
            .read_to_string(&mut message)
            .expect("a zlib stream");
        assert!(
            message.ends_with(MAIL),
            "in every row the whole message: {message}"
        );
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |octets: &[u8]| {
        let text = std::str::from_utf8(octets).expect("digits");
        u8::from_str_radix(text, 16).expect("digits")
    };
    text.as_bytes().chunks(2).map(digit).collect()
}

/// The same message again is the same mail: it is delivered, and has one row.
/// Upstream: a statement that fails is tried three times and not stopped by success: up to three rows.
#[test]
fn a_message_that_comes_again_has_one_row() {
    let database = Database::with_table();
    let house = house(&database, INLINE);
    for _ in 0..3 {
        delivers(&house, &["bob@example.org"], MAIL.as_bytes());
    }
    delivers(&house, &["carol@example.org"], MAIL.as_bytes());
    assert_eq!((database.count(), house.folder.mail_count()), (2, 4));
}

/// Where the server does not see to it, we do.
#[test]
fn nor_without_a_unique_key() {
    let database = Database::with_table();
    database.sql("ALTER TABLE new_mail DROP KEY hash_once, ADD KEY hash (hash)");
    let house = house(&database, INLINE);
    for _ in 0..3 {
        delivers(
            &house,
            &["bob@example.org", "carol@example.org"],
            MAIL.as_bytes(),
        );
    }
    assert_eq!(database.count(), 2);
}

/// Nor where several, each of which has asked whether the row is there, write it in the same moment.
#[test]
fn nor_by_several_at_once_without_a_unique_key() {
    const SOURCES: usize = 4;
    const MESSAGES: usize = 100;
    let database = Database::with_table();
    database.sql("ALTER TABLE new_mail DROP KEY hash_once, ADD KEY hash (hash)");
    let sources: Vec<mysql::Database> = (0..SOURCES)
        .map(|_| mysql::Database::new(database.settings()))
        .collect();
    let barrier = Barrier::new(SOURCES);
    let written = at_once(SOURCES, |number| {
        let write = |message: usize| {
            let row = Row {
                key: format!("{message:064}"),
                received: 1_700_000_000,
                ..Row::default()
            };
            barrier.wait();
            sources[number].insert(vec![row]).map(|new| new.len())
        };
        // All of them, as the others wait for each.
        (0..MESSAGES).map(write).collect::<Vec<_>>()
    });
    let written = written.into_iter().flatten();
    let written: usize = written.map(|count| count.expect("it is written")).sum();
    assert_eq!((written, database.count()), (MESSAGES, MESSAGES));
}

#[test]
fn many_at_once_have_a_row_each() {
    let database = Database::with_table();
    let house = house(&database, "delivery: inline, connections: 2");
    let before = inserts(&database);
    at_once(20, |number| {
        let mut client = house.client();
        for message in 0..10 {
            let mail = format!("Subject: {number}/{message}\r\n\r\n.\r\n");
            let reply = send(&mut client, &["bob@example.org"], mail.as_bytes());
            assert!(reply.starts_with("250 "), "{reply}");
            // It was there before the reply.
            let found =
                format!("SELECT COUNT(*) FROM new_mail WHERE subject = '{number}/{message}'");
            if message == 9 {
                assert_eq!(database.sql(&found), "1");
            }
        }
    });
    assert_eq!(database.count(), 200);
    let statements = inserts(&database) - before;
    assert!(statements < 200, "{statements} statements for 200 messages");
}

/// INSERT statements of the server so far.
fn inserts(database: &Database) -> u64 {
    let said = database.sql("SHOW GLOBAL STATUS LIKE 'Com_insert'");
    let (_, count) = said.split_once('\t').expect("two columns");
    count.parse().expect("a number")
}

/// More rows than a statement takes: all, in one transaction.
#[test]
fn a_message_for_many() {
    let database = Database::with_table();
    let house = house(&database, INLINE);
    let recipients: Vec<String> = (0..150)
        .map(|number| format!("u{number}@example.org"))
        .collect();
    let to: Vec<&str> = recipients.iter().map(String::as_str).collect();
    delivers(&house, &to, MAIL.as_bytes());
    assert_eq!(database.count(), 150);
    database.sql(
        "DELETE FROM new_mail; ALTER TABLE new_mail ADD CONSTRAINT no CHECK (recipient <> 'u140@example.org')",
    );
    let reply = send(&mut house.client(), &to, b"Subject: more\r\n\r\n");
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(database.count(), 0, "none of it");
    assert_eq!(house.folder.mail_count(), 150, "nor a file");
}

/// What is wrong with one message is no matter of those in the same statement.
#[test]
fn a_row_that_is_refused_is_alone() {
    let database = Database::with_table();
    database.sql("ALTER TABLE new_mail ADD CONSTRAINT no CHECK (subject <> 'bad')");
    let house = house(&database, "delivery: inline, connections: 1");
    let replies = at_once(16, |number| {
        let subject = if number % 4 == 0 { "bad" } else { "good" };
        let mail = format!("Subject: {subject}\r\n\r\n{number}\r\n");
        let to = format!("u{number}@example.org");
        (subject, send(&mut house.client(), &[&to], mail.as_bytes()))
    });
    for (subject, reply) in replies {
        let expected = if subject == "bad" {
            "451 4.3.0 "
        } else {
            "250 "
        };
        assert!(reply.starts_with(expected), "{subject}: {reply}");
    }
    assert_eq!((database.count(), house.folder.mail_count()), (12, 12));
}

#[test]
fn columns_have_the_names_that_they_are_given() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE letters (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(5), `key` CHAR(64) UNIQUE, who TEXT)");
    let keys =
        "delivery: inline, table: letters, columns: {subject: title, hash: key, recipient: who}";
    let house = house(&database, keys);
    delivers(
        &house,
        &["bob@example.org"],
        b"Subject: a long title\r\n\r\n",
    );
    assert_eq!(
        database.sql("SELECT title, who FROM letters"),
        "a lon\tbob@example.org"
    );
}

/// Another configuration for a receiver at work: another database, and back.
#[test]
fn reloads() {
    let (one, other) = (Database::with_table(), Database::with_table());
    let mut house = house(&one, INLINE);
    for number in 0..4 {
        let database = if number % 2 == 0 { &one } else { &other };
        let yaml = format!("{CHAIN}{}", database.section(INLINE));
        house
            .reload(&yaml)
            .unwrap_or_else(|error| panic!("{error}"));
        let mail = format!("Subject: {number}\r\n\r\n");
        delivers(&house, &["bob@example.org"], mail.as_bytes());
    }
    assert_eq!((one.count(), other.count()), (2, 2));
    let wrong = house.reload(&format!("{CHAIN}mysql: {{password_file: /nonexistent}}"));
    let error = wrong.expect_err("it cannot be read");
    assert!(
        error.contains("mysql.password_file: /nonexistent: "),
        "{error}"
    );
    delivers(&house, &["bob@example.org"], b"Subject: last\r\n\r\n");
    assert_eq!(other.count(), 3, "the one from before goes on");
}
