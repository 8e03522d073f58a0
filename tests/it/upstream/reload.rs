//! Reloads: what changes, and for whom.

use crate::client::Client;
use crate::house::House;

/// Upstream: a timeout of one server becomes that of all.
#[test]
fn a_change_of_one_listener_is_not_one_of_all() {
    let yaml = |hostname: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0'}}, {{address: 'unix:${{FOLDER}}/s', hostname: {hostname}}}]"
        )
    };
    let mut house = House::new(&yaml("a.test"));
    let reloaded = house.reload(&yaml("b.test")).expect("it is sound");
    assert_eq!(reloaded.to_string(), "changed: listeners");
    Client::connect(&house.addresses()[0]).hears("220 mx.example.org ");
    Client::connect(&house.addresses()[1]).hears("220 b.test ");
}

/// Upstream: another `max_clients` is not applied.
#[test]
fn more_clients_are_let_in() {
    let mut house = House::new("limits: {connections: 1}");
    let first = house.client();
    Client::connect(house.address()).hears("421 ");
    house
        .reload("limits: {connections: 2}")
        .expect("it is sound");
    Client::connect(house.address()).hears("220 ");
    drop(first);
}

/// Upstream: the second of two servers with one address is left out without a word.
#[test]
fn an_address_that_is_there_twice_is_refused() {
    let mut house = House::new("");
    let twice = "listeners: [{address: 'unix:${FOLDER}/s'}, {address: 'unix:${FOLDER}/s'}]";
    let refused = house.reload(twice).expect_err("it is there twice");
    assert!(refused.contains("listeners"), "{refused}");
    house.client().wants("NOOP", "250 ");
}
