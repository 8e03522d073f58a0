//! The server at its limits: each has a reply, and everybody else is served on.

use std::io::{ErrorKind, Read as _, Write as _};
#[cfg(feature = "metrics")]
use std::net::TcpListener;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use maiasaura::server::Address;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::client::{Client, PATIENCE, Stream, mail_data};
use crate::house::{Folder, House, eventually};
use crate::process::{Program, configure, shell};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
/// What the log says when no connection can be accepted.
const LACK: &str = "cannot accept a connection";
/// How long a client may take where the test is that it takes longer.
const SHORT: Duration = Duration::from_millis(300);
/// Less than [`SHORT`], again and again.
const TRICKLE: Duration = Duration::from_millis(20);

/// Sends an octet again and again until the server closes; what it said by then.
fn trickle(client: &mut Client, octet: u8) -> String {
    let begun = Instant::now();
    let stream = client.stream();
    let Stream::Tcp(socket) = stream else {
        panic!("it is a TCP connection");
    };
    socket.set_read_timeout(Some(TRICKLE)).expect("it is valid");
    let mut said = Vec::new();
    let mut buffer = [0; 1000];
    while begun.elapsed() < PATIENCE {
        let _ = stream.write_all(&[octet]);
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(count) => said.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return String::from_utf8_lossy(&said).into_owned(),
        }
    }
    panic!("the server bears it");
}

#[test]
fn who_says_nothing_is_left() {
    let house = House::new("timeouts: {greeting: 300ms}");
    let begun = Instant::now();
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    client.hears("421 4.4.2 ");
    client.is_left();
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn who_falls_silent_is_left() {
    let house = House::new("timeouts: {command: 300ms}");
    let mut client = house.client();
    let begun = Instant::now();
    client.hears("421 4.4.2 ");
    client.is_left();
    assert!(begun.elapsed() >= SHORT / 2);
}

/// However busy it is.
#[test]
fn a_session_has_an_end() {
    let house = House::new("timeouts: {session: 300ms}\nlimits: {idle_commands: 1000000000}");
    let mut client = house.client();
    let begun = Instant::now();
    let mut reply = client.say("NOOP");
    while reply == "250 2.0.0 Ok" && begun.elapsed() < PATIENCE {
        reply = client.say("NOOP");
    }
    assert!(reply.starts_with("421 4.4.2 "), "{reply}");
    client.is_left();
}

/// Octets that never cease to come do not hide that time is over.
#[test]
fn mail_data_has_an_end() {
    let house = House::new("timeouts: {session: 300ms}\nlimits: {message_size: 1kB}");
    let mut client = house.client();
    client.begin(SENDER, &[BOB]);
    let lines = b"and so on\r\n".repeat(100_000);
    let begun = Instant::now();
    while client.stream().write_all(&lines).is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the server bears it"
        );
    }
}

/// One octet now and then is no command: the deadline stays where it was.
#[test]
fn a_command_must_come_in_time() {
    let house = House::new("timeouts: {command: 300ms}");
    let said = trickle(&mut house.client(), b'x');
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    let house = House::new("timeouts: {greeting: 300ms}");
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    let said = trickle(&mut client, b'x');
    assert!(said.starts_with("421 4.4.2 "), "{said}");
}

#[test]
fn mail_data_must_come_in_time() {
    for limit in [
        "timeouts: {data: 300ms}",
        "timeouts: {data: 300ms}\nlimits: {data_rate: 1MB}",
    ] {
        let house = House::new(limit);
        let mut client = house.client();
        client.begin(SENDER, &[BOB]);
        client.send(b"Subject: never to be ended\r\n\r\n");
        let said = if limit.contains("data_rate") {
            trickle(&mut client, b'x')
        } else {
            client.reply()
        };
        assert!(said.starts_with("421 4.4.2 "), "{said}");
        assert_eq!(house.folder.tree(), Vec::<String>::new());
    }
}

/// Replies pile up with the client and not with us, and then it is left.
#[test]
fn who_never_listens_is_left() {
    let house = House::new("timeouts: {data: 300ms}\nlimits: {idle_commands: 1000000000}");
    let mut client = house.client();
    let noops = b"NOOP\r\n".repeat(10_000);
    let begun = Instant::now();
    let mut sent = 0;
    while client.stream().write_all(&noops).is_ok() {
        sent += noops.len();
        assert!(sent < 64_000_000, "it is kept somewhere");
    }
    assert!(begun.elapsed() < PATIENCE);
}

