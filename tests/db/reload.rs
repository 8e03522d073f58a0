//! Another configuration: connections stay, unless they are to lead elsewhere.

use crate::house::{House, eventually};
use crate::mariadb::{Database, Server};
use crate::queued::letters;
use crate::rows::{CHAIN, send};

/// The connections of our user, by their numbers.
fn connections(database: &Database) -> Vec<String> {
    let name = &database.name;
    let ids = database.server.sql(
        "mysql",
        &format!("SELECT id FROM information_schema.processlist WHERE user = '{name}' ORDER BY id"),
    );
    ids.lines().map(str::to_owned).collect()
}

/// A client comes, and its message has a row; then it goes, and with it what only it still had.
fn delivers(house: &House, database: &Database) {
    let count = database.count();
    let mut client = house.client();
    let mail = format!("Subject: {count}\r\n\r\nbody\r\n");
    let reply = send(&mut client, &["bob@example.org"], mail.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    client.wants("QUIT", "221 ");
    eventually("it has its row", || {
        database.count() == count + 1 && letters(house) == 0
    });
    eventually("one configuration is left", || {
        house.running().generations() == 1
    });
}

#[test]
fn connections_stay_unless_they_are_to_lead_elsewhere() {
    for delivery in ["inline", "queued"] {
        let database = Database::with_table();
        let section =
            |keys: &str| database.section(&format!("delivery: {delivery}, connections: 1{keys}"));
        let mut house = House::new(&format!("{CHAIN}{}", section("")));
        delivers(&house, &database);
        let before = connections(&database);
        assert_eq!(before.len(), 1, "{delivery}");
        for more in ["threads: 3\n", "threads: 4\n", ""] {
            let reloaded = house.reload(&format!("{CHAIN}{more}{}", section("")));
            assert!(!reloaded.expect("it is sound").changed.is_empty());
            delivers(&house, &database);
            assert_eq!(connections(&database), before, "{delivery}: {more}");
        }
        let other = house.reload(&format!("{CHAIN}{}", section(", timeout: 7s")));
        other.expect("it is sound");
        delivers(&house, &database);
        eventually("the old one is closed", || {
            connections(&database).len() == 1
        });
        assert_ne!(connections(&database), before, "{delivery}");
        assert_eq!(database.count(), 5);
    }
}

/// A server counts those who hang up without a word, and complains of them in its log.
#[test]
fn who_goes_says_goodbye() {
    let server = Server::start(&[]);
    let database = server.database();
    database.make_table();
    for delivery in ["inline", "queued"] {
        let section = |keys: &str| database.section(&format!("delivery: {delivery}{keys}"));
        let mut house = House::new(&format!("{CHAIN}{}", section("")));
        delivers(&house, &database);
        let changed = house.reload(&format!("{CHAIN}{}", section(", timeout: 7s")));
        changed.expect("it is sound");
        delivers(&house, &database);
        house.close();
        eventually("all are gone", || connections(&database).is_empty());
        let aborted = server.sql("mysql", "SHOW GLOBAL STATUS LIKE 'Aborted_clients'");
        assert_eq!(aborted, "Aborted_clients\t0", "{delivery}");
    }
}
