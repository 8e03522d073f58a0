//! Everything that goes wrong with a database: each is a 451 and one clear message, and is over when it
//! is mended.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use maiasaura::health::State;
use maiasaura::mysql::{self, Endpoint, Settings, Tls};
use rustix::process::{Signal, kill_process};

use crate::client::PATIENCE;
use crate::house::{House, eventually, eventually_within};
use crate::mariadb::{Database, Server, at_once};
use crate::rows::{CHAIN, delivers, house, send};
use crate::service;

const MAIL: &[u8] = b"Subject: s\r\n\r\nbody\r\n";

/// Not so long that a test would be.
const HASTY: &str = "delivery: inline, timeout: 2s, connect_timeout: 2s";

#[track_caller]
fn is_deferred(house: &House) {
    let reply = send(&mut house.client(), &["bob@example.org"], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert!(!reply.contains("SQL"), "a client sees no cause: {reply}");
}

#[track_caller]
fn recovers(house: &House) {
    recovers_within(PATIENCE, house);
}

#[track_caller]
fn recovers_within(patience: Duration, house: &House) {
    eventually_within(patience, "mail is taken again", || {
        let reply = send(&mut house.client(), &["bob@example.org"], MAIL);
        assert!(
            reply.starts_with("451 ") || reply.starts_with("250 "),
            "{reply}"
        );
        reply.starts_with("250 ")
    });
}

/// What is said of a database that cannot be used.
fn complaint(settings: &Settings) -> String {
    let database = mysql::Database::new(settings.clone());
    let first = database.ready().expect_err("it cannot be used").message;
    let again = database.ready().expect_err("nor now").message;
    assert_eq!(again, format!("{first}; it is left alone for a moment"));
    assert_eq!(database.trouble(), Some(first.clone()));
    first
}

#[test]
fn who_cannot_come_in_is_told_what_to_look_at() {
    // From 11.4 on it offers TLS by itself.
    let server = Server::start(&["--skip-ssl"]);
    let database = server.database();
    database.make_table();
    let good = database.settings();
    assert_eq!(mysql::Database::new(good.clone()).ready().err(), None);
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = good.clone();
        change(&mut settings);
        complaint(&settings)
    };
    let nowhere = Endpoint::Unix("/nonexistent/sock".into());
    for (complaint, words) in [
        (
            with(&|it| it.password = Some("no".into())),
            [
                "Access denied",
                "(1045); look at mysql.user and mysql.password_file",
            ],
        ),
        (
            with(&|it| it.user = "nobody".into()),
            ["Access denied", "look at mysql.user"],
        ),
        (
            with(&|it| it.database = "mysql".into()),
            ["Access denied", "(1044); GRANT this user"],
        ),
        (
            with(&|it| it.database = "none_such".into()),
            ["denied", "GRANT this user the rights on mysql.database"],
        ),
        (
            with(&|it| it.table = "none_such".into()),
            [
                "there is no table `none_such`",
                "maiasaura schema mysql --apply",
            ],
        ),
        (
            with(&|it| it.endpoint = nowhere.clone()),
            ["unix:/nonexistent/sock: ", "No such file"],
        ),
        (
            with(&|it| it.endpoint = Endpoint::Tcp("127.0.0.1".into(), service::free_port())),
            ["127.0.0.1:", "refused"],
        ),
        (
            with(&|it| it.tls = Tls::Required),
            ["TLS: server does not support TLS", "look at mysql.tls"],
        ),
    ] {
        for word in words {
            assert!(complaint.contains(word), "{word}: {complaint}");
        }
        assert!(!complaint.contains("secret"), "{complaint}");
    }
}

/// No server at all, as after a reboot: mail waits at the sender until there is one.
/// Upstream: an outage is 554, so that senders give up at once.
#[test]
fn a_server_that_comes_later() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    server.kill();
    let house = house(&database, HASTY);
    is_deferred(&house);
    assert_eq!(house.folder.mail_count(), 0, "nothing is left of it");
    assert!(matches!(state(&house), Some(State::Ill(why)) if why.contains("sock: ")));
    server.run();
    recovers(&house);
    assert_eq!(state(&house), Some(State::Well));
    assert_eq!((database.count(), house.folder.mail_count()), (1, 1));
}

