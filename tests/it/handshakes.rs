//! Clients that begin with TLS and do not go on, or go on for ever.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::version::TLS13;

use crate::authority::AUTHORITY;
use crate::client::{Client, Stream};
use crate::house::{Folder, House};
use crate::process::Program;

const BOTH: &str = r#"
listeners: [{address: "127.0.0.1:0"}, {address: "127.0.0.1:0", tls: implicit}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
"#;

/// Half-open handshakes at a time.
const COUNT: usize = 2000;
/// Threads that open them.
const LANES: usize = 8;
/// What each of them sends of a `ClientHello`. rustls takes 64 KiB of one.
const PIECE: usize = 15 * 1024;
/// What the server may keep of each of them, the record it has included.
const EACH: u64 = 56 * 1024;

fn folder() -> Folder {
    let folder = Folder::new();
    AUTHORITY.issue(&["mx.example.org"]).write(&folder.path(""));
    folder
}

fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum it may be raised");
}

/// The beginning of a handshake (RFC 8446 sections 4 and 5.1): one whole record, which says that
/// the `ClientHello` goes on for much longer.
fn beginning() -> Vec<u8> {
    let length = u16::try_from(PIECE)
        .expect("a record holds more")
        .to_be_bytes();
    let mut octets = vec![22, 3, 1, length[0], length[1]];
    octets.extend([1, 0, 0xfe, 0]);
    octets.resize(5 + PIECE, 0);
    octets
}

/// One of many clients from many addresses, half of which say STARTTLS before.
fn half_open(number: usize, house: &Program, beginning: &[u8]) -> Client {
    let last = u8::try_from(2 + number / 100).expect("not that many");
    let from = Ipv4Addr::new(127, 0, 0, last);
    let is_implicit = number % 2 == 1;
    let mut client = Client::from(from, &house.addresses()[usize::from(is_implicit)]);
    if !is_implicit {
        client.hears("220 ");
        client.wants("EHLO client.example.net", "250-");
        client.wants("STARTTLS", "220 ");
    }
    client.send(beginning);
    client
}

#[test]
fn thousands_of_half_open_handshakes_hold_up_nobody() {
    allow_descriptors();
    let folder = folder();
    let yaml = [
        BOTH,
        "limits: {connections: 3000, connections_per_ip: 100}\ntimeouts: {tls_handshake: 60s}\n",
    ];
    let house = Program::serve(&folder, &yaml.concat());
    let deliver = || {
        let mut client = house.client().secured(&AUTHORITY.client());
        let reply = client.deliver("s@c.test", &["bob@example.org"], b"A: b\r\n\r\nc\r\n");
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        client.wants("QUIT", "221 ");
    };
    deliver();
    let (memory, beginning) = (house.peak_memory(), &beginning());
    let server = &house;
    let open_all = move |lane| {
        let numbers = (lane..COUNT).step_by(LANES);
        let open = numbers.map(|number| half_open(number, server, beginning));
        open.collect::<Vec<_>>()
    };
    let clients: Vec<Client> = thread::scope(|scope| {
        let spawn = |lane| scope.spawn(move || open_all(lane));
        let lanes: Vec<_> = (0..LANES).map(spawn).collect();
        let clients = lanes.into_iter();
        clients.flat_map(|it| it.join().expect("a lane")).collect()
    });
    let begun = Instant::now();
    for _ in 0..5 {
        deliver();
    }
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(15), "five messages: {taken:?}");
    let more = house.peak_memory() - memory;
    assert!(more < COUNT as u64 * EACH, "{more} octets more");
    assert_eq!(clients.len(), COUNT);
    // They are there still, and nobody was turned away for them.
    assert_eq!(folder.mail_count(), 6);
    drop(clients);
    house.stop();
}

/// What goes on for ever within TLS: new keys (RFC 8446 section 4.6.3), which cost the server more
/// than the client. Renegotiation is a matter of OpenSSL's, in `tests/interop`.
#[test]
fn a_storm_of_new_keys_is_ended() {
    let house = House::in_folder(folder(), BOTH);
    let config = AUTHORITY.client_with(&[&TLS13], None, &[]);
    let mut client = house.client().secured(&config);
    let Stream::Tls(tls) = client.stream() else {
        panic!("it is encrypted");
    };
    let mut sent = 0;
    let ended = (0..100_000).any(|_| {
        sent += 1;
        tls.conn.refresh_traffic_keys().expect("it is TLS 1.3");
        tls.flush().is_err()
    });
    assert!(ended, "{sent} times new keys");
    house.client().secured(&config).wants("NOOP", "250 ");
}