/// A connection from another address of this machine.
fn connect_from(source: [u8; 4], address: &Address) -> Client {
    let Address::Tcp(address) = address else {
        panic!("it is a TCP address");
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("it can be made");
    let source = SocketAddr::from((source, 0));
    socket.bind(&source.into()).expect("it is ours");
    socket.connect(&(*address).into()).expect("it listens");
    let stream = Stream::try_from(TcpStream::from(socket));
    Client::over(stream.expect("it can be set up"))
}

#[test]
fn places_are_counted_and_given_back() {
    let house = House::new("limits: {connections: 3, connections_per_ip: 2}");
    let mut first = house.client();
    let second = house.client();
    let refused = |source| {
        let mut client = connect_from(source, house.address());
        client.hears("421 4.7.0 ");
        client.is_left();
    };
    refused([127, 0, 0, 1]);
    let mut other = connect_from([127, 0, 0, 2], house.address());
    other.hears("220 ");
    refused([127, 0, 0, 3]);
    drop(second);
    eventually("a place is given back", || {
        let mut client = Client::connect(house.address());
        client.reply().starts_with("220 ")
    });
    first.wants("NOOP", "250 ");
    other.wants("NOOP", "250 ");
}

/// A message that has no room is refused, the session goes on, and so do the others.
#[test]
fn memory_is_bounded_and_given_back() {
    let house = House::new("limits: {message_size: 100kB, memory: 40kB}");
    let (mut one, mut other) = (house.client(), house.client());
    let half = [
        &b"Subject: t\r\n\r\n"[..],
        &b"half of it is mine\r\n".repeat(3000),
    ]
    .concat();
    for command in [format!("MAIL FROM:<{SENDER}>"), format!("RCPT TO:<{BOB}>")] {
        one.wants(&command, "250 ");
    }
    one.send(&[format!("BDAT {}\r\n", half.len()).as_bytes(), &half].concat());
    one.hears("250 2.0.0 ");
    let reply = other.deliver(SENDER, &[BOB], &half);
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    one.wants("RSET", "250 ");
    let reply = other.deliver(SENDER, &[BOB], &half);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 1);
}

