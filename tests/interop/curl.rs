//! curl, which sends a file over smtp://.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::slice;

use crate::content::{awkward, noise, to_lf};
use crate::program::{program, run, shown, succeed};
use crate::receiver::Receiver;

#[test]
fn sends_a_file() {
    let receiver = Receiver::start();
    let message = awkward("curl");
    let file = receiver.folder().join("message");
    fs::write(&file, &message).expect("a file");
    let mut curl = curl(receiver.smtp, &file);
    succeed(curl.args([
        "--mail-rcpt",
        "one@localhost",
        "--mail-rcpt",
        "two@example.org",
    ]));
    receiver
        .maildir("one@localhost")
        .holds(slice::from_ref(&message));
    receiver.maildir("two@example.org").holds(&[message]);
    receiver.finish();
}

#[test]
fn sends_20_mb() {
    let receiver = Receiver::start();
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    for line in noise(10_000_000).chunks(38) {
        message.extend(
            line.iter()
                .flat_map(|octet| format!("{octet:02x}").into_bytes()),
        );
        message.extend_from_slice(b"\r\n");
    }
    let file = receiver.folder().join("message");
    fs::write(&file, &message).expect("a file");
    let mut curl = curl(receiver.smtp, &file);
    succeed(curl.args(["--mail-rcpt", "you@localhost"]));
    receiver.maildir("you@localhost").holds(&[message]);
}

/// curl sends the line ends of the file; LF alone is refused, and `--crlf` mends it.
#[test]
fn sends_a_file_with_lf() {
    let mut receiver = Receiver::start();
    let message = to_lf(&awkward("curl"));
    let file = receiver.folder().join("message");
    fs::write(&file, &message).expect("a file");
    let mut curl = curl(receiver.smtp, &file);
    curl.args(["--mail-rcpt", "you@localhost"]);
    // 8: an odd reply, which is what curl says of a refused message.
    let output = run(&curl);
    assert_eq!(output.status.code(), Some(8), "{}", shown(&output));
    receiver.maildir("you@localhost").holds(&[]);
    receiver.logged(&["session with refusals", "554 5.6.0 "]);
    succeed(curl.arg("--crlf"));
    receiver.maildir("you@localhost").holds(&[message]);
}

#[test]
fn hears_of_a_refused_recipient() {
    let receiver = Receiver::start();
    let file = receiver.folder().join("message");
    fs::write(&file, awkward("curl")).expect("a file");
    let mut curl = curl(receiver.smtp, &file);
    curl.args(["--mail-rcpt", "you@elsewhere.test"]);
    let output = run(&curl);
    // 55: sending failed, which is what curl says of a refused recipient.
    assert_eq!(output.status.code(), Some(55), "{}", shown(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("550"),
        "{}",
        shown(&output)
    );
}

/// An upload of `file` without its recipients.
fn curl(port: u16, file: &Path) -> Command {
    let mut curl = program("curl");
    let server = format!("smtp://127.0.0.1:{port}/client.test");
    curl.args([
        "--silent",
        "--show-error",
        &server,
        "--mail-from",
        "me@localhost",
    ]);
    curl.arg("--upload-file").arg(file);
    curl
}
