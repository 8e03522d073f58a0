//! LMTP, over a Unix socket and over TCP.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::content::{awkward, noise, to_lf};
use crate::maildir::Stored;
use crate::mta::{BOTH, Kind, Mta, Way, open_to_all};
use crate::program::{MAIASAURA, program, succeed};
use crate::receiver::{Receiver, folder};
use crate::service::free_port;
use crate::tap::{Talk, Tap};

/// Two mailboxes, and a third that holds one small message.
const KEYS: &str =
    "recipients: {hosts: [example.org], users: {good: , sender: , full: {quota: 3kB}}}\n";
const SENDER: &str = "sender@example.org";

/// The ways of LMTP: whether it is a Unix socket.
const WAYS: [bool; 2] = [true, false];

fn tap(receiver: &Receiver, is_unix: bool) -> Tap {
    if is_unix {
        let folder = receiver.folder();
        Tap::unix(folder.join("tap.sock"), &folder.join("lmtp.sock"))
    } else {
        Tap::inet(receiver.lmtp)
    }
}

/// Waits for one message in a mailbox.
#[track_caller]
fn arrived(mta: &dyn Mta, receiver: &Receiver, mailbox: &str) -> Stored {
    mta.until(&format!("a message for {mailbox}"), || {
        let is_there = receiver.maildir(mailbox).files("new").len() == 1;
        is_there.then(|| receiver.maildir(mailbox).message())
    })
}

fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(stored.content()).into_owned()
}

/// In one transaction one message is delivered, one is returned with our reply, and one waits
/// until there is room.
fn recipients_fare_each_on_their_own(kind: Kind, is_unix: bool) {
    let receiver = Receiver::with(KEYS);
    let tap = tap(&receiver, is_unix);
    let mta = &*kind.start(&tap.way);
    let filling = "Subject: filling\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(150);
    mta.send(SENDER, &["full@example.org"], filling.as_bytes(), &[]);
    arrived(mta, &receiver, "full@example.org");

    let all = ["good@example.org", "nosuch@example.org", "full@example.org"];
    mta.send(SENDER, &all, &awkward("three"), &[]);
    let good = arrived(mta, &receiver, "good@example.org");
    assert!(
        good.content().ends_with(&to_lf(&awkward("three"))),
        "{}",
        text(&good)
    );
    let bounce = arrived(mta, &receiver, SENDER);
    assert!(
        bounce.trace().starts_with("Return-Path: <>\n"),
        "{}",
        bounce.trace()
    );
    for word in ["nosuch@example.org", "550", "5.1.1", "User unknown"] {
        assert!(text(&bounce).contains(word), "{word} in\n{}", text(&bounce));
    }
    mta.waits(&["full@example.org", "4.2.2", "Mailbox full"]);
    in_one_transaction(&tap.talks(), &all);

    // As a reader does that does not keep this file: it is counted anew then.
    let maildir = receiver.maildir("full@example.org");
    for file in maildir
        .files("new")
        .iter()
        .chain([&maildir.0.join("maildirsize")])
    {
        fs::remove_file(file).expect("it is there");
    }
    mta.empty();
    let full = receiver.maildir("full@example.org").message();
    assert!(
        full.content().ends_with(&to_lf(&awkward("three"))),
        "{}",
        text(&full)
    );
    receiver.maildir("good@example.org").message();
    receiver.maildir(SENDER).message();
    receiver.finish();
}

/// One MAIL, all RCPT, one message.
fn in_one_transaction(talks: &[Talk], all: &[&str]) {
    let mut with_all = talks.iter().map(Talk::mta_said).filter(|said| {
        let mut transactions = said.split("MAIL FROM:").skip(1);
        transactions.any(|transaction| {
            // Exim sends the content in a chunk.
            let end = ["DATA\r\n", "BDAT "]
                .into_iter()
                .filter_map(|word| transaction.find(word));
            let commands = &transaction[..end.min().unwrap_or_default()];
            all.iter()
                .all(|to| commands.contains(&format!("RCPT TO:<{to}>")))
        })
    });
    let said: Vec<String> = talks.iter().map(Talk::mta_said).collect();
    assert!(with_all.next().is_some(), "{said:#?}");
}

