//! mutt, in a terminal that nobody sees.

use std::fs;
use std::path::Path;

use crate::content::awkward;
use crate::deliver::deliver;
use crate::program::{feed, program, succeed};
use crate::receiver::Receiver;

/// Prints all messages to a file, octet for octet, and leaves the Maildir as it is.
const PRINT: &str = r#"
set wait_key=no pipe_decode=no pipe_split=yes pipe_sep=""
push "<tag-pattern>.<enter><tag-prefix><pipe-message>cat >>PRINTED<enter><exit>"
"#;

/// Reads the first message, flags the second, and leaves.
const READ: &str = r#"
set wait_key=no quit=yes sort=mailbox-order
push "<display-message><exit><next-entry><flag-message><quit>"
"#;

#[test]
fn prints_every_message() {
    let receiver = Receiver::start();
    let sent: Vec<Vec<u8>> = (0..5).map(|number| awkward(&number.to_string())).collect();
    for message in &sent {
        assert!(
            feed(&deliver(&receiver, &["you@localhost"]), message)
                .status
                .success()
        );
    }
    let maildir = receiver.maildir("you@localhost");
    let printed = print(
        receiver.folder(),
        &format!("mutt -f {}", maildir.0.display()),
    );
    let mut length = 0;
    for message in maildir.messages() {
        let octets = &message.octets;
        assert!(
            printed.windows(octets.len()).any(|part| part == octets),
            "{}",
            message.name
        );
        length += octets.len();
    }
    assert_eq!(printed.len(), length);
    maildir.holds(&sent);
}

#[test]
fn moves_messages_while_others_arrive() {
    let receiver = Receiver::start();
    let maildir = receiver.maildir("you@localhost");
    let mut sent = Vec::new();
    for number in 0..6 {
        sent.push(awkward(&number.to_string()));
        let output = feed(&deliver(&receiver, &["you@localhost"]), &sent[number]);
        assert!(output.status.success());
        if number == 2 {
            run(
                receiver.folder(),
                READ,
                &format!("mutt -f {}", maildir.0.display()),
            );
        }
    }
    let seen: Vec<_> = maildir.files("cur");
    let flags = |flags: &str| {
        seen.iter()
            .filter(|file| file.to_string_lossy().ends_with(flags))
            .count()
    };
    assert_eq!((flags(":2,S"), flags(":2,F")), (1, 1), "{seen:?}");
    assert!(maildir.files("new").len() >= 3);
    maildir.holds(&sent);
    receiver.finish();
}

/// Runs a command line that ends in mutt, as if somebody read all messages, and returns them.
pub fn print(folder: &Path, line: &str) -> Vec<u8> {
    let printed = folder.join("printed");
    run(
        folder,
        &PRINT.replace("PRINTED", &printed.display().to_string()),
        line,
    );
    fs::read(&printed).expect("what mutt printed")
}

/// Runs a command line that ends in mutt, with these settings, in a terminal of its own.
fn run(folder: &Path, settings: &str, line: &str) {
    program("mutt");
    // Else mutt asks whether to make it.
    fs::create_dir_all(folder.join("Mail")).expect("a folder");
    fs::write(folder.join(".muttrc"), settings).expect("a file");
    let mut terminal = program("script");
    terminal
        .current_dir(folder)
        .env("HOME", folder)
        .env("TERM", "xterm");
    // A terminal without a size is none for newer curses.
    let line = format!("stty rows 24 cols 80; {line}");
    succeed(terminal.args(["-qec", &line, "/dev/null"]));
}
