//! swaks, the Swiss army knife for SMTP. What it says it sent is compared with what is stored.

use std::fs;
use std::process::{Command, Output};
use std::slice;

use crate::content::{awkward, noise};
use crate::program::{program, run, shown};
use crate::receiver::Receiver;

/// Beyond what anybody reads in one piece, as base64 27 MB.
const LARGE: usize = 20_000_000;

#[test]
fn sends_a_plain_message() {
    let receiver = Receiver::start();
    let mut swaks = to(&receiver.smtp_address(), "you@localhost");
    let sent = accepted(&mut swaks);
    assert!(sent.ends_with(b"This is a test mailing\r\n\r\n\r\n"));
    receiver.maildir("you@localhost").holds(&[sent]);
    receiver.finish();
}

#[test]
fn sends_eight_bits_and_dots() {
    let receiver = Receiver::start();
    let file = receiver.folder().join("message");
    fs::write(&file, awkward("swaks")).expect("a file");
    let mut swaks = to(&receiver.smtp_address(), "you@localhost");
    let sent = accepted(swaks.arg("--data").arg(format!("@{}", file.display())));
    assert!(sent.starts_with(&awkward("swaks")));
    receiver.maildir("you@localhost").holds(&[sent]);
}

#[test]
fn sends_an_attachment_of_20_mb() {
    let receiver = Receiver::start();
    let file = receiver.folder().join("noise.bin");
    fs::write(&file, noise(LARGE)).expect("a file");
    let mut swaks = to(&receiver.smtp_address(), "you@localhost");
    let sent = accepted(swaks.arg("--attach").arg(format!("@{}", file.display())));
    assert!(sent.len() > LARGE * 4 / 3);
    receiver.maildir("you@localhost").holds(&[sent]);
}

#[test]
fn pipelines() {
    let receiver = Receiver::start();
    let mut swaks = to(&receiver.smtp_address(), "one@localhost,two@localhost");
    let sent = accepted(swaks.arg("--pipeline"));
    receiver
        .maildir("one@localhost")
        .holds(slice::from_ref(&sent));
    receiver.maildir("two@localhost").holds(&[sent]);
}

#[test]
fn speaks_lmtp() {
    let receiver = Receiver::start();
    let recipients = "one@localhost,two@localhost,three@example.org";
    let mut swaks = to(&receiver.lmtp_address(), recipients);
    let sent = accepted(swaks.args(["--protocol", "LMTP"]));
    for recipient in recipients.split(',') {
        let maildir = receiver.maildir(recipient);
        maildir.holds(slice::from_ref(&sent));
        assert!(maildir.message().trace().contains("with LMTP id"));
    }
}

#[test]
fn speaks_smtp_and_lmtp_over_unix_sockets() {
    let receiver = Receiver::start();
    for (protocol, socket, recipient) in [
        ("ESMTP", "smtp.sock", "one@localhost"),
        ("LMTP", "lmtp.sock", "two@localhost"),
    ] {
        let mut swaks = program("swaks");
        swaks.args([
            "--protocol",
            protocol,
            "--from",
            "me@localhost",
            "--to",
            recipient,
        ]);
        let sent = accepted(swaks.arg("--socket").arg(receiver.folder().join(socket)));
        receiver.maildir(recipient).holds(&[sent]);
    }
    receiver.finish();
}

#[test]
fn hears_of_a_refused_recipient() {
    let receiver = Receiver::with("recipients: {hosts: [localhost], users: [known]}\n");
    let swaks = to(
        &receiver.smtp_address(),
        "known@localhost,unknown@localhost",
    );
    let output = run(&swaks);
    let transcript = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", shown(&output));
    assert!(transcript.contains("\n<** 550 5.1.1 "), "{transcript}");
    receiver.maildir("known@localhost").holds(&[sent(&output)]);

    // With nobody left, swaks says so with its exit code 24.
    let swaks = to(&receiver.smtp_address(), "unknown@localhost");
    let output = run(&swaks);
    assert_eq!(output.status.code(), Some(24), "{}", shown(&output));
    receiver.maildir("known@localhost").message();
}

/// A message to these recipients, with commas between them.
fn to(server: &str, recipients: &str) -> Command {
    let mut swaks = program("swaks");
    swaks.args([
        "--server",
        server,
        "--from",
        "me@localhost",
        "--to",
        recipients,
    ]);
    swaks
}

/// Runs swaks, which must succeed without a complaint, and returns what it sent.
fn accepted(swaks: &mut Command) -> Vec<u8> {
    let output = run(swaks);
    let complained = output.stdout.windows(3).any(|octets| octets == b"<**");
    assert!(output.status.success() && !complained, "{}", shown(&output));
    sent(&output)
}

/// The content that its transcript shows between DATA and the dot that ends it, with the CR of
/// every line.
fn sent(output: &Output) -> Vec<u8> {
    let mut content = Vec::new();
    let lines = output.stdout.split(|&octet| octet == b'\n');
    let said = lines.filter_map(|line| line.strip_prefix(b" -> "));
    for line in said.skip_while(|line| *line != b"DATA").skip(1) {
        if line == b"." {
            return content;
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        content.push(b'\n');
    }
    panic!("no end of the content:\n{}", shown(output));
}
