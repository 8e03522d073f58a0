//! notmuch, which indexes a Maildir and writes its tags back as flags.

use std::fs;
use std::process::Command;

use crate::content::awkward;
use crate::deliver::deliver;
use crate::program::{feed, program, succeed};
use crate::receiver::Receiver;

const SETTINGS: &str = "\
[database]
path=FOLDER/maildirs
[user]
name=me
primary_email=you@localhost
[new]
tags=unread;inbox
[maildir]
synchronize_flags=true
";

#[test]
fn indexes_shows_and_flags() {
    let receiver = Receiver::start();
    let settings = receiver.folder().join("notmuch");
    let place = receiver.folder().display().to_string();
    fs::write(&settings, SETTINGS.replace("FOLDER", &place)).expect("a file");
    let maildir = receiver.maildir("you@localhost");
    let ask = |arguments: &[&str]| {
        let mut notmuch: Command = program("notmuch");
        notmuch
            .env("HOME", receiver.folder())
            .env("NOTMUCH_CONFIG", &settings);
        succeed(notmuch.args(arguments))
    };
    let mut sent = Vec::new();
    for round in 1..=3 {
        for number in 0..5 {
            sent.push(awkward(&format!("{round}-{number}")));
            let output = feed(
                &deliver(&receiver, &["you@localhost"]),
                &sent[sent.len() - 1],
            );
            assert!(output.status.success());
        }
        ask(&["new"]);
        assert_eq!(
            ask(&["count", "*"]),
            format!("{}\n", round * 5).into_bytes()
        );
        // Reading a message moves it to cur, while the next ones go to new.
        ask(&["tag", "-unread", &format!("id:{round}-0@localhost")]);
        assert_eq!(maildir.files("cur").len(), round);
    }
    for message in maildir.messages() {
        let content = String::from_utf8_lossy(message.content()).into_owned();
        let (_, id) = content.split_once("Message-ID: <").expect("an id");
        let (id, _) = id.split_once('>').expect("its end");
        assert_eq!(
            ask(&["show", "--format=raw", &format!("id:{id}")]),
            message.octets
        );
    }
    maildir.holds(&sent);
    receiver.finish();
}
