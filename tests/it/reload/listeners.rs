//! Listeners that come, go, and change places.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use maiasaura::server::Address;

use crate::client::{Client, Stream};
use crate::house::{House, mode};

use super::{BOB, MAIL, SENDER};

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp(address) => address.port(),
        other => panic!("{other} has no port"),
    }
}

fn is_refused(address: &Address) -> bool {
    match Stream::connect(address) {
        Err(error) => [ErrorKind::ConnectionRefused, ErrorKind::NotFound].contains(&error.kind()),
        Ok(_) => false,
    }
}

#[test]
fn one_is_removed_and_added_again() {
    let mut house = House::new("");
    let first = house.address().clone();
    for _ in 0..5 {
        // A port that was free a moment ago.
        let both = "listeners: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0'}]";
        house.reload(both).expect("it is sound");
        assert_eq!(house.addresses()[0], first);
        let second = house.addresses()[1].clone();
        let mut client = Client::greeted(&second);
        house.reload("").expect("it is sound");
        assert!(is_refused(&second), "it still listens");
        let again = format!("listeners: [{{address: '127.0.0.1:0'}}, {{address: '{second}'}}]");
        house.reload(&again).expect("the port is free again");
        Client::greeted(&second).wants("NOOP", "250 ");
        // Who came through it when it was another one is still there.
        let reply = client.deliver(SENDER, &[BOB], MAIL);
        assert!(reply.starts_with("250 "), "{reply}");
        house.reload("").expect("it is sound");
    }
}

#[test]
fn one_is_disabled_and_enabled() {
    let mut house = House::new("listeners: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0'}]");
    let (first, second) = (house.addresses()[0].clone(), house.addresses()[1].clone());
    let mut client = Client::greeted(&second);
    for enabled in [false, true, false] {
        let yaml = format!(
            "listeners: [{{address: '{second}', enabled: {enabled}}}, {{address: '127.0.0.1:0'}}]"
        );
        let reloaded = house.reload(&yaml).expect("it is sound");
        assert_eq!(reloaded.changed, ["listeners"]);
        assert_eq!(is_refused(&second), !enabled);
        Client::greeted(&first).wants("NOOP", "250 ");
    }
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
}

#[test]
fn ports_change_places() {
    let two = |first: &str, second: &str| {
        format!(
            "listeners: [{{address: '{first}', hostname: a.test}}, {{address: '{second}', hostname: b.test, protocol: lmtp}}]"
        )
    };
    let mut house = House::new(&two("127.0.0.1:0", "127.0.0.1:0"));
    let (first, second) = (house.addresses()[0].clone(), house.addresses()[1].clone());
    Client::connect(&first).hears("220 a.test ESMTP");
    let swapped = two(&second.to_string(), &first.to_string());
    let reloaded = house.reload(&swapped).expect("it is sound");
    assert!(
        reloaded.opened.is_empty() && reloaded.closed.is_empty(),
        "{reloaded}"
    );
    Client::connect(&second).hears("220 a.test ESMTP");
    Client::connect(&first).hears("220 b.test LMTP");
}

/// From the loop-back interface to all, and back: the port is the same.
#[test]
fn an_address_grows_and_shrinks() {
    let at = |address: &str, port: u16| format!("listeners: [{{address: '{address}:{port}'}}]");
    // A client of another test may have the port at another address.
    let grown = (0..10).find_map(|_| {
        let mut house = House::new("");
        let (port, old) = (port(house.address()), house.client());
        let is_grown = house.reload(&at("0.0.0.0", port)).is_ok();
        is_grown.then_some((house, port, old))
    });
    let (mut house, port, mut old) = grown.expect("some port is free at all addresses");
    for address in ["0.0.0.0", "127.0.0.1", "127.0.0.2", "0.0.0.0"] {
        house.reload(&at(address, port)).expect(address);
        let ours = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
        assert_eq!(
            TcpStream::connect(ours).is_ok(),
            address != "127.0.0.1",
            "{address}"
        );
    }
    old.wants("NOOP", "250 ");
    // It was for a moment only: nobody else can share the port.
    let other = House::try_new(&at("127.0.0.1", port));
    let error = other.err().expect("it is taken");
    assert!(error.contains("another program listens there"), "{error}");
}

#[test]
fn a_unix_socket_keeps_its_file() {
    let yaml = |mode: &str| format!("listeners: [{{address: 'unix:${{FOLDER}}/s{mode}'}}]");
    let mut house = House::new(&yaml(":0600"));
    let path = house.folder.path("s");
    let mut old = house.client();
    for (written, bits) in [(":0666", 0o666), ("", 0o660), (":0600", 0o600)] {
        house.reload(&yaml(written)).expect("it is sound");
        assert_eq!(mode(&path), bits);
        house.client().wants("NOOP", "250 ");
    }
    // Somebody has removed it by mistake.
    fs::remove_file(&path).expect("it is there");
    house.reload(&yaml("")).expect("it is sound");
    house.client().wants("NOOP", "250 ");
    house.reload("").expect("it is sound");
    assert!(!path.exists(), "it is left behind");
    house.reload(&yaml("")).expect("it is sound");
    house.client().wants("NOOP", "250 ");
    old.wants("NOOP", "250 ");
}

/// Who has connected and was not accepted yet is served, although the listener goes.
#[test]
fn who_waits_at_a_listener_that_goes_is_let_in() {
    let mut house =
        House::new("listeners: [{address: '127.0.0.1:0'}, {address: 'unix:${FOLDER}/s'}]");
    for _ in 0..20 {
        let mut clients: Vec<Client> = (0..5)
            .map(|_| Client::connect(&house.addresses()[1]))
            .collect();
        house.reload("").expect("it is sound");
        for client in &mut clients {
            client.hears("220 ");
        }
        let both = "listeners: [{address: '127.0.0.1:0'}, {address: 'unix:${FOLDER}/s'}]";
        house.reload(both).expect("it is sound");
    }
}