/// How it is on the board.
fn state(house: &House) -> Option<State> {
    let states = house.running().health().states();
    let mut states = states.into_iter();
    states.find_map(|(part, state)| (&*part == "mysql").then_some(state))
}

/// Another configuration ends the trouble: the board says so, although a client holds the one from before.
#[test]
fn a_reload_that_mends_it() {
    let database = Database::with_table();
    let socket = database.server.socket();
    let wrong = format!(
        "mysql: {{\"address\": \"{}\", user: nobody, {HASTY}}}\n",
        socket.display()
    );
    let mut house = House::new(&format!("{CHAIN}{wrong}"));
    let mut client = house.client();
    let reply = send(&mut client, &["bob@example.org"], MAIL);
    assert!(reply.starts_with("451 "), "{reply}");
    assert!(matches!(state(&house), Some(State::Ill(_))));
    let good = format!("{CHAIN}{}", database.section(HASTY));
    house
        .reload(&good)
        .unwrap_or_else(|error| panic!("{error}"));
    delivers(&house, &["bob@example.org"], MAIL);
    assert_eq!(state(&house), Some(State::Well));
    drop(client);
}

/// Connections from before are found to be dead, and nobody notices.
/// Upstream: a connection that broke is not made again.
#[test]
fn a_server_that_was_restarted() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    let house = house(&database, HASTY);
    for number in 0..3 {
        let mail = format!("Subject: {number}\r\n\r\n");
        delivers(&house, &["bob@example.org"], mail.as_bytes());
        server.kill();
        server.run();
    }
    assert_eq!(database.count(), 3, "what was promised survives kill -9");
    delivers(&house, &["bob@example.org"], b"Subject: more\r\n\r\n");
    kill_connections(&database);
    delivers(&house, &["bob@example.org"], b"Subject: last\r\n\r\n");
    assert_eq!(database.count(), 5);
}

/// Ends all connections of our user.
fn kill_connections(database: &Database) {
    let name = &database.name;
    let ids = database.server.sql(
        "mysql",
        &format!("SELECT id FROM information_schema.processlist WHERE user = '{name}'"),
    );
    let kills: Vec<String> = ids.lines().map(|id| format!("KILL {id}")).collect();
    assert!(!kills.is_empty());
    database.server.sql("mysql", &kills.join("; "));
}

#[test]
fn a_table_that_is_missing_or_changed() {
    let database = Server::shared().database();
    let house = house(&database, HASTY);
    is_deferred(&house);
    database.make_table();
    recovers(&house);
    // Columns go and come, get shorter, get strict.
    database.sql("ALTER TABLE new_mail DROP COLUMN sender, MODIFY subject VARCHAR(2) NOT NULL");
    delivers(&house, &["bob@example.org"], b"Subject: longer\r\n\r\n");
    assert_eq!(
        database.sql("SELECT subject FROM new_mail ORDER BY mail_id DESC LIMIT 1"),
        "lo"
    );
    database.sql("ALTER TABLE new_mail ADD COLUMN wanted INT NOT NULL FIRST, DROP COLUMN reply_to");
    is_deferred(&house);
    let complaint = complaint(&database.settings());
    assert!(complaint.contains("wants values that are not known here, for wanted (int(11)); give these columns a default"), "{complaint}");
    database.sql("ALTER TABLE new_mail DROP COLUMN wanted");
    recovers(&house);
    database.sql("ALTER TABLE new_mail DROP COLUMN hash");
    let complaint = self::complaint(&database.settings());
    assert!(
        complaint.starts_with("the table has no column hash, by which a row is found again"),
        "{complaint}"
    );
    database.sql("DROP TABLE new_mail");
    is_deferred(&house);
    database.make_table();
    recovers(&house);
}

#[test]
fn a_user_who_may_not_write() {
    let database = Database::with_table();
    let name = &database.name;
    let grant = |verb: &str, rights: &str, to: &str| {
        let statement = format!("{verb} {rights} ON {name}.* {to} {name}@localhost");
        database.server.sql("mysql", &statement);
    };
    grant("REVOKE", "ALL", "FROM");
    grant("GRANT", "SELECT", "TO");
    let house = house(&database, HASTY);
    is_deferred(&house);
    assert_eq!(house.folder.mail_count(), 0);
    grant("GRANT", "INSERT, UPDATE, DELETE", "TO");
    recovers(&house);
}

