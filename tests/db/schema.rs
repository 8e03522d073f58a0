//! `maiasaura schema mysql`, and what `check` says.

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

/// What `check` says of MySQL.
fn said(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.iter().map(String::as_str);
    lines
        .filter(|line| line.contains("MySQL") || line.contains("recipients.users"))
        .collect()
}

#[test]
fn the_table_is_made_and_found_to_be_in_order() {
    let database = Server::shared().database();
    let printed = program(&database, "table: letters", &["schema", "mysql"]);
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    assert_eq!(printed.stdout[0], "CREATE TABLE `letters` (");
    assert_eq!(database.sql("SHOW TABLES"), "", "nothing was done");
    let ended = program(&database, "table: letters", &["schema", "mysql", "--apply"]);
    assert_eq!(ended.stdout, printed.stdout);
    assert_eq!(
        (ended.code, database.sql("SHOW TABLES").as_str()),
        (Some(0), "letters")
    );
    let again = program(&database, "table: letters", &["schema", "mysql", "--apply"]);
    assert_eq!(again.stdout, ["-- The table is as it should be."]);
    let check = program(&database, "table: letters", &["check"]);
    assert_eq!(check.code, Some(0), "{check:#?}");
    let said = said(&check);
    assert!(said[0].contains("save: HeadersParser"), "{said:?}");
    assert!(said[1].starts_with("ok    MySQL 1"), "{said:?}");
    assert_eq!(said[2..], ["ok    MySQL table letters"]);
}

