//! The table of go-guerrilla, as its README has it, and values that do not fit into it.

use crate::client::{Client, mail_data};
use crate::house::House;
use crate::mariadb::Server;
use crate::rows::{INLINE, delivers, house, send};

/// As it is made by people who follow that README; with the columns that the program wants later.
pub const TABLE: &str = "CREATE TABLE `new_mail` (
  `mail_id` int(11) NOT NULL AUTO_INCREMENT,
  `date` datetime NOT NULL,
  `from` varchar(128) CHARACTER SET latin1 NOT NULL,
  `to` varchar(128) CHARACTER SET latin1 NOT NULL,
  `subject` varchar(255) NOT NULL,
  `body` text NOT NULL,
  `charset` varchar(32) CHARACTER SET latin1 NOT NULL,
  `mail` longblob NOT NULL,
  `spam_score` float NOT NULL,
  `hash` char(32) CHARACTER SET latin1 NOT NULL,
  `content_type` varchar(64) CHARACTER SET latin1 NOT NULL,
  `recipient` varchar(128) CHARACTER SET latin1 NOT NULL,
  `has_attach` int(11) NOT NULL,
  `ip_addr` varchar(15) NOT NULL,
  `delivered` bit(1) NOT NULL DEFAULT b'0',
  `attach_info` text NOT NULL,
  `dkim_valid` tinyint(4) DEFAULT NULL,
  PRIMARY KEY (`mail_id`),
  KEY `to` (`to`),
  KEY `hash` (`hash`),
  KEY `date` (`date`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8";

const LATER: &str = "ALTER TABLE new_mail ADD COLUMN return_path VARCHAR(255) NOT NULL, \
                     ADD COLUMN is_tls BIT(1) DEFAULT b'0' NOT NULL, ADD COLUMN message_id VARCHAR(256) NOT NULL, \
                     ADD COLUMN reply_to VARCHAR(256) NOT NULL, ADD COLUMN sender VARCHAR(256) NOT NULL, \
                     MODIFY ip_addr VARBINARY(16) NOT NULL";

const MODES: [&str; 2] = ["STRICT_TRANS_TABLES,NO_ZERO_DATE", ""];

/// A server whose sessions are strict, or not.
fn server(mode: &str) -> std::sync::Arc<Server> {
    Server::start(&[&format!("--sql-mode={mode}")])
}

/// Upstream: only some columns are cut; what does not fit into another is 554 for the whole message.
#[test]
fn values_that_do_not_fit_are_cut() {
    for mode in MODES {
        let database = server(mode).database();
        database.sql(TABLE);
        let house = house(&database, INLINE);
        let long = format!("{}@example.org", "l".repeat(64));
        let subject = "\u{1f95a}\u{fc}".repeat(300);
        let mail = format!(
            "To: {}@{}.example.org\r\nSubject: {subject}\r\n\r\nbody\r\n",
            "t".repeat(64),
            "d".repeat(60)
        );
        delivers(
            &house,
            &[&long, "gr\u{e5}@example.org", "\u{4e2d}@example.org"],
            mail.as_bytes(),
        );
        let rows = database.sql("SELECT recipient, LENGTH(hash), `to` LIKE 'ttt%', ip_addr FROM new_mail ORDER BY mail_id");
        let rows: Vec<&str> = rows.lines().collect();
        let expected = [
            format!("{long}\t32\t1\t127.0.0.1"),
            "gr\u{e5}@example.org\t32\t1\t127.0.0.1".to_owned(),
            "?@example.org\t32\t1\t127.0.0.1".to_owned(),
        ];
        assert_eq!(rows, expected, "{mode}");
        let subject = database.sql("SELECT DISTINCT subject FROM new_mail");
        assert_eq!(
            subject,
            format!("{}?", "?\u{fc}".repeat(127)),
            "{mode}: no emoji in utf8"
        );
        database.server.kill();
    }
}

/// Octets that are no UTF-8, control characters, a NUL: no error, whatever the column.
#[test]
fn odd_octets_are_no_error() {
    for mode in MODES {
        let database = server(mode).database();
        database.sql(&format!("{TABLE}; {LATER}"));
        let house = house(&database, "delivery: inline, mail: true");
        let mut client = house.client();
        let odd: [&[u8]; 5] = [
            b"Subject: \xff\xfe\xe4\xc3\r\nReply-To: \xff@example.net\r\n\r\n\xff\x80\r\n",
            b"Subject: =?iso-8859-1?q?=E4=00=F6?= =?x-none?b?/////w==?=\r\n\r\n",
            b"Subject: '); DROP TABLE new_mail; -- \\' ? :x\r\n\r\n",
            b"Message-ID: <\x01\x02'\"`\\@x>\r\nContent-Type: \xff/\xfe\r\n\r\n",
            b"Subject: =?utf-8?b?8J+lmg==?= \xf0\x9f\xa5\x9a\r\n\r\n",
        ];
        for mail in odd {
            let reply = send(&mut client, &["bob@example.org"], mail);
            assert!(reply.starts_with("250 "), "{mode}: {mail:?}: {reply}");
        }
        nul(&mut client);
        assert_eq!(database.count(), 6, "{mode}");
        let injected =
            database.sql("SELECT COUNT(*) FROM new_mail WHERE subject LIKE '%DROP TABLE%'");
        assert_eq!(injected, "1");
        let whole = database
            .sql("SELECT COUNT(*) FROM new_mail WHERE mail LIKE CONCAT('%', UNHEX('FF80'), '%')");
        assert_eq!(whole, "1", "the message is as it was");
        database.server.kill();
    }
}

/// With BINARYMIME a message may have a NUL in it, its header too.
fn nul(client: &mut Client) {
    let mail = b"Subject: a\0b\r\n\r\n\0\r\n";
    client.wants("MAIL FROM:<s@example.net> BODY=BINARYMIME", "250 ");
    client.wants("RCPT TO:<bob@example.org>", "250 ");
    client.send(format!("BDAT {} LAST\r\n", mail.len()).as_bytes());
    client.send(mail);
    let reply = client.reply();
    assert!(reply.starts_with("250 "), "{reply}");
    let _ = mail_data(mail);
}

/// An older table gets what it can take, without a word at delivery.
#[test]
fn an_older_table_is_written_as_it_is() {
    let database = Server::shared().database();
    database.sql(TABLE);
    let house = house(&database, INLINE);
    let mail = b"Subject: s\r\nTo: t@example.org\r\nContent-Type: text/plain\r\n\r\n";
    delivers(&house, &["bob@example.org"], mail);
    let row = database.sql(
        "SELECT `from`, `to`, subject, body, charset, mail, spam_score, content_type, recipient, has_attach, \
         ip_addr, delivered+0, attach_info, dkim_valid FROM new_mail",
    );
    let expected = "s@example.net\tt@example.org\ts\t\tUTF-8\t\t0\ttext/plain\tbob@example.org\t0\t127.0.0.1\t0\t\tNULL";
    assert_eq!(row, expected);
}

/// A message that is larger than the server takes: its row has no `mail`, and nobody hears of it.
#[test]
fn large_messages_are_left_out_of_their_rows() {
    let server = Server::start(&["--max-allowed-packet=2M"]);
    let database = server.database();
    database.sql(&format!("{TABLE}; {LATER}"));
    let house = house(&database, "delivery: inline, mail: true");
    let mut client = house.client();
    let small = vec![b'x'; 1_000_000];
    let large = "line of text\r\n".repeat(1_600_000);
    for (subject, body) in [("small", &small[..]), ("large", large.as_bytes())] {
        let mail = [
            format!("Subject: {subject}\r\n\r\n").as_bytes(),
            body,
            b"\r\n",
        ]
        .concat();
        let reply = send(&mut client, &["bob@example.org"], &mail);
        assert!(reply.starts_with("250 "), "{subject}: {reply}");
    }
    let rows = database.sql(
        "SELECT subject, LENGTH(mail) > 1000000, LENGTH(mail) = 0 FROM new_mail ORDER BY mail_id",
    );
    assert_eq!(rows, "small\t1\t0\nlarge\t0\t1");
    assert_eq!(
        house.folder.mails("example.org/bob").len(),
        2,
        "the Maildir has both"
    );
    // Where nothing else keeps it, it is not taken, and may come again.
    let sole = House::new(&format!(
        "save: HeadersParser|Hasher|Header|MySQL\n{}",
        database.section("delivery: inline, mail: true")
    ));
    let mail = ["Subject: alone\r\n\r\n", &large].concat();
    let reply = send(&mut sole.client(), &["bob@example.org"], mail.as_bytes());
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    assert_eq!(database.count(), 2);
}

/// Several large ones at once do not fit into one statement together.
#[test]
fn large_messages_at_once() {
    let server = Server::start(&["--max-allowed-packet=2M"]);
    let database = server.database();
    database.make_table();
    let house = house(&database, "delivery: inline, mail: true, connections: 1");
    let body = "line of text\r\n".repeat(60_000);
    let replies = crate::mariadb::at_once(8, |number| {
        let mail = format!("Subject: {number}\r\n\r\n{body}");
        let to = ["bob@example.org", "carol@example.org", "dave@example.org"];
        send(&mut house.client(), &to, mail.as_bytes())
    });
    for reply in replies {
        assert!(reply.starts_with("250 "), "{reply}");
    }
    assert_eq!(
        database.sql("SELECT COUNT(*), MIN(LENGTH(mail)) > 840000 FROM new_mail"),
        "24\t1"
    );
}

#[test]
fn an_ipv6_client_is_in_the_row_as_a_whole_or_not_at_all() {
    for (table, shown) in [
        (TABLE.to_owned(), String::new()),
        (
            format!("{TABLE}; {LATER}"),
            "20010DB8000100020003000400050006".to_owned(),
        ),
    ] {
        let database = Server::shared().database();
        database.sql(&table);
        let yaml = format!(
            "listeners: [{{address: \"127.0.0.1:0\", xclient: [127.0.0.1]}}]\nsave: MailDir|MySQL\n{}",
            database.section(INLINE)
        );
        let house = House::new(&yaml);
        let mut client = house.client();
        client.wants("XCLIENT ADDR=IPV6:2001:db8:1:2:3:4:5:6", "220 ");
        client.wants("EHLO x.example", "250-");
        let reply = send(&mut client, &["bob@example.org"], b"Subject: s\r\n\r\n");
        assert!(reply.starts_with("250 "), "{reply}");
        assert_eq!(database.sql("SELECT HEX(ip_addr) FROM new_mail"), shown);
    }
}
