//! Redis beside MySQL: `GuerrillaDbRedis`, and `Redis|MySQL`.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use flate2::read::ZlibDecoder;
use tempfile::TempDir;

use crate::guerrilla::TABLE;
use crate::house::{House, eventually};
use crate::mariadb::{Database, Server};
use crate::rows::{delivers, send, unhex};
use crate::service::Service;

/// A Redis in a folder of its own; it is stopped when it is dropped.
struct Redis {
    service: Option<Service>,
    folder: TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = TempDir::with_prefix("maiasaura-redis-").expect("a temporary folder");
        let mut redis = Self {
            service: None,
            folder,
        };
        redis.run();
        redis
    }

    fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--dir"])
            .arg(self.folder.path())
            .arg("--unixsocket")
            .arg(self.socket());
        self.service = Some(Service::start("redis", &mut command, self.folder.path()));
        let socket = self.socket();
        eventually("Redis listens", || UnixStream::connect(&socket).is_ok());
    }

    fn stop(&mut self) {
        drop(self.service.take());
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// What its own client says.
    fn says(&self, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket()).args(words);
        command
            .output()
            .expect("the client of Redis can be started")
            .stdout
    }

    fn value(&self, key: &str) -> Vec<u8> {
        let mut value = self.says(&["--raw", "GET", key]);
        assert_eq!(
            value.pop(),
            Some(b'\n'),
            "it ends in a line end of the client's"
        );
        value
    }

    fn section(&self, keys: &str) -> String {
        format!(
            "redis: {{\"address\": \"unix:{}\", timeout: 2s, {keys}}}\n",
            self.socket().display()
        )
    }
}

fn unpacked(stream: &[u8]) -> String {
    let mut message = String::new();
    ZlibDecoder::new(stream)
        .read_to_string(&mut message)
        .expect("a zlib stream");
    message
}

/// As with go-guerrilla, and with its table: the message in Redis, the rest in the row, which names the
/// key. For every recipient, not only the first.
/// Upstream: only the first recipient gets a value and a row.
#[test]
fn messages_in_redis_and_rows_in_mysql() {
    for (table, delivery) in [(true, "inline"), (false, "inline"), (false, "queued")] {
        let redis = Redis::start();
        let database = Server::shared().database();
        if table {
            database.sql(TABLE);
        } else {
            database.make_table();
        }
        let house = House::new(&format!(
            "save: HeadersParser|Hasher|Header|MailDir|GuerrillaDbRedis\n{}{}",
            database.section(&format!("delivery: {delivery}")),
            redis.section("expire: 100s")
        ));
        delivers(
            &house,
            &["bob@example.org", "carol@example.org"],
            b"Subject: s\r\n\r\nbody\r\n",
        );
        eventually("the rows are there", || database.count() == 2);
        let rows = database.sql("SELECT hash, recipient, body, LENGTH(mail) FROM new_mail");
        for row in rows.lines() {
            let columns: Vec<&str> = row.split('\t').collect();
            assert_eq!(columns[2..], ["redis", "0"], "{row}");
            let message = unpacked(&redis.value(columns[0]));
            assert!(
                message.contains(&format!("\r\nDelivered-To: {}\r\n", columns[1])),
                "{message}"
            );
            assert!(message.ends_with("\r\n\r\nbody\r\n"));
            let ttl = String::from_utf8(redis.says(&["TTL", columns[0]])).expect("a number");
            assert!(
                (1..=100).contains(&ttl.trim().parse::<i32>().expect("a number")),
                "{ttl}"
            );
        }
    }
}

/// While Redis is down messages go into their rows; mail is not lost, nor deferred.
#[test]
fn without_redis_the_row_has_the_message() {
    let mut redis = Redis::start();
    let database = Database::with_table();
    let house = House::new(&format!(
        "save: HeadersParser|Hasher|Header|MailDir|GuerrillaDbRedis\n{}{}",
        database.section("delivery: inline"),
        redis.section("connect_timeout: 1s")
    ));
    delivers(&house, &["bob@example.org"], b"Subject: first\r\n\r\n");
    redis.stop();
    delivers(
        &house,
        &["bob@example.org"],
        b"Subject: second\r\n\r\nbody\r\n",
    );
    assert_eq!(
        database.sql("SELECT body FROM new_mail ORDER BY mail_id"),
        "redis\ngzencode"
    );
    let stream = database.sql("SELECT HEX(mail) FROM new_mail WHERE body = 'gzencode'");
    assert!(unpacked(&unhex(&stream)).ends_with("Subject: second\r\n\r\nbody\r\n"));
    redis.run();
    eventually("Redis is used again", || {
        let count = database.count();
        delivers(
            &house,
            &["bob@example.org"],
            format!("Subject: {count}\r\n\r\n").as_bytes(),
        );
        database.sql("SELECT body FROM new_mail ORDER BY mail_id DESC LIMIT 1") == "redis"
    });
}

