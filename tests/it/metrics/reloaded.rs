//! Figures while the configuration changes.

use std::net::TcpStream;

use super::{BOB, HOUSE, LOG, MAIL, assert_figures, disk, figures, get, here, is};
use crate::house::{House, eventually};

#[test]
fn what_was_counted_stays_and_what_is_read_is_new() {
    let mut house = House::new(HOUSE);
    house.client().deliver("", &[BOB], MAIL);
    let (address, delivered) = (
        house.metrics(),
        here(&house, "maiasaura_messages_total", ",result=\"delivered\""),
    );
    let second = "listeners: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0', protocol: lmtp}]";
    house
        .reload(&format!(
            "{HOUSE}\n{second}\nlimits: {{connections: 7, deliveries: 3}}"
        ))
        .expect("it is sound");
    assert_eq!(house.metrics(), address, "the port stays");
    let disk = disk(&house);
    let told = figures(&house);
    assert_figures(
        &told,
        &[
            (&delivered, 1.0),
            ("maiasaura_connections_limit", 7.0),
            (&format!("maiasaura_deliveries_limit{{disk={disk:?}}}"), 3.0),
            (
                "maiasaura_changes_total{change=\"config_change:new_config\"}",
                1.0,
            ),
            (
                "maiasaura_changes_total{change=\"server_change:new_server\"}",
                1.0,
            ),
        ],
    );
    let new = house.addresses()[1].to_string();
    let connections = format!("maiasaura_connections_total{{listener=\"{new}\"}}");
    assert_figures(&told, &[(&connections, 0.0)]);
    assert!(
        get(&house, "/health")
            .1
            .contains(&format!("ok    listener {new}\n"))
    );
}

/// The configurations share it: the end of one does not close it.
#[test]
fn the_log_is_written_to_after_a_reload() {
    let journal =
        format!("{HOUSE}\nmaildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: journal}}");
    let mut house = House::new(&journal);
    for errors in [5, 6, 7] {
        let yaml = format!("{journal}\nlimits: {{errors: {errors}}}");
        house.reload(&yaml).expect("it is sound");
        eventually("the one before has ended", || {
            house.running().generations() == 1
        });
        assert_figures(&figures(&house), LOG);
        house.client().deliver("", &[BOB], MAIL);
    }
    eventually("all is delivered from the log", || {
        is(figures(&house).value("maiasaura_journal_entries"), 0.0)
            && house.folder.mail_count() == 3
    });
}

#[test]
fn they_come_and_go() {
    let mut house = House::new("");
    assert_eq!(house.running().metrics(), None);
    let client = house.client();
    house.reload(HOUSE).expect("it is sound");
    let address = house.metrics();
    // Who was there before counts among those who are there.
    assert_figures(&figures(&house), &[("maiasaura_connections_open", 1.0)]);
    drop(client);
    eventually("it has gone", || {
        is(figures(&house).value("maiasaura_connections_open"), 0.0)
    });
    house.reload("").expect("it is sound");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    assert!(!house.running().events().are_heard(), "it still counts");
}

#[test]
fn another_address_has_the_same_figures() {
    let mut house = House::new(HOUSE);
    house.client().deliver("", &[BOB], MAIL);
    let before = house.metrics();
    house
        .reload("metrics: {address: '127.0.0.2:0'}")
        .expect("it is sound");
    assert_ne!(house.metrics(), before);
    assert!(TcpStream::connect(before).is_err(), "it still listens");
    let delivered = here(&house, "maiasaura_messages_total", ",result=\"delivered\"");
    assert_figures(&figures(&house), &[(&delivered, 1.0)]);
}
