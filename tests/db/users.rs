//! `recipients.users: {mysql: ...}`.

use crate::house::{House, eventually};
use crate::mariadb::{Database, Server};
use crate::rows::send;

const TABLE: &str = "CREATE TABLE mailboxes (name VARCHAR(64), domain VARCHAR(64)) CHARACTER SET utf8mb4; \
                     INSERT INTO mailboxes VALUES ('alice', 'example.org'), ('gr\u{e5}', 'example.org'), ('o''hara', 'example.org')";

fn house(database: &Database, users: &str, more: &str) -> House {
    House::new(&format!(
        "recipients:\n  hosts: [example.org]\n  users: {{mysql: \"{users}\"}}\n{more}\n{}",
        database.section("timeout: 2s, connect_timeout: 2s")
    ))
}

fn rcpt(house: &House, address: &str) -> String {
    let mut client = house.client();
    client.wants("MAIL FROM:<s@example.net> SMTPUTF8", "250 ");
    client.say(&format!("RCPT TO:<{address}>"))
}

#[track_caller]
fn answers(house: &House, expected: &[(&str, &str)]) {
    for (address, expected) in expected {
        let reply = rcpt(house, address);
        assert!(reply.starts_with(expected), "{address}: {reply}");
    }
}

const KNOWN: [(&str, &str); 8] = [
    ("alice@example.org", "250 2.1.5 "),
    ("Alice+lists@EXAMPLE.org", "250 2.1.5 "),
    ("gr\u{e5}@example.org", "250 2.1.5 "),
    ("o'hara@example.org", "250 2.1.5 "),
    ("bob@example.org", "550 5.1.1 "),
    ("\"' OR '1'='1\"@example.org", "550 5.1.1 "),
    ("postmaster@example.org", "250 2.1.5 "),
    ("alice@example.net", "550 5.7.1 "),
];

#[test]
fn a_statement_says_who_has_a_mailbox() {
    let database = Server::shared().database();
    database.sql(TABLE);
    for statement in [
        "SELECT 1 FROM mailboxes WHERE name = :local AND domain = :domain",
        "SELECT name FROM mailboxes WHERE CONCAT(name, '@', domain) = ?",
    ] {
        let house = house(&database, statement, "");
        answers(&house, &KNOWN);
        let reply = send(
            &mut house.client(),
            &["alice@example.org"],
            b"Subject: s\r\n\r\n",
        );
        assert!(reply.starts_with("250 "), "{reply}");
        assert_eq!(house.folder.mails("example.org/alice").len(), 1);
    }
}

#[test]
fn answers_outlive_an_outage() {
    let server = Server::start(&[]);
    let database = server.database();
    database.sql(TABLE);
    let statement = "SELECT 1 FROM mailboxes WHERE name = :local";
    let house = house(
        &database,
        statement,
        "  answers: {positive: 0s, negative: 0s}",
    );
    let nobody = ("carol@example.org", "550 5.1.1 ");
    answers(&house, &[KNOWN[0], KNOWN[4], nobody]);
    database.sql("INSERT INTO mailboxes VALUES ('bob', 'example.org')");
    answers(&house, &[("bob@example.org", "250 ")]);
    server.kill();
    // Who is known stays so; of the others nobody can say anything, as they may be there by now.
    let down = [
        KNOWN[0],
        ("bob@example.org", "250 "),
        ("carol@example.org", "451 4.3.0 "),
    ];
    answers(&house, &down);
    server.run();
    eventually("the database is asked again", || {
        rcpt(&house, "carol@example.org").starts_with("550 5.1.1 ")
    });
}

/// Upstream: an outage is 550, as if nobody knew the user.
#[test]
fn a_statement_that_fails_is_a_451() {
    let database = Server::shared().database();
    let house = house(&database, "SELECT 1 FROM none_such WHERE a = ?", "");
    answers(
        &house,
        &[
            ("alice@example.org", "451 4.3.0 "),
            ("postmaster@mx.example.org", "250 "),
        ],
    );
    database.sql("CREATE TABLE none_such (a VARCHAR(64)); INSERT INTO none_such VALUES ('alice@example.org')");
    answers(&house, &[("alice@example.org", "250 ")]);
}

/// Users of the database, rows, and both at once.
#[test]
fn with_rows_as_well() {
    let database = Database::with_table();
    database.sql(TABLE);
    let yaml = format!(
        "recipients: {{hosts: [example.org], users: {{mysql: \"SELECT 1 FROM mailboxes WHERE name = :local\"}}, catch_all: alice@example.org}}\n\
         save: Header|MailDir|MySQL\n{}",
        database.section("delivery: inline")
    );
    let house = House::new(&yaml);
    let reply = send(
        &mut house.client(),
        &["alice@example.org", "nobody@example.org"],
        b"Subject: s\r\n\r\n",
    );
    assert!(reply.starts_with("250 "), "{reply}");
    let rows = database.sql("SELECT recipient FROM new_mail ORDER BY mail_id");
    assert_eq!(rows, "alice@example.org\nnobody@example.org");
    assert_eq!(
        house.folder.mails("example.org/alice").len(),
        1,
        "they are one mailbox"
    );
}

#[test]
fn explain_asks_too() {
    let database = Server::shared().database();
    database.sql(TABLE);
    let folder = crate::house::Folder::new();
    let users = "recipients: {hosts: [example.org], users: {mysql: 'SELECT 1 FROM mailboxes WHERE name = :local'}}\n";
    crate::process::configure(&folder, &format!("{users}{}", database.section("")));
    for (address, code, words) in [
        ("alice@example.org", 0, "reply    250 2.1.5"),
        ("bob@example.org", 67, "reply    550 5.1.1"),
    ] {
        let ended = crate::process::run(&folder, &["-c", "config.yaml", "explain", address], b"");
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(
            ended.stdout.iter().any(|line| line.contains(words)),
            "{ended:#?}"
        );
    }
}