/// go-guerrilla's table gets what it lacks, and keeps what it has.
#[test]
fn an_older_table_is_brought_up_to_date() {
    let database = Server::shared().database();
    database.sql(TABLE);
    database.sql(
        "INSERT INTO new_mail VALUES (7, NOW(), 'f', 't', 'gr\u{fc}n', 'redis', '', '', 0, 'abc', '', 'r', 0, '192.0.2.1', 0, '', NULL)",
    );
    let check = program(&database, "mail: true", &["check"]);
    let warnings: Vec<String> = said(&check)
        .iter()
        .filter(|line| line.starts_with("warn"))
        .map(ToString::to_string)
        .collect();
    for (warning, words) in warnings.iter().zip([
        "no columns return_path, is_tls, message_id, reply_to, sender",
        "no unique key",
        "subject is in utf8mb3",
        "column mail is left empty",
    ]) {
        assert!(warning.contains(words), "{warnings:#?}");
    }
    assert_eq!((check.code, warnings.len()), (Some(0), 4), "{check:#?}");
    let ended = program(&database, "", &["schema", "mysql", "--apply"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(
        database.sql("SELECT subject, hash, ip_addr, sender FROM new_mail"),
        "gr\u{fc}n\tabc\t192.0.2.1"
    );
    let check = program(&database, "", &["check"]);
    assert_eq!(said(&check).last(), Some(&"ok    MySQL table new_mail"));
    assert!(
        !said(&check).iter().any(|line| line.starts_with("warn")),
        "{check:#?}"
    );
}

/// Two rows with one hash are left alone, and the reason is told.
#[test]
fn a_key_that_cannot_be_added() {
    let database = Server::shared().database();
    database.sql(TABLE);
    let row = "(NOW(), '', '', '', '', '', '', 0, 'abc', '', '', 0, '', '')";
    database.sql(&format!(
        "INSERT INTO new_mail (date, `from`, `to`, subject, body, charset, mail, spam_score, hash, content_type, \
         recipient, has_attach, ip_addr, attach_info) VALUES {row}, {row}"
    ));
    let ended = program(&database, "", &["schema", "mysql", "--apply"]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(
        ended.complaint().contains("some rows have the same hash"),
        "{ended:#?}"
    );
    let columns = database.sql("SELECT COUNT(sender) FROM new_mail");
    assert_eq!(columns, "2", "all else was done");
}

#[test]
fn check_tells_what_is_wrong() {
    let database = Server::shared().database();
    for (keys, words) in [
        ("", "FAULT MySQL: there is no table `new_mail`"),
        ("password: no, database: none", "FAULT MySQL: "),
    ] {
        let folder = Folder::new();
        let section = if keys.is_empty() {
            database.section("")
        } else {
            let socket = database.server.socket();
            format!(
                "mysql: {{\"address\": \"{}\", user: nobody, {keys}}}\n",
                socket.display()
            )
        };
        configure(&folder, &format!("{CHAIN}{section}"));
        let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        assert!(
            said(&ended).iter().any(|line| line.starts_with(words)),
            "{words}: {ended:#?}"
        );
    }
    let folder = Folder::new();
    let users = "recipients: {hosts: [example.org], users: {mysql: 'SELECT 1 FROM none_such WHERE a = ?'}}\n";
    configure(&folder, &format!("{users}{}", database.section("")));
    let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
    assert!(
        said(&ended)
            .iter()
            .any(|line| line.contains("FAULT MySQL: recipients.users.mysql: Table ")),
        "{ended:#?}"
    );
}

/// What keeps mail from being kept, or from being written at all.
#[test]
fn check_tells_what_would_lose_mail() {
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=2"]);
    let database = server.database();
    database.make_table();
    let sole = "save: HeadersParser|Hasher|Header|MySQL\n";
    let faults = |chain: &str| {
        let folder = Folder::new();
        configure(
            &folder,
            &format!("{chain}{}", database.section("mail: true")),
        );
        let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
        let faults = said(&ended)
            .into_iter()
            .filter(|line| line.starts_with("FAULT"));
        let faults: Vec<String> = faults.map(str::to_owned).collect();
        assert_eq!(ended.code, Some(if faults.is_empty() { 0 } else { 78 }));
        faults
    };
    let has = |faults: &[String], words: &[&str]| {
        assert_eq!(faults.len(), words.len(), "{faults:#?}");
        for (fault, words) in faults.iter().zip(words) {
            assert!(fault.contains(words), "{faults:#?}");
        }
    };
    let flush = "innodb_flush_log_at_trx_commit is 2: what was promised is lost";
    has(&faults(sole), &[flush]);
    has(&faults(CHAIN), &[]);
    database.sql("ALTER TABLE new_mail ENGINE=MyISAM, MODIFY mail LONGTEXT NOT NULL");
    has(
        &faults(sole),
        &["no column of octets", "the table is MyISAM", flush],
    );
    has(&faults(CHAIN), &[]);
    let ended = program(&database, "", &["schema", "mysql", "--apply"]);
    assert_eq!(
        ended.stdout,
        ["ALTER TABLE `new_mail` MODIFY COLUMN `mail` LONGBLOB NOT NULL;"]
    );
    has(&faults(sole), &["the table is MyISAM", flush]);
    database.sql(
        "ALTER TABLE new_mail ENGINE=InnoDB, ADD UNIQUE KEY once (message_id), ADD UNIQUE KEY short (hash(8)), \
         ADD UNIQUE KEY fine (mail_id, date), ADD UNIQUE KEY sound (hash, recipient)",
    );
    has(
        &faults(CHAIN),
        &["the unique keys `once`, `short` refuse mail"],
    );
    database
        .sql("ALTER TABLE new_mail DROP KEY once, DROP KEY short, MODIFY hash CHAR(31) NOT NULL");
    has(&faults(CHAIN), &["the column hash has no room for a hash"]);
    let ended = program(&database, "", &["schema", "mysql", "--apply"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    has(&faults(CHAIN), &[]);
}

#[test]
fn check_warns_of_the_way_there() {
    for (address, tls, warning) in [
        ("mysql.invalid:3306", "", Some("mysql.tls is preferred: ")),
        (
            "mysql.invalid:3306",
            "tls: off, ",
            Some("mysql.tls is off: "),
        ),
        (
            "mysql.invalid:3306",
            "tls: required, ",
            Some("mysql.tls is required: "),
        ),
        ("mysql.invalid:3306", "tls: verified, ", None),
        ("127.0.0.1:1", "", None),
        ("localhost:1", "tls: off, ", None),
        ("[::1]:1", "", None),
        ("/nonexistent/sock", "", None),
    ] {
        let folder = Folder::new();
        let keys = format!("\"address\": \"{address}\", {tls}connect_timeout: 1s");
        configure(&folder, &format!("{CHAIN}mysql: {{{keys}}}\n"));
        let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
        let said = said(&ended);
        let warned = said.iter().find(|line| line.starts_with("warn  MySQL at "));
        match (warned, warning) {
            (None, None) => {}
            (Some(line), Some(words)) => assert!(line.contains(words), "{line}"),
            other => panic!("{address}, {tls}: {other:?}"),
        }
    }
}

/// Without a server the table is printed all the same, and applying it says why not.
#[test]
fn without_a_server() {
    let folder = Folder::new();
    configure(&folder, "mysql: {\"address\": /nonexistent/sock}\n");
    let ended = run(&folder, &["-c", "config.yaml", "schema", "mysql"], b"");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout[0]
            .starts_with("-- Whether the table is there cannot be seen: unix:/nonexistent/sock: ")
    );
    assert_eq!(ended.stdout[1], "CREATE TABLE `new_mail` (");
    let ended = run(
        &folder,
        &["-c", "config.yaml", "schema", "mysql", "--apply"],
        b"",
    );
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    configure(&folder, "");
    let ended = run(&folder, &["-c", "config.yaml", "schema", "mysql"], b"");
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    assert_eq!(
        ended.complaint(),
        "maiasaura: the section mysql is missing: where the database is"
    );
}
