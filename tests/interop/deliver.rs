//! `maiasaura deliver` as other programs call it: the message on standard input.

use std::fs;
use std::process::Command;

use crate::content::awkward;
use crate::program::{MAIASAURA, feed, program, shown, succeed};
use crate::receiver::Receiver;

#[test]
fn from_a_pipe_of_the_shell() {
    let receiver = Receiver::start();
    let mut shell = program("sh");
    shell
        .current_dir(receiver.folder())
        .env("PROGRAM", MAIASAURA);
    let line = "printf 'Subject: pipe\\n\\n.\\nlast' | \"$PROGRAM\" -c maiasaura.yaml \
                deliver -f me@localhost you@localhost";
    succeed(shell.args(["-c", line]));
    receiver
        .maildir("you@localhost")
        .holds(&[b"Subject: pipe\n\n.\nlast".to_vec()]);
}

#[test]
fn to_several_while_the_receiver_runs() {
    let receiver = Receiver::start();
    for number in 0..5 {
        let message = awkward(&number.to_string());
        let output = feed(
            &deliver(&receiver, &["one@localhost", "two@example.org"]),
            &message,
        );
        assert!(output.status.success(), "{}", shown(&output));
    }
    let sent: Vec<Vec<u8>> = (0..5).map(|number| awkward(&number.to_string())).collect();
    receiver.maildir("one@localhost").holds(&sent);
    receiver.maildir("two@example.org").holds(&sent);
    receiver.finish();
}

#[test]
fn as_postfix_pipes_it() {
    let receiver = Receiver::start();
    // flags=DR of pipe(8): Postfix writes these two fields before the message, lines end in LF.
    let message = "Return-Path: <me@c.test>\nDelivered-To: info@c.test\nSubject: t\n\nbody\n";
    let arguments = ["-f", "me@c.test", "-a", "info@example.org", "you@localhost"];
    let output = feed(&deliver(&receiver, &arguments), message.as_bytes());
    assert!(output.status.success(), "{}", shown(&output));
    let stored = receiver.maildir("you@localhost").message();
    assert_eq!(
        stored.trace().matches("Return-Path: <me@c.test>\n").count(),
        1
    );
    assert!(stored.trace().contains("X-Original-To: info@example.org\n"));
    assert_eq!(
        stored.content(),
        b"Delivered-To: info@c.test\nSubject: t\n\nbody\n"
    );
}

#[test]
fn exit_codes() {
    let receiver =
        Receiver::with("recipients: {hosts: [localhost], users: {known: , full: {quota: 100}}}\n");
    let message = awkward("exit codes");
    for (arguments, code) in [
        (vec!["known@localhost"], 0),
        (vec![], 64),
        (vec!["no address"], 64),
        (vec!["unknown@localhost"], 67),
        (vec!["known@elsewhere.test"], 67),
        (vec!["full@localhost"], 77),
    ] {
        let output = feed(&deliver(&receiver, &arguments), &message);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{}",
            shown(&output)
        );
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            complaint.is_empty(),
            code == 0,
            "{arguments:?}: {complaint}"
        );
    }
    // A file where the Maildirs should be: it may be mended, so Postfix is to try again.
    fs::remove_dir_all(receiver.folder().join("maildirs")).expect("a folder");
    fs::write(receiver.folder().join("maildirs"), "").expect("a file");
    let output = feed(&deliver(&receiver, &["known@localhost"]), &message);
    assert_eq!(output.status.code(), Some(75), "{}", shown(&output));
}

/// `maiasaura deliver` with the configuration and in the folder of `receiver`.
pub fn deliver(receiver: &Receiver, arguments: &[&str]) -> Command {
    let mut command = Command::new(MAIASAURA);
    command.current_dir(receiver.folder());
    command.arg("-c").arg(receiver.configuration());
    command.arg("deliver").args(arguments);
    command
}