#[test]
fn a_read_only_replica() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    let house = house(&database, HASTY);
    delivers(&house, &["bob@example.org"], MAIL);
    server.sql("mysql", "SET GLOBAL read_only = 1");
    is_deferred(&house);
    let survey = mysql::Database::new(database.settings())
        .survey()
        .expect("it can be read");
    assert_eq!(
        survey.faults(),
        ["the server is read-only: is that a replica? Write the address of the primary"]
    );
    server.sql("mysql", "SET GLOBAL read_only = 0");
    recovers(&house);
}

/// Somebody who keeps a table locked.
struct Locker(Mutex<Child>);

impl Locker {
    fn new(database: &Database) -> Self {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "--user=root", "--unbuffered", "--socket"]);
        command.arg(database.server.socket()).arg(&database.name);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a client");
        let stdin = child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "LOCK TABLES new_mail WRITE; SELECT SLEEP(0);").expect("it reads");
        eventually("the table is locked", || {
            let open = database.sql("SHOW OPEN TABLES LIKE 'new_mail'");
            open.split('\t').nth(2).is_some_and(|uses| uses != "0")
        });
        Self(Mutex::new(child))
    }

    fn unlock(&self) {
        let mut child = self.0.lock().expect("nobody panics with it");
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        self.unlock();
    }
}

#[test]
fn a_table_that_is_locked() {
    let database = Database::with_table();
    let house = house(&database, HASTY);
    delivers(&house, &["bob@example.org"], MAIL);
    let locker = Locker::new(&database);
    is_deferred(&house);
    drop(locker);
    recovers(&house);
}

/// A server that does not answer: whoever waited hears so in time, others at once.
#[test]
fn a_server_that_hangs() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    let house = house(&database, HASTY);
    delivers(&house, &["bob@example.org"], MAIL);
    let pid = fs::read_to_string(server.path("pid")).expect("its pid");
    let pid: i32 = pid.trim().parse().expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    kill_process(pid, Signal::STOP).expect("it runs");
    is_deferred(&house);
    // Now it is left alone for longer and longer; a hundred would otherwise take minutes.
    for _ in 0..100 {
        is_deferred(&house);
    }
    kill_process(pid, Signal::CONT).expect("it runs");
    recovers(&house);
}

/// Of those who come at once to a server that hangs some wait, and the others hear so while these do.
#[test]
fn a_server_that_hangs_keeps_so_many() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    let client = mysql::Database::new(Settings {
        waiting: 3,
        timeout: Duration::from_mins(1),
        ..database.settings()
    });
    assert_eq!(client.ready().err(), None);
    let locker = Locker::new(&database);
    let told = Mutex::new(0);
    let outcomes = at_once(10, |number| {
        let key = format!("{number:064}");
        let rows = vec![mysql::Row {
            key,
            received: 1_700_000_000,
            ..mysql::Row::default()
        }];
        let outcome = client.insert(rows).map(|keys| keys.len());
        if outcome.is_err() {
            let mut told = told.lock().expect("nobody panics");
            *told += 1;
            // Only now are the others let go on.
            if *told == 7 {
                locker.unlock();
            }
        }
        outcome
    });
    let (waited, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((waited.len(), refused.len()), (3, 7));
    for fault in refused.into_iter().filter_map(Result::err) {
        assert_eq!(fault.message, "3 messages wait for the server already");
    }
    assert_eq!(database.count(), 3);
}

/// The disk of the server is full: nothing is lost, and all goes on when there is room.
#[test]
fn a_server_whose_disk_is_full() {
    let server = Server::on_small_disk();
    let database = server.database();
    database.make_table();
    let house = house(&database, "delivery: inline, timeout: 5s, mail: true");
    let mut client = house.client();
    let mut taken = 0;
    let reply = loop {
        let mail = format!(
            "Subject: {taken}\r\n\r\n{}",
            "line of text\r\n".repeat(20_000)
        );
        let reply = send(&mut client, &["bob@example.org"], mail.as_bytes());
        if !reply.starts_with("250 ") {
            break reply;
        }
        taken += 1;
        assert!(taken < 100, "the disk is never full");
    };
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(
        (database.count(), house.folder.mail_count()),
        (taken, taken)
    );
    server.make_room();
    // MariaDB looks for room once a minute when it waits for some.
    recovers_within(Duration::from_mins(3), &house);
}
