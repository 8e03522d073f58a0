//! How the program ends: asked to, in a hurry, or killed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use maiasaura::server::Address;
use rustix::process::Signal;

use crate::client::{Client, Stream};
use crate::house::{Folder, Stored, eventually};
use crate::process::{Ended, Program};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";

/// A client of whose message half has come, which the server knows by its reply to the first chunk.
fn half_way(program: &Program) -> Client {
    let mut client = program.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.send(b"BDAT 14\r\nSubject: t\r\n\r\n");
    client.hears("250 ");
    client
}

#[test]
fn idle_clients_are_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let program = Program::serve(&folder, "");
        let (mut greeted, mut silent) = (program.client(), Client::connect(program.address()));
        silent.hears("220 ");
        program.signal(signal);
        for client in [&mut greeted, &mut silent] {
            client.hears("421 4.3.2 ");
            client.is_left();
        }
        let address = program.address().clone();
        assert_eq!(program.end().code, Some(0));
        assert!(Stream::connect(&address).is_err());
    }
}

#[test]
fn a_message_that_has_begun_is_finished() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "");
    let mut in_data = program.client();
    in_data.begin(SENDER, &[BOB]);
    let mut in_chunks = half_way(&program);
    let mut idle = program.client();
    program.signal(Signal::TERM);
    idle.hears("421 4.3.2 ");
    in_data.send(b"Subject: t\r\n\r\n.\r\n");
    in_chunks.send(b"BDAT 4 LAST\r\nend.");
    for client in [&mut in_data, &mut in_chunks] {
        client.hears("250 2.0.0 ");
        client.hears("421 4.3.2 ");
        client.is_left();
    }
    assert_eq!(program.end().code, Some(0));
    assert_eq!(folder.mails("example.org/bob").len(), 2);
    assert!(folder.leftovers().is_empty());
}

#[test]
fn who_does_not_finish_is_cut_off() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "timeouts: {shutdown: 300ms}");
    let mut hung = program.client();
    hung.begin(SENDER, &[BOB]);
    hung.send(b"Subject: half of it\r\n");
    let begun = Instant::now();
    let ended = program.stop();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    hung.is_left();
    assert_eq!(folder.mail_count() + folder.leftovers().len(), 0);
    assert!(
        ended.stderr.iter().any(|line| line.contains("cut off")),
        "{ended:#?}"
    );
}

#[test]
fn the_second_signal_ends_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let program = Program::serve(&folder, "timeouts: {shutdown: 10m}");
        let mut hung = half_way(&program);
        program.signal(Signal::TERM);
        program.stderr.wait("stopping", 1);
        program.signal(second);
        let ended = program.end();
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        hung.is_left();
        assert_eq!(folder.mail_count() + folder.leftovers().len(), 0);
    }
}

/// Delivers until the server is gone; the names of the messages that were acknowledged.
fn deliver_until_it_ends(
    address: &Address,
    client: usize,
    acknowledged: &AtomicUsize,
) -> Vec<String> {
    let mut names = Vec::new();
    let mut client_of = Client::greeted(address);
    for number in 0.. {
        let name = format!("{client}-{number}");
        let content = [message(&name).as_bytes(), b".\r\n"].concat();
        let commands = format!("MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n");
        if client_of.try_send(commands.as_bytes()).is_err() {
            break;
        }
        let replies = [client_of.reply(), client_of.reply(), client_of.reply()];
        if !replies[2].starts_with("354") || client_of.try_send(&content).is_err() {
            break;
        }
        if !client_of.reply().starts_with("250 ") {
            break;
        }
        names.push(name);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    names
}

/// A message that shows whether it is whole.
fn message(name: &str) -> String {
    format!(
        "X-Name: {name}\r\n\r\n{}the end of {name}\r\n",
        "line after line\r\n".repeat(500)
    )
}

/// The name of a whole message; what is not whole is a panic.
fn name_of(mail: &Stored) -> String {
    let text = String::from_utf8(mail.content.clone()).expect("it is text");
    let name = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("X-Name: "));
    let name = name.expect("it begins with its name").to_owned();
    assert_eq!(text, message(&name).replace("\r\n", "\n"));
    name
}

/// Four clients deliver; once `enough` messages are acknowledged the program gets a signal. Returns
/// the names of all that were acknowledged.
fn signal_under_load(
    program: &Program,
    round: usize,
    enough: usize,
    signal: Signal,
) -> Vec<String> {
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let deliver = |client| {
            let (address, acknowledged) = (program.address(), &acknowledged);
            scope.spawn(move || deliver_until_it_ends(address, 10 * round + client, acknowledged))
        };
        let clients: Vec<_> = (0..4).map(deliver).collect();
        eventually("some mail is acknowledged", || {
            acknowledged.load(Ordering::Relaxed) > enough
        });
        program.signal(signal);
        let names = clients
            .into_iter()
            .map(|client| client.join().expect("it does not panic"));
        names.flatten().collect()
    })
}

/// Asked to stop while clients deliver, it stores what it acknowledges and nothing else.
#[test]
fn stopped_under_load_it_keeps_its_word() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "");
    let names = signal_under_load(&program, 0, 20, Signal::TERM);
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let promised: BTreeSet<String> = names.into_iter().collect();
    let mails = folder.mails("example.org/bob");
    assert_eq!(mails.len(), promised.len());
    assert_eq!(mails.iter().map(name_of).collect::<BTreeSet<_>>(), promised);
    assert!(folder.leftovers().is_empty());
}

/// Kills the program while clients deliver, again and again: what was acknowledged is there, once
/// and whole, and nothing in `new/` is in part.
#[test]
fn killed_under_load_it_loses_nothing() {
    let folder = Folder::new();
    let mut promised = BTreeSet::new();
    for round in 0..10 {
        let program = Program::serve(&folder, "");
        let names = signal_under_load(&program, round, 5 + 3 * round, Signal::KILL);
        promised.extend(names);
        let Ended { code, .. } = program.end();
        assert_eq!(code, None);
    }
    let mails = folder.mails("example.org/bob");
    let found: BTreeSet<String> = mails.iter().map(name_of).collect();
    assert_eq!(found.len(), mails.len(), "a message is there twice");
    let lost: Vec<_> = promised.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", promised.len());
}
