//! What `check` finds before mail does: rights that are missing, columns that cannot have what is written.

use std::time::SystemTime;

use maiasaura::mysql::{self, Fault, Form, Message, Row};

use crate::guerrilla::TABLE;
use crate::house::Folder;
use crate::mariadb::{Database, Server};
use crate::process::{Ended, configure, run};
use crate::rows::CHAIN;

fn program(database: &Database, keys: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    configure(&folder, &format!("{CHAIN}{}", database.section(keys)));
    let all = [&["-c", "config.yaml"], arguments].concat();
    run(&folder, &all, b"")
}

/// The lines of `check` that are not as they should be.
fn complaints(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.iter().map(String::as_str);
    lines
        .filter(|line| line.contains("MySQL") && !line.starts_with("ok    "))
        .collect()
}

/// The only rights that the user has.
fn allow(database: &Database, rights: &str) {
    let name = &database.name;
    database.server.sql(
        "mysql",
        &format!(
            "REVOKE ALL, GRANT OPTION FROM {name}@localhost; GRANT {rights} ON {name}.new_mail TO {name}@localhost"
        ),
    );
}

const GRANT: &str = "GRANT this user SELECT, INSERT and DELETE on the table";

#[test]
fn check_tells_what_the_user_may_not() {
    let database = Database::with_table();
    for (rights, keys, code, words) in [
        ("SELECT", "", 78, Some("FAULT MySQL: INSERT ")),
        (
            "SELECT, DELETE, UPDATE",
            "",
            78,
            Some("FAULT MySQL: INSERT "),
        ),
        (
            "SELECT, INSERT (hash)",
            "",
            78,
            Some("FAULT MySQL: INSERT "),
        ),
        ("INSERT, DELETE", "", 78, Some("FAULT MySQL: SELECT ")),
        ("SELECT, INSERT", "", 0, None),
        (
            "SELECT, INSERT",
            "delivery: inline",
            0,
            Some(
                "warn  MySQL table new_mail: rows of mail that is refused in the end stay there: DELETE ",
            ),
        ),
        ("SELECT, INSERT, DELETE", "delivery: inline", 0, None),
    ] {
        allow(&database, rights);
        let ended = program(&database, keys, &["check"]);
        let complaints = complaints(&ended);
        assert_eq!(
            (ended.code, complaints.len()),
            (Some(code), usize::from(words.is_some())),
            "{rights}: {ended:#?}"
        );
        for (line, words) in complaints.iter().zip(words) {
            assert!(
                line.starts_with(words) && line.ends_with(GRANT),
                "{rights}: {line}"
            );
        }
    }
    assert_eq!(database.count(), 0, "nothing was written");
    let next = database.sql(
        "SELECT COALESCE(auto_increment, 1) FROM information_schema.tables WHERE table_name = 'new_mail' \
         AND table_schema = DATABASE()",
    );
    assert_eq!(next, "1", "nor tried");
}

/// A delivery that could not be committed does not begin.
#[test]
fn who_may_not_write_is_told_before_anything_is_written() {
    let database = Database::with_table();
    allow(&database, "SELECT");
    let fault = mysql::Database::new(database.settings())
        .ready()
        .expect_err("INSERT is not allowed");
    assert!(
        fault.message.starts_with("INSERT command denied") && fault.message.ends_with(GRANT),
        "{fault}"
    );
}

#[test]
fn schema_says_which_rights_it_needs() {
    let database = Server::shared().database();
    database.sql(TABLE);
    allow(&database, "SELECT, INSERT, DELETE");
    let fails = |table: &str| {
        let ended = program(&database, table, &["schema", "mysql", "--apply"]);
        assert_eq!(ended.code, Some(69), "{ended:#?}");
        let complaint = ended.complaint().to_owned();
        assert!(
            complaint.contains(
                "GRANT this user CREATE and ALTER on mysql.database, or have another one run what \
                 `maiasaura schema mysql` prints"
            ) && !complaint.contains("DELETE on"),
            "{complaint}"
        );
    };
    fails("");
    fails("table: letters");
    let name = &database.name;
    let grant = format!("GRANT SELECT, CREATE, ALTER ON {name}.* TO {name}@localhost");
    database.server.sql("mysql", &grant);
    for table in ["", "table: letters"] {
        let ended = program(&database, table, &["schema", "mysql", "--apply"]);
        assert_eq!(ended.code, Some(0), "these are enough: {ended:#?}");
    }
}

/// Rows as different as mail makes them.
fn rows() -> Vec<Row> {
    let clients = ["203.0.113.7", "2001:db8::7", ""];
    let rows = clients.iter().enumerate().map(|(number, client)| Row {
        key: format!("{number}").repeat(64),
        received: SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("it is later")
            .as_secs(),
        to: "bob@example.org".into(),
        subject: "lunch".into(),
        content_type: "text/plain".into(),
        recipient: "bob@example.org".into(),
        message_id: "7@example.net".into(),
        client: client.parse().ok(),
        is_tls: number == 1,
        message: Some(Message::of(Form::Plain, b"Subject: lunch\r\n".to_vec())),
        ..Row::default()
    });
    rows.collect()
}

/// What `check` faults of a table, and what becomes of mail there.
fn tried(database: &Database) -> (Vec<String>, Result<Vec<String>, Fault>) {
    let connected = mysql::Database::new(database.settings());
    let survey = connected.survey().expect("it can be looked at");
    (survey.faults(), connected.insert(rows()))
}

