//! What a 250 promises is there, however the server and the table are set up; where it could not be, there
//! is no 250.

use std::panic::{AssertUnwindSafe, catch_unwind};

use maiasaura::mysql::{self, Form, Message, Row};

use crate::house::{House, eventually};
use crate::mariadb::{Database, Server, at_once};
use crate::queued::{letters, retry_now};
use crate::rows::{INLINE, delivers, house, send};

/// A chain that keeps mail nowhere but in its rows.
const SOLE: &str = "save: HeadersParser|Hasher|Header|MySQL\n";
const TEXT: &str = "ALTER TABLE new_mail MODIFY mail LONGTEXT CHARACTER SET latin1 NOT NULL";
const OCTETS: &str = "ALTER TABLE new_mail MODIFY mail LONGBLOB NOT NULL";
const MAIL: &[u8] = b"Subject: s\r\nMessage-ID: <1@example.net>\r\n\r\n\xe2\x82\xac \xff\r\n";

#[track_caller]
fn is_deferred(house: &House, to: &[&str]) {
    let reply = send(&mut house.client(), to, MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}

#[test]
fn rows_are_committed_where_nothing_is_unless_one_says_so() {
    let server = Server::start(&["--autocommit=0"]);
    let database = server.database();
    database.make_table();
    let house = house(&database, INLINE);
    delivers(&house, &["bob@example.org"], MAIL);
    assert_eq!(database.count(), 1);
}

/// A column of text cannot have every message.
#[test]
fn a_row_alone_is_no_place_for_octets_that_are_no_text() {
    let database = Database::with_table();
    database.sql(TEXT);
    let sole = House::new(&format!(
        "{SOLE}{}",
        database.section("delivery: inline, mail: true")
    ));
    is_deferred(&sole, &["bob@example.org"]);
    assert_eq!(database.count(), 0);
    // Mended while we run.
    database.sql(OCTETS);
    eventually("mail is taken", || {
        send(&mut sole.client(), &["bob@example.org"], MAIL).starts_with("250 ")
    });
    let whole = database.sql("SELECT HEX(mail) LIKE '%E282AC20FF0D0A' FROM new_mail");
    assert_eq!(whole, "1");
}

/// The table may change after a message was promised a place: it is refused then, and not left out.
#[test]
fn a_row_without_its_message_is_not_written() {
    let database = Database::with_table();
    let client = mysql::Database::new(database.settings());
    assert_eq!(client.ready().err(), None);
    // The shorter subject has the table looked at again.
    database.sql(&format!("{TEXT}, MODIFY subject VARCHAR(2) NOT NULL"));
    let row = |is_sole: bool| {
        let message = Message::of(Form::Plain, vec![0xff]);
        Row {
            key: u8::from(is_sole).to_string().repeat(64),
            subject: "long".into(),
            message: Some(if is_sole { message.sole() } else { message }),
            received: 1_700_000_000,
            ..Row::default()
        }
    };
    let fault = client.insert(vec![row(true)]).expect_err("no place");
    assert!(fault.message.contains("its column holds text"), "{fault}");
    assert_eq!(client.insert(vec![row(false)]).map(|it| it.len()), Ok(1));
    assert_eq!(database.count(), 1);
}

#[test]
fn what_is_no_text_waits_in_the_queue_for_a_column_of_octets() {
    let database = Database::with_table();
    database.sql(TEXT);
    let chain = "save: HeadersParser|Hasher|Header|Compressor|MySQL\n";
    let house = House::new(&format!("{chain}{}", database.section("mail: true")));
    delivers(&house, &["bob@example.org"], MAIL);
    assert_eq!(letters(&house), 1);
    database.sql(OCTETS);
    eventually("the row is there", || {
        retry_now(&house);
        database.count() == 1
    });
    let row = database.sql("SELECT body, HEX(mail) LIKE '78%' FROM new_mail");
    assert_eq!(row, "gzip\t1");
}

/// Beside a Maildir such a row may be without its message; it does not say then that it has one.
#[test]
fn a_copy_that_is_no_text_is_left_out() {
    let database = Database::with_table();
    database.sql(TEXT);
    let chain = "save: HeadersParser|Hasher|Header|Compressor|MailDir|MySQL\n";
    let house = House::new(&format!(
        "{chain}{}",
        database.section("delivery: inline, mail: true")
    ));
    delivers(&house, &["bob@example.org"], MAIL);
    assert_eq!(database.sql("SELECT body, mail FROM new_mail"), "");
    assert_eq!(house.folder.mail_count(), 1);
}

/// Rows that clash with others, but not by their hash, are not passed over.
#[test]
fn a_row_that_clashes_is_no_250() {
    for change in [
        "ADD UNIQUE KEY once (message_id)",
        "ADD UNIQUE KEY once (message_id), DROP KEY hash_once",
    ] {
        let database = Database::with_table();
        database.sql(&format!("ALTER TABLE new_mail {change}"));
        let house = house(&database, INLINE);
        is_deferred(&house, &["bob@example.org", "carol@example.org"]);
        assert_eq!((database.count(), house.folder.mail_count()), (0, 0));
        delivers(&house, &["bob@example.org"], MAIL);
        delivers(&house, &["bob@example.org"], MAIL);
        assert_eq!(database.count(), 1, "the same row is no clash");
    }
}

/// Rows whose hash is cut would be taken for one another.
#[test]
fn a_hash_that_does_not_fit_is_no_hash() {
    let database = Database::with_table();
    for kind in ["CHAR(16)", "BIGINT", "VARBINARY(31)"] {
        database.sql(&format!("ALTER TABLE new_mail MODIFY hash {kind} NOT NULL"));
        is_deferred(&house(&database, INLINE), &["bob@example.org"]);
        assert_eq!(database.count(), 0, "{kind}");
    }
    database.sql("ALTER TABLE new_mail MODIFY hash VARBINARY(32) NOT NULL");
    delivers(&house(&database, INLINE), &["bob@example.org"], MAIL);
    assert_eq!(database.count(), 1);
}

/// Whoever panics gives its connection back.
#[test]
fn a_panic_takes_no_connection_away() {
    let database = Database::with_table();
    let mut settings = database.settings();
    settings.connections = 2;
    let client = mysql::Database::new(settings);
    let row = |key: &str| Row {
        key: key.repeat(64),
        received: 1_700_000_000,
        ..Row::default()
    };
    for _ in 0..4 {
        let mut message = Message::of(Form::Plain, vec![b'x']);
        message.read = Box::new(|| panic!("as it was told"));
        let rows = vec![Row {
            message: Some(message),
            ..row("a")
        }];
        assert!(catch_unwind(AssertUnwindSafe(|| client.insert(rows))).is_err());
    }
    assert_eq!(client.insert(vec![row("b")]).err(), None);
    assert_eq!(database.count(), 1);
}

/// A statement has no more than some messages, however much the server would take.
#[test]
fn large_messages_have_statements_of_their_own() {
    let server = Server::start(&["--max-allowed-packet=64M"]);
    let database = server.database();
    database.make_table();
    let house = house(&database, "delivery: inline, mail: true");
    let body = "line of text\r\n".repeat(200_000);
    let mail = format!("Subject: s\r\n\r\n{body}");
    let inserts = || database.sql("SHOW GLOBAL STATUS LIKE 'Com_insert'");
    assert_eq!(inserts(), "Com_insert\t0");
    let to = ["bob@example.org", "carol@example.org", "dave@example.org"];
    delivers(&house, &to, mail.as_bytes());
    assert_eq!(inserts(), "Com_insert\t3");
    assert_eq!(database.count(), 3);
}

/// The same message many times at once is one row, and everybody hears 250.
#[test]
fn the_same_message_at_once() {
    let database = Database::with_table();
    let house = house(&database, INLINE);
    let replies = at_once(12, |_| {
        send(
            &mut house.client(),
            &["bob@example.org", "carol@example.org"],
            MAIL,
        )
    });
    for reply in replies {
        assert!(reply.starts_with("250 "), "{reply}");
    }
    assert_eq!(database.count(), 2);
}
