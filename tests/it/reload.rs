//! Another configuration for a daemon at work.

#[cfg(feature = "acme")]
mod acme;
#[cfg(feature = "auth-http")]
mod endpoint;
mod events;
mod listeners;
mod load;
mod patterns;
#[cfg(feature = "fastcgi")]
mod php;
mod program;
mod queue;
mod refused;
mod sessions;
mod within;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::authority::AUTHORITY;
use crate::client::Client;
use crate::house::{Folder, House, eventually, mode};
use crate::users;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// What somebody sees who comes now.
type Look = fn(&House) -> String;

/// One kind of change: what is seen with the one configuration, and with the other.
struct Change {
    before: &'static str,
    after: &'static str,
    look: Look,
    seen: [&'static str; 2],
}

fn replies(house: &House, lines: &[&str]) -> String {
    let mut client = house.client();
    let replies = lines.iter().map(|line| client.say(line));
    replies.collect::<Vec<_>>().join("\n")
}

fn greeting(house: &House) -> String {
    Client::connect(house.address()).reply()
}

fn extensions(house: &House) -> String {
    replies(house, &["EHLO c.test"])
}

fn rcpt(house: &House) -> String {
    let rcpt = "RCPT TO:<bob@other.test>";
    replies(house, &["RSET", "MAIL FROM:<s@c.test>", rcpt])
}

fn messages(house: &House) -> BTreeSet<String> {
    let tree = house.folder.tree().into_iter();
    tree.filter(|path| path.contains("/new/")).collect()
}

/// The place of a message, the mode of its file, and what is in it.
fn stored(house: &House) -> String {
    let before = messages(house);
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    let mut path = PathBuf::new();
    // What is in a log is seen a moment later.
    eventually("it is stored", || {
        let now = messages(house);
        let new = now.difference(&before).next();
        path = new.map(|new| house.folder.path(new)).unwrap_or_default();
        path.is_file()
    });
    let text = fs::read_to_string(&path).expect("it is text");
    format!("{} {:o}\n{text}", path.display(), mode(&path))
}

/// A client that says nothing for longer than the shorter of the two times.
fn silence(house: &House) -> String {
    let mut client = house.client();
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.try_send(b"NOOP\r\n").expect("there was a server");
    client.reply()
}

fn second(house: &House) -> String {
    let first = house.client();
    let second = Client::connect(house.address()).reply();
    drop(first);
    second
}

const CHANGES: [Change; 18] = [
    Change {
        before: "hostname: one.test",
        after: "hostname: two.test",
        look: greeting,
        seen: ["220 one.test ", "220 two.test "],
    },
    Change {
        before: "",
        after: "recipients: {hosts: [example.org, other.test]}",
        look: rcpt,
        seen: ["\n550 5.7.1 ", "\n250 2.1.5 "],
    },
    Change {
        before: "recipients: {hosts: [example.org, other.test], users: any}",
        after: "recipients: {hosts: [example.org, other.test], users: [alice]}",
        look: rcpt,
        seen: ["\n250 2.1.5 ", "\n550 5.1.1 "],
    },
    Change {
        before: "limits: {message_size: 1MB}",
        after: "limits: {message_size: 2MB}",
        look: extensions,
        seen: ["SIZE 1000000", "SIZE 2000000"],
    },
    Change {
        before: "limits: {connections: 1}",
        after: "limits: {connections: 2}",
        look: second,
        seen: ["421 ", "220 "],
    },
    Change {
        before: "limits: {connections_per_ip: 2}",
        after: "limits: {connections_per_ip: 1}",
        look: second,
        seen: ["220 ", "421 "],
    },
    Change {
        before: "timeouts: {command: 50ms}",
        after: "timeouts: {command: 50s}",
        look: silence,
        seen: ["421 4.4.2 ", "250 "],
    },
    Change {
        before: "save: Header|MailDir",
        after: "save: MailDir",
        look: stored,
        seen: ["\nDelivered-To: bob@", "\nSubject: t\n"],
    },
    Change {
        before: "validate: MailDir\nrecipients: {hosts: ['*']}",
        after: "validate: Wildcard\nwildcard: {hosts: [example.org]}\nrecipients: {hosts: ['*']}",
        look: rcpt,
        seen: ["\n250 2.1.5 ", "\n550 5.7.1 "],
    },
    Change {
        before: "",
        after: "maildir: {path: '${ROOT}/elsewhere/{host}/{user}'}",
        look: stored,
        seen: ["maildirs/example.org/bob/", "elsewhere/example.org/bob/"],
    },
    Change {
        before: "maildir: {path: '${ROOT}/{host}/{user}', file_mode: '0600'}",
        after: "maildir: {path: '${ROOT}/{host}/{user}', file_mode: '0640', durability: none}",
        look: stored,
        seen: [" 600\n", " 640\n"],
    },
    Change {
        before: "maildir: {path: '${ROOT}/{host}/{user}', durability: full}",
        after: "maildir: {path: '${ROOT}/{host}/{user}', durability: journal, eol: crlf}",
        look: stored,
        seen: ["\n\nbody\n", "\r\n\r\nbody\r\n"],
    },
    Change {
        before: "smtp: {angle_brackets: required}",
        after: "smtp: {angle_brackets: optional}",
        look: |house| replies(house, &["MAIL FROM:s@c.test"]),
        seen: ["501 ", "250 "],
    },
    Change {
        before: "",
        after: "tls: {certificate: '${FOLDER}/cert.pem', key: '${FOLDER}/key.pem'}",
        look: |house| replies(house, &["STARTTLS"]),
        seen: ["502 ", "220 2.0.0 "],
    },
    Change {
        before: "listeners: [{address: '127.0.0.1:0'}]",
        after: "listeners: [{address: '127.0.0.1:0', auth: required}]\nauth: {users: '${FOLDER}/users', plaintext: local}",
        look: |house| replies(house, &["MAIL FROM:<s@c.test>"]),
        seen: ["250 ", "530 5.7.0 "],
    },
    Change {
        before: "listeners: [{address: '127.0.0.1:0'}]",
        after: "listeners: [{address: '127.0.0.1:0', xclient: [127.0.0.1]}]",
        look: |house| replies(house, &["XCLIENT ADDR=192.0.2.1"]),
        seen: ["550 5.7.0 ", "220 "],
    },
    Change {
        before: "listeners: [{address: '127.0.0.1:0', proxy_protocol: [192.0.2.1]}]",
        after: "listeners: [{address: '127.0.0.1:0'}]",
        look: |house| format!("<{}>", greeting(house)),
        seen: ["<>", "<220 "],
    },
    Change {
        before: "listeners: [{address: '127.0.0.1:0'}]",
        after: "listeners: [{address: '127.0.0.1:0', protocol: lmtp, hostname: lmtp.test}]",
        look: greeting,
        seen: ["220 mx.example.org ESMTP", "220 lmtp.test LMTP"],
    },
];

/// A folder with what the changes need.
fn furnished() -> Folder {
    let folder = Folder::new();
    AUTHORITY.issue(&["mx.example.org"]).write(&folder.path(""));
    fs::write(folder.path("users"), users::file()).expect("a file");
    folder
}

#[test]
fn every_change_holds_for_who_comes_after_it() {
    for change in CHANGES {
        let mut house = House::in_folder(furnished(), change.before);
        let address = house.address().clone();
        for (yaml, seen) in [
            (None, change.seen[0]),
            (Some(change.after), change.seen[1]),
            (Some(change.before), change.seen[0]),
        ] {
            if let Some(yaml) = yaml {
                let reloaded = house.reload(yaml).expect("it is sound");
                assert!(!reloaded.changed.is_empty(), "{yaml}");
                assert_eq!(*house.address(), address, "{yaml}: the port stays");
            }
            let look = (change.look)(&house);
            assert!(look.contains(seen), "{yaml:?}: no {seen:?} in {look:?}");
        }
    }
}

#[test]
fn what_has_changed_is_told() {
    let mut house = House::new("");
    let same = house.reload("").expect("it is sound");
    assert_eq!(same.to_string(), "nothing changed");
    assert_eq!(same.generation, 2);
    let yaml = "listeners: [{address: '127.0.0.1:0'}, {address: 'unix:${FOLDER}/s'}]\nthreads: 3";
    let reloaded = house.reload(yaml).expect("it is sound");
    let socket = format!("unix:{}", house.folder.path("s").display());
    assert_eq!(
        reloaded.to_string(),
        format!("changed: listeners, threads; opened: {socket}")
    );
    let reloaded = house.reload("threads: 3").expect("it is sound");
    assert_eq!(
        reloaded.to_string(),
        format!("changed: listeners; closed: {socket}")
    );
}
