//! Long lists of host patterns are changed while mail comes in.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::client::Client;
use crate::house::House;

use super::{BOB, MAIL, SENDER};

/// Without optimization all is some twenty times as slow.
const COUNT: usize = if cfg!(debug_assertions) {
    5_000
} else {
    100_000
};

/// So many patterns of all forms, with `word` in each of them.
fn configuration(word: &str, count: usize) -> String {
    let mut yaml = String::from("recipients:\n  hosts:\n    - example.org\n");
    for number in 0..count {
        let pattern = match number % 4 {
            0 => format!("{word}{number}.example"),
            1 => format!("*.{word}{number}.example"),
            2 => format!("mx?.{word}{number}.*.example"),
            _ => format!("{{customer}}.{word}{number}.example"),
        };
        let _ = writeln!(yaml, "    - \"{pattern}\"");
    }
    yaml
}

fn takes(house: &House, host: &str) -> bool {
    let mut client = house.client();
    client.wants("MAIL FROM:<s@c.test>", "250 ");
    client
        .say(&format!("RCPT TO:<bob@{host}>"))
        .starts_with("250 ")
}

/// Prints how long it takes: `tests/reload` shows that for a release.
#[test]
fn a_long_list_is_changed_while_mail_comes_in() {
    let lists = ["one", "two"].map(|word| configuration(word, COUNT));
    let mut house = House::new(&lists[0]);
    let address = house.address().clone();
    let (is_over, delivered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let deliver = || {
            let mut client = Client::greeted(&address);
            while !is_over.load(Ordering::Relaxed) {
                let reply = client.deliver(SENDER, &[BOB], MAIL);
                assert!(reply.starts_with("250 "), "{reply}");
                delivered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let client = scope.spawn(deliver);
        let mut slowest = 0;
        for round in 1..=6 {
            let begun = Instant::now();
            house.reload(&lists[round % 2]).expect("it is sound");
            slowest = slowest.max(begun.elapsed().as_millis());
            let words = ["one", "two"];
            let (there, gone) = (words[round % 2], words[(round + 1) % 2]);
            for host in ["4.example", "5.example", "7.example"].map(|rest| format!("{there}{rest}"))
            {
                let host = if host.contains('4') {
                    host
                } else {
                    format!("a.{host}")
                };
                assert!(takes(&house, &host), "{host}");
                assert!(!takes(&house, &host.replace(there, gone)), "{host}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
        client.join().expect("it hears 250 only");
        let delivered = delivered.load(Ordering::Relaxed);
        println!(
            "reload: {COUNT} host patterns, from the text on, in {slowest} ms at most; {delivered} messages meanwhile"
        );
    });
    let mails = house.folder.mails("example.org/bob").len();
    assert_eq!(mails, delivered.into_inner());
}