/// However little that is, and in however many pieces it comes: then it waits on disk.
#[test]
fn the_largest_message_has_room_in_the_memory() {
    let house = House::new("limits: {message_size: 100kB, memory: 40kB}");
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    for _ in 0..20 {
        client.send(&[&b"BDAT 5000\r\n"[..], &[b'x'; 5000]].concat());
        client.hears("250 2.0.0 ");
    }
    client.wants("BDAT 0 LAST", "250 2.0.0 ");
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn a_client_that_lies_about_the_size_is_refused() {
    let house = House::new("limits: {message_size: 100kB, memory: 1MB}");
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}> SIZE=100001"), "552 5.3.4 ");
    client.wants(&format!("MAIL FROM:<{SENDER}> SIZE=1"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.wants("DATA", "354 ");
    client.send(&mail_data(
        &b"much more than one octet\r\n".repeat(1_000_000),
    ));
    client.hears("552 5.3.4 ");
    client.wants("NOOP", "250 ");
    assert_eq!(house.folder.tree(), Vec::<String>::new());
}

#[test]
fn what_is_no_smtp_ends_the_session() {
    let house = House::new("");
    for (said, reply) in [
        (&b"NOOP\n"[..], "500 5.5.2 "),
        (b"NOOP\rQUIT\r\n", "500 5.5.2 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "554 5.5.1 "),
        (b"BDAT 9223372036854775807 LAST\r\n", "552 5.3.4 "),
    ] {
        let mut client = house.client();
        client.send(said);
        client.hears(reply);
        client.is_left();
    }
}

/// However it leaves, half a message is no message.
#[test]
fn a_client_that_leaves_in_its_message_leaves_nothing() {
    let mut house = House::new("");
    for abruptly in [false, true] {
        for chunked in [false, true] {
            let mut client = house.client();
            client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
            client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
            if chunked {
                client.send(b"BDAT 1000 LAST\r\nSubject: t\r\n");
            } else {
                client.wants("DATA", "354 ");
                client.send(b"Subject: t\r\n\r\n.\r");
            }
            if abruptly {
                client.stream().reset();
            }
        }
    }
    house.close();
    assert_eq!(house.folder.tree(), Vec::<String>::new());
}

/// Nobody hears the reply, so the message may be there or not, but never in part.
#[test]
fn a_client_that_leaves_before_the_reply_leaves_all_or_nothing() {
    let mut house = House::new("maildir: {path: \"${ROOT}/{host}/{user}\", durability: none}");
    let content = b"Subject: t\r\n\r\nthe whole of it\r\n".repeat(1000);
    for round in 0..40 {
        let mut client = house.client();
        client.begin(SENDER, &[BOB]);
        client.send(&mail_data(&content));
        if round % 2 == 0 {
            client.stream().reset();
        }
    }
    house.close();
    let mails = house.folder.mails("example.org/bob");
    assert!(mails.len() <= 40 && mails.len() >= 20, "{}", mails.len());
    let whole = crate::house::lf(&content);
    assert!(mails.iter().all(|mail| mail.content == whole));
}

/// As many descriptors as this process may have; other tests need some too.
fn descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum it may be raised");
    limit.maximum.map_or(usize::MAX, |maximum| {
        usize::try_from(maximum).unwrap_or(usize::MAX)
    })
}

/// Each takes one descriptor here and one in the server, which is in this process too.
#[test]
fn many_idle_clients_are_no_burden() {
    let count = ((descriptors() - 500) / 2).min(1000);
    let mut house = House::new(
        "limits: {connections: 2000, connections_per_ip: 2000}\ntimeouts: {command: 10m}",
    );
    let address = house.address().clone();
    let begun = Instant::now();
    let mut idle: Vec<Client> = (0..count).map(|_| Client::connect(&address)).collect();
    for client in &mut idle {
        client.hears("220 ");
    }
    let reply = house
        .client()
        .deliver(SENDER, &[BOB], b"Subject: t\r\n\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    house.close();
    for client in &mut idle {
        client.hears("421 4.3.2 ");
        client.is_left();
    }
}

/// An address that nobody listens at: the program does not say which it takes for its figures.
#[cfg(feature = "metrics")]
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// Who finds no descriptor waits until others leave, and the server does not spin meanwhile.
#[test]
fn a_lack_of_descriptors_passes() {
    let folder = Folder::new();
    let yaml = "limits: {connections_per_ip: 100}";
    configure(&folder, yaml);
    let mut few = shell(&folder, "ulimit -n 40; exec \"$@\"", &["-c", "config.yaml"]);
    #[cfg(feature = "metrics")]
    let endpoint = {
        let address = free_address();
        few.env("MAIASAURA__METRICS__ADDRESS", address.to_string());
        address
    };
    let program = Program::introduced(few, yaml);
    program.stderr.wait("few file descriptors", 1);
    let mut clients: Vec<Client> = (0..60)
        .map(|_| Client::connect(program.address()))
        .collect();
    clients[0].hears("220 ");
    program.stderr.wait(LACK, 1);
    #[cfg(feature = "metrics")]
    let asking = TcpStream::connect(endpoint).expect("it listens");
    let places = if cfg!(feature = "metrics") { 2 } else { 1 };
    program.stderr.wait(LACK, places);
    let before = program.processor_time();
    // Of what does not happen no event tells.
    thread::sleep(Duration::from_secs(1));
    let spent = program.processor_time() - before;
    assert!(spent < 20, "{spent} hundredths of a second");
    let said = program.stderr.wait(LACK, places);
    assert_eq!(said.len(), places, "{said:#?}");
    #[cfg(feature = "metrics")]
    drop(asking);
    clients[0].wants("NOOP", "250 ");
    let mut last = clients.split_off(40);
    drop(clients);
    for client in &mut last {
        client.hears("220 ");
    }
    let reply = program
        .client()
        .deliver(SENDER, &[BOB], b"Subject: t\r\n\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    program.stop();
}
