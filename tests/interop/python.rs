//! Python: smtplib sends, mailbox reads.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::{script, succeed};
use crate::receiver::Receiver;

#[test]
fn sends_eight_bits() {
    let (receiver, sent) = sends("eight_bit");
    receiver.maildir("you@localhost").holds(&sent);
    receiver.finish();
}

#[test]
fn sends_to_addresses_in_utf8() {
    let (receiver, sent) = sends("utf8_addresses");
    let maildir = receiver.maildir("%C3%B6sterreich@localhost");
    maildir.holds(&sent);
    let trace = maildir.message().trace();
    assert!(
        trace.starts_with("Return-Path: <jürgen@xn--bcher-kva.test>\n"),
        "{trace}"
    );
    assert!(
        trace.contains("Delivered-To: österreich@localhost\n"),
        "{trace}"
    );
    assert!(trace.contains("with UTF8SMTP id"), "{trace}");
}

#[test]
fn sends_an_attachment_of_20_mb() {
    let (receiver, sent) = sends("attachment");
    receiver.maildir("you@localhost").holds(&sent);
}

#[test]
fn sends_dots() {
    let (receiver, sent) = sends("dots");
    receiver.maildir("you@localhost").holds(&sent);
}

#[test]
fn sends_next_to_nothing() {
    let (receiver, sent) = sends("empty");
    receiver.maildir("you@localhost").holds(&sent);
}

#[test]
fn sends_to_a_hundred() {
    let (receiver, sent) = sends("hundred_recipients");
    for number in 0..100 {
        receiver
            .maildir(&format!("u{number}@localhost"))
            .holds(&sent);
    }
}

#[test]
fn hears_the_fate_of_each_recipient() {
    let keys = "recipients: {hosts: [localhost], users: {one: , two: , full: {quota: 1000}}}\n";
    let receiver = Receiver::with(keys);
    let sent = send("results_of_each", &receiver);
    receiver.maildir("one@localhost").holds(&sent);
    receiver.maildir("two@localhost").holds(&sent);
    receiver.maildir("full@localhost").holds(&[]);
}

#[test]
fn sends_chunks() {
    let (receiver, sent) = sends("chunks");
    receiver.maildir("you@localhost").holds(&sent);
}

#[test]
fn sends_octets_that_are_no_lines() {
    let (receiver, sent) = sends("binary");
    // Line ends are part of such content, so they are stored as they came.
    assert_eq!(
        receiver.maildir("you@localhost").message().content(),
        sent[0]
    );
}

#[test]
fn smuggles_nothing() {
    let (receiver, _) = sends("smuggled");
    receiver.maildir("you@localhost").holds(&[]);
}

#[test]
fn reads_while_mail_arrives() {
    let receiver = Receiver::start();
    let maildir = receiver.maildir("you@localhost");
    let folder = TempDir::new().expect("a temporary folder");
    let mut reader = script("reader.py");
    reader.arg(receiver.smtp.to_string()).arg(&maildir.0);
    succeed(reader.arg(folder.path()).arg("300"));
    assert_eq!(maildir.files("cur").len(), 100);
    maildir.holds(&read_all(&folder));
    receiver.finish();
}

/// Sends what client.py has for this subject, to a receiver for everybody.
fn sends(subject: &str) -> (Receiver, Vec<Vec<u8>>) {
    let receiver = Receiver::start();
    let sent = send(subject, &receiver);
    (receiver, sent)
}

fn send(subject: &str, receiver: &Receiver) -> Vec<Vec<u8>> {
    let folder = TempDir::new().expect("a temporary folder");
    let ports = [receiver.smtp, receiver.lmtp].map(|port| port.to_string());
    succeed(
        script("client.py")
            .arg(subject)
            .args(ports)
            .arg(folder.path()),
    );
    read_all(&folder)
}

fn read_all(folder: &TempDir) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files
        .iter()
        .map(|file| fs::read(file).expect("a file"))
        .collect()
}
