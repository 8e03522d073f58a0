//! What the figures tell.

use std::thread;
use std::time::{Duration, Instant};

use crate::program::{program, succeed};
use crate::receiver::Receiver;

/// How long a figure may take to be so on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(20);

/// The keys of an endpoint for them.
pub const KEYS: &str = "metrics: {address: '127.0.0.1:0'}\n";

/// Waits until these figures about ACME are so; returns all of them.
pub fn told(receiver: &mut Receiver, expected: &[&str]) -> String {
    let line = receiver.logged(&["figures", "http://"]);
    let (_, url) = line.split_once(" on ").expect("it says where");
    let began = Instant::now();
    loop {
        let mut curl = program("curl");
        let text = succeed(curl.args(["--silent", "--fail", "-H", "Accept: text/plain", url]));
        let text = String::from_utf8(text).expect("text");
        let acme: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("maiasaura_acme_") || line.contains("part=\"acme\""))
            .collect();
        if expected.iter().all(|line| acme.contains(line)) {
            return acme.join("\n");
        }
        assert!(began.elapsed() < PATIENCE, "{expected:?}: {acme:#?}");
        thread::sleep(GLANCE);
    }
}