/// go-guerrilla's usual chain. The hash in the row is the key in Redis.
/// Upstream: who comes behind the Compressor in the chain gets no message: a file of four lines, and 250.
#[test]
fn the_chain_of_two_processors() {
    let redis = Redis::start();
    let database = Server::shared().database();
    database.sql(TABLE);
    let house = House::new(&format!(
        "save: HeadersParser|Hasher|Header|Compressor|Redis|MySQL|MailDir\n{}{}",
        database.section("delivery: inline, mail: true"),
        redis.section("digits: 32")
    ));
    let mail = b"Subject: s\r\n\r\nbody\r\n";
    delivers(&house, &["bob@example.org", "carol@example.org"], mail);
    for row in database
        .sql("SELECT hash, body, LENGTH(mail) FROM new_mail")
        .lines()
    {
        let (hash, rest) = row.split_once('\t').expect("columns");
        assert_eq!((hash.len(), rest), (32, "redis\t0"));
        assert!(unpacked(&redis.value(hash)).ends_with("Subject: s\r\n\r\nbody\r\n"));
    }
    let mails = house.folder.mails("example.org/bob");
    assert!(
        mails[0].content.ends_with(b"\n\nbody\n"),
        "a Maildir behind Compressor has the whole message"
    );
}

/// Such a chain alone keeps no mail for good, which is said when it is loaded; unless Redis is durable.
#[test]
fn what_expires_is_no_store() {
    let redis = Redis::start();
    let database = Database::with_table();
    let chain = "save: HeadersParser|Hasher|Header|GuerrillaDbRedis\n";
    for (keys, is_enough) in [("durable: false", false), ("durable: true", true)] {
        let yaml = format!(
            "{chain}{}{}",
            database.section("delivery: inline"),
            redis.section(keys)
        );
        let folder = crate::house::Folder::new();
        crate::process::configure(&folder, &yaml);
        let ended = crate::process::run(&folder, &["-c", "config.yaml", "check"], b"");
        assert_eq!(ended.code == Some(0), is_enough, "{ended:#?}");
        if is_enough {
            let house = House::new(&yaml);
            let reply = send(
                &mut house.client(),
                &["bob@example.org"],
                b"Subject: s\r\n\r\n",
            );
            assert!(reply.starts_with("250 "), "{reply}");
            assert_eq!((database.count(), house.folder.mail_count()), (1, 0));
        } else {
            assert!(
                ended
                    .complaint()
                    .contains("none of these processors stores mail"),
                "{ended:#?}"
            );
        }
    }
}

/// Mail that nothing else keeps is in Redis, and while that is down in the row: both have to keep it.
#[test]
fn check_asks_of_both_whether_they_keep_mail() {
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=2"]);
    let database = server.database();
    database.make_table();
    let redis = Redis::start();
    let sole = "save: HeadersParser|Hasher|Header|GuerrillaDbRedis\n";
    let beside = "save: HeadersParser|Hasher|Header|MailDir|GuerrillaDbRedis\n";
    let says = |chain: &str, durable: &str, words: &[&str]| {
        let yaml = [database.section("delivery: inline"), redis.section(durable)].concat();
        let folder = crate::house::Folder::new();
        crate::process::configure(&folder, &format!("{chain}{yaml}"));
        let ended = crate::process::run(&folder, &["-c", "config.yaml", "check"], b"");
        let said = ended.stdout.iter();
        let said: Vec<&String> = said.filter(|line| line.starts_with("FAULT")).collect();
        assert_eq!(said.len(), words.len(), "{ended:#?}");
        for (fault, words) in said.iter().zip(words) {
            assert!(fault.contains(words), "{ended:#?}");
        }
        assert_eq!(ended.code, Some(if words.is_empty() { 0 } else { 78 }));
    };
    let flush = "stops, and while Redis is down nothing else keeps the mail; write 1";
    says(sole, "durable: true", &[flush]);
    says(beside, "durable: true", &[]);
    database
        .sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1; ALTER TABLE new_mail ENGINE=MyISAM");
    says(sole, "durable: true", &["the table is MyISAM"]);
    database.sql("ALTER TABLE new_mail ENGINE=InnoDB, MODIFY mail LONGTEXT NOT NULL");
    says(sole, "durable: true", &["no column of octets"]);
    database.sql("ALTER TABLE new_mail MODIFY mail LONGBLOB NOT NULL");
    says(sole, "durable: true", &[]);
    redis.says(&["CONFIG", "SET", "appendfsync", "everysec"]);
    says(sole, "durable: true", &["config set appendfsync always"]);
    says(beside, "durable: false", &[]);
}