#[test]
fn recipients_fare_each_on_their_own_with_postfix() {
    for is_unix in WAYS {
        recipients_fare_each_on_their_own(Kind::Postfix, is_unix);
    }
}

#[test]
fn recipients_fare_each_on_their_own_with_exim() {
    for is_unix in WAYS {
        recipients_fare_each_on_their_own(Kind::Exim, is_unix);
    }
}

/// A receiver at these addresses, which another user may connect to by his group.
fn receiver_at(port: u16, socket: &str, group: &str) -> Receiver {
    Receiver::started_by(KEYS, |configuration| {
        let mut command = Command::new(MAIASAURA);
        command.arg("-c").arg(configuration);
        let address = |number, address: &str| {
            (
                format!("MAIASAURA__LISTENERS__{number}__ADDRESS"),
                address.to_owned(),
            )
        };
        command.envs([
            address(1, &format!("127.0.0.1:{port}")),
            address(3, &format!("unix:{socket}:0660:{group}")),
        ]);
        command
    })
}

/// Mail waits while nobody is there, and comes when somebody is. Nothing is in between here: the
/// MTA has the right to connect by the group of the socket.
fn waits_for_the_receiver(kind: Kind, is_unix: bool) {
    let folder = folder();
    let (port, socket) = (free_port(), folder.path().join("lmtp.sock"));
    let (way, group) = (
        if is_unix {
            Way::Unix(socket.clone())
        } else {
            Way::Inet(port)
        },
        if kind == Kind::Postfix {
            "postfix"
        } else {
            "65534"
        },
    );
    let mta = &*kind.start(&way);
    let sent: Vec<Vec<u8>> = (0..3)
        .map(|number| awkward(&format!("wait-{number}")))
        .collect();
    for message in &sent {
        mta.send(SENDER, &["good@example.org"], message, &[]);
    }
    mta.waits(&["good@example.org"]);
    let receiver = receiver_at(port, &socket.display().to_string(), group);
    mta.empty();
    let stored = receiver.maildir("good@example.org").messages();
    assert_eq!(stored.len(), sent.len());
    for message in &sent {
        let is_it = |stored: &&Stored| stored.content().ends_with(&to_lf(message));
        assert_eq!(stored.iter().filter(is_it).count(), 1);
    }
    receiver.finish();
}

#[test]
fn mail_waits_for_the_receiver_with_postfix() {
    for is_unix in WAYS {
        waits_for_the_receiver(Kind::Postfix, is_unix);
    }
}

#[test]
fn mail_waits_for_the_receiver_with_exim() {
    for is_unix in WAYS {
        waits_for_the_receiver(Kind::Exim, is_unix);
    }
}

/// Many messages over several connections at once: each comes, and comes once.
#[test]
fn many_come_at_once() {
    const MANY: usize = 100;
    for (kind, is_unix) in BOTH
        .into_iter()
        .flat_map(|kind| WAYS.map(|way| (kind, way)))
    {
        let receiver = Receiver::with(KEYS);
        let tap = tap(&receiver, is_unix);
        let mta = &*kind.start(&tap.way);
        let mut source = program("smtp-source");
        source.args(["-s", "10", "-m", &MANY.to_string(), "-l", "3000"]);
        source.args(["-f", SENDER, "-t", "good@example.org"]);
        succeed(source.arg(format!("127.0.0.1:{}", mta.port())));
        let maildir = receiver.maildir("good@example.org");
        mta.until("all messages", || {
            (maildir.files("new").len() >= MANY).then_some(())
        });
        mta.empty();
        let messages = maildir.messages();
        let ids: BTreeSet<String> = messages.iter().map(message_id).collect();
        assert_eq!((messages.len(), ids.len()), (MANY, MANY), "{kind:?}");
        assert!(tap.peak() > 1, "{kind:?}: one connection after the other");
        receiver.finish();
    }
}

fn message_id(message: &Stored) -> String {
    let text = text(message);
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("Message-Id: "));
    id.expect("a Message-Id").to_owned()
}

