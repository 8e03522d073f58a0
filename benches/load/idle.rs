//! Connections that are only held: how a server fares with clients that say nothing.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::connection::connect;

/// Connections from one source address; a server may limit them, and an address has some 28,000 ports.
const PER_SOURCE: usize = 250;
/// Connections opened before the greetings are read: a server's queue of new connections is bounded.
const BATCH: usize = 100;
/// How long a batch may wait for its greetings.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens `count` connections from 127.0.0.2 on and reads their greetings. Returns those that were greeted, and
/// those still waiting for it: they weigh on the server too.
pub fn hold(server: SocketAddr, count: usize) -> (Vec<TcpStream>, Vec<TcpStream>) {
    let (mut greeted, mut waiting) = (Vec::new(), Vec::new());
    let mut opened = 0;
    while opened < count && waiting.is_empty() {
        let batch = opened..count.min(opened + BATCH);
        opened = batch.end;
        waiting = batch
            .filter_map(|number| connect(server, source(server, number)).ok())
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while !waiting.is_empty() && Instant::now() < deadline {
            let (ready, rest) = waiting.into_iter().partition(is_greeted);
            greeted.extend::<Vec<_>>(ready);
            waiting = rest;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    (greeted, waiting)
}

/// The address that connection `number` comes from: IPv6 has but one for loopback.
fn source(server: SocketAddr, number: usize) -> Option<IpAddr> {
    let last = u8::try_from(2 + (number / PER_SOURCE) % 250).expect("at most 251");
    server
        .is_ipv4()
        .then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}

/// Whether the greeting has come.
fn is_greeted(mut socket: &TcpStream) -> bool {
    let mut greeting = [0; 512];
    socket
        .read(&mut greeting)
        .is_ok_and(|count| greeting[..count].starts_with(b"220"))
}