#[test]
fn a_column_that_takes_no_mail_is_found_and_no_other() {
    let database = Server::shared().database();
    let mut wrong = Vec::new();
    for (types, is_refused) in [(&REFUSED[..], true), (&TAKEN[..], false)] {
        for (column, kinds) in types {
            for kind in kinds.split("; ") {
                database.sql(&format!(
                    "DROP TABLE IF EXISTS new_mail; {}; ALTER TABLE new_mail DROP COLUMN `{column}`; \
                     ALTER TABLE new_mail ADD COLUMN `{column}` {kind}",
                    mysql::create(&database.settings())
                ));
                let (faults, inserted) = tried(&database);
                let named = format!("the column {column} ");
                let is_told = match &faults[..] {
                    [] => !is_refused,
                    [fault] => is_refused && fault.starts_with(&named),
                    _ => false,
                };
                if !is_told || inserted.is_err() != is_refused {
                    wrong.push((column, kind, faults, inserted));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const REFUSED: [(&str, &str); 13] = [
    ("hash", "INT; DATE; CHAR(31)"),
    (
        "date",
        "INT; MEDIUMINT; VARCHAR(10); BINARY(18); ENUM('a'); INET6",
    ),
    ("has_attach", "ENUM('no','yes'); INET6; UUID"),
    ("spam_score", "ENUM('0')"),
    ("is_tls", "ENUM('0','1'); DATETIME; DATE"),
    ("body", "INT; ENUM('plain','packed'); DATE; INET6"),
    ("charset", "INT; ENUM('latin1'); DATETIME"),
    (
        "subject",
        "INT; FLOAT; ENUM('','s'); SET('s'); YEAR; DATETIME",
    ),
    (
        "ip_addr",
        "INET6; INET4; INT; SMALLINT; MEDIUMINT UNSIGNED; DATE; ENUM('a')",
    ),
    ("mail", "INT; DOUBLE; ENUM('a'); DATETIME"),
    ("attach_info", "INT; ENUM('a'); UUID; DATE"),
    ("message_id", "BIGINT; UUID; BIT(8)"),
    ("content_type", "SET('text/html')"),
];

const TAKEN: [(&str, &str); 9] = [
    (
        "date",
        "DATETIME(6); TIMESTAMP; DATE; BIGINT; DOUBLE; VARCHAR(19); BINARY(19)",
    ),
    (
        "has_attach",
        "TINYINT(1); CHAR(1); BIT(1); DECIMAL(3,1); SET('a'); BLOB",
    ),
    ("is_tls", "TINYINT; CHAR(1); SET('yes'); YEAR"),
    (
        "body",
        "CHAR(8); TINYTEXT; ENUM('','gzip','redis'); SET('plain'); VARBINARY(8)",
    ),
    ("charset", "ENUM('utf-8','latin1'); BINARY(5); CHAR(1)"),
    ("subject", "TINYTEXT; BLOB; CHAR(1)"),
    (
        "ip_addr",
        "INT UNSIGNED; BIGINT; DOUBLE; CHAR(15); BINARY(16); BLOB",
    ),
    ("mail", "TEXT; MEDIUMBLOB; SET('a'); ENUM('','a')"),
    (
        "attach_info",
        "TINYTEXT; SET('a'); ENUM('','a'); VARCHAR(1)",
    ),
];

/// It does not change what holds something else, and does not call it good.
#[test]
fn schema_names_columns_that_take_no_mail() {
    let database = Database::with_table();
    database.sql(
        "ALTER TABLE new_mail MODIFY has_attach ENUM('no','yes') NOT NULL, DROP COLUMN sender",
    );
    for (arguments, code) in [
        (&["schema", "mysql"][..], 0),
        (&["schema", "mysql", "--apply"], 69),
    ] {
        let ended = program(&database, "", arguments);
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert_eq!(
            ended.stdout,
            [
                "-- the column has_attach is enum('no','yes'), which cannot have a number; look at what is in it, then:",
                "-- ALTER TABLE `new_mail` MODIFY COLUMN `has_attach` INT NOT NULL DEFAULT 0;",
                "ALTER TABLE `new_mail` ADD COLUMN `sender` VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL DEFAULT '';",
            ]
        );
    }
    let check = program(&database, "", &["check"]);
    assert_eq!(check.code, Some(78), "{check:#?}");
    assert_eq!(
        complaints(&check),
        [
            "FAULT MySQL: the column has_attach is enum('no','yes'), which cannot have a number, so rows are refused; \
             maiasaura schema mysql prints what mends it"
        ]
    );
}

/// A server that refuses no value writes another one.
#[test]
fn where_nothing_is_refused_it_is_a_warning() {
    let server = Server::start(&["--sql-mode="]);
    let database = server.database();
    database.make_table();
    database.sql("ALTER TABLE new_mail MODIFY date INT NOT NULL");
    let (faults, inserted) = tried(&database);
    assert_eq!((faults, inserted.map(|keys| keys.len())), (vec![], Ok(3)));
    let check = program(&database, "", &["check"]);
    assert_eq!(check.code, Some(0), "{check:#?}");
    assert!(
        complaints(&check)[0].contains(
            "the column date is int(11), which cannot have a time, so another value is there"
        ),
        "{check:#?}"
    );
}