/// Commands come together where the MTA can do that.
#[test]
fn commands_are_pipelined() {
    for (kind, is_unix) in [
        (Kind::Postfix, true),
        (Kind::Postfix, false),
        (Kind::Exim, false),
    ] {
        let receiver = Receiver::with(KEYS);
        let tap = tap(&receiver, is_unix);
        let mta = &*kind.start(&tap.way);
        mta.send(SENDER, &["good@example.org"], &awkward("pipelined"), &[]);
        arrived(mta, &receiver, "good@example.org");
        let talks = tap.talks();
        let mut pieces = talks.iter().flat_map(|talk| &talk.mta);
        let together = pieces.any(|piece| {
            let piece = String::from_utf8_lossy(piece);
            piece.contains("MAIL FROM:<sender@")
                && piece.contains("RCPT TO:<good@")
                && (piece.contains("DATA\r\n") || piece.contains("BDAT "))
        });
        let said: Vec<String> = talks.iter().map(Talk::mta_said).collect();
        assert!(together, "{kind:?} {said:#?}");
    }
}

/// Eight bits, and a message of many millions of octets.
#[test]
fn contents_come_as_they_were_sent() {
    let mut large = awkward("large");
    for line in noise(20 << 20).chunks(45) {
        large.extend(line.iter().map(|octet| b' ' + octet % 94));
        large.extend(b"\r\n");
    }
    for (kind, is_unix) in BOTH
        .into_iter()
        .flat_map(|kind| WAYS.map(|way| (kind, way)))
    {
        let receiver = Receiver::with(KEYS);
        let tap = tap(&receiver, is_unix);
        let mta = &*kind.start(&tap.way);
        for message in [&awkward("eight"), &large] {
            mta.send(SENDER, &["good@example.org"], message, &["BODY=8BITMIME"]);
            let stored = arrived(mta, &receiver, "good@example.org");
            assert!(stored.content().ends_with(&to_lf(message)), "{kind:?}");
            for file in receiver.maildir("good@example.org").files("new") {
                fs::remove_file(file).expect("it is there");
            }
        }
        mta.empty();
        receiver.finish();
    }
}

/// Addresses in UTF-8, where the MTA can hand them over.
#[test]
fn addresses_may_be_in_utf_8() {
    let keys = "recipients: {hosts: [example.org, bücher.example]}\n";
    for (kind, is_unix) in [
        (Kind::Postfix, true),
        (Kind::Postfix, false),
        (Kind::Exim, false),
    ] {
        let receiver = Receiver::with(keys);
        let tap = tap(&receiver, is_unix);
        let mta = &*kind.start(&tap.way);
        let message = awkward("utf-8");
        mta.send(
            "grüße@example.org",
            &["世界@example.org"],
            &message,
            &["SMTPUTF8", "BODY=8BITMIME"],
        );
        let stored = mta.until("a message", || {
            let folder = receiver.folder().join("maildirs/example.org");
            let is_there = fs::read_dir(folder).is_ok_and(|mut folder| folder.next().is_some());
            let mut all = if is_there {
                receiver.maildirs("example.org")
            } else {
                Vec::new()
            };
            all.pop().filter(|maildir| !maildir.files("new").is_empty())
        });
        let stored = stored.message();
        assert!(
            stored
                .trace()
                .starts_with("Return-Path: <grüße@example.org>\nDelivered-To: 世界@example.org\n"),
            "{}",
            stored.trace()
        );
        assert!(stored.trace().contains("UTF8LMTP"), "{}", stored.trace());
        assert!(
            tap.talks()
                .iter()
                .any(|talk| talk.mta_said().contains(" SMTPUTF8"))
        );
        receiver.finish();
    }
}

/// The settings of the page are settings.
#[test]
fn the_sample_for_the_receiver_is_sound() {
    let folder = folder();
    open_to_all(folder.path());
    let place = folder.path().display().to_string();
    let sample = crate::sample::block(
        "maiasaura.yaml lmtp",
        &[
            ("/run/maiasaura", &place),
            ("127.0.0.1:24", "127.0.0.1:0"),
            ("/var/mail", &place),
        ],
    );
    let path = folder.path().join("maiasaura.yaml");
    fs::write(&path, sample).expect("a file");
    let output = succeed(Command::new(MAIASAURA).args(["check", "-c"]).arg(path));
    let said = String::from_utf8_lossy(&output).into_owned();
    assert!(!said.contains("FAULT"), "{said}");
}
