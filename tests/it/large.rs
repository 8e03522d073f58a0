//! Large messages: on disk while they come in, and as good as small ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;

use crate::client::{Client, mail_data};
use crate::house::{Folder, House, Stored, eventually, lf};
use crate::process::{Program, configure, run, shell};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const AL: &str = "al@example.org";

/// Lines of all lengths, some with a dot, after a header with fields that are left out.
fn message(length: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(length + 200);
    message.extend_from_slice(b"Return-Path: <old@x.test>\r\nSubject: large\r\n");
    message.extend_from_slice(b"Return-Path: <older@x.test>\r\n\r\n");
    for line in 0.. {
        if message.len() >= length {
            break;
        }
        message.extend_from_slice(format!(".{line} ").as_bytes());
        message.resize(message.len() + line % 71, b'x');
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// The message as it is stored.
fn kept(message: &[u8], eol: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    let text = text.replacen("Return-Path: <old@x.test>\r\n", "", 1);
    let text = text.replacen("Return-Path: <older@x.test>\r\n", "", 1);
    match eol {
        "lf" => lf(text.as_bytes()),
        _ => text.into_bytes(),
    }
}

/// The files without a name that are open in this process below a folder.
fn unnamed(folder: &Folder) -> usize {
    let prefix = folder.path("").display().to_string();
    let open = fs::read_dir("/proc/self/fd").expect("it is there");
    let paths = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let texts = paths.map(|path| path.display().to_string());
    texts
        .filter(|text| text.starts_with(&prefix) && text.ends_with(" (deleted)"))
        .count()
}

#[test]
fn it_arrives_octet_for_octet() {
    for (protocol, eol, durability, length) in [
        ("smtp", "lf", "full", 30_000_000),
        ("lmtp", "lf", "journal", 5_000_000),
        ("lmtp", "crlf", "none", 5_000_000),
    ] {
        let octets = message(length);
        let mut house = House::new(&format!(
            "listeners: [{{address: \"127.0.0.1:0\", protocol: {protocol}}}]\n\
             maildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", eol: {eol}, durability: {durability}}}\n\
             limits: {{message_size: 50MB, memory: 1MB}}"
        ));
        let mut client = house.client();
        let reply = client.deliver(SENDER, &[BOB, AL], &octets);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        if protocol == "lmtp" {
            client.hears("250 2.0.0 ");
        }
        eventually("the file is closed", || unnamed(&house.folder) == 0);
        house.close();
        let expected = kept(&octets, eol);
        for maildir in ["example.org/bob", "example.org/al"] {
            let mail = house.folder.mail(maildir);
            assert!(mail.content == expected, "{protocol} {eol} {maildir}");
            assert_eq!(
                mail.field("Return-Path").as_deref(),
                Some("<s@example.net>")
            );
            has_its_sizes(&mail);
        }
    }
}

#[track_caller]
fn has_its_sizes(mail: &Stored) {
    let octets = fs::read(&mail.path).expect("it is there");
    let lines = octets.split(|&octet| octet == b'\n').count() - 1;
    let sizes = format!(",S={},W={}", octets.len(), lf(&octets).len() + lines);
    let name = mail.path.display().to_string();
    assert!(name.ends_with(&sizes), "{name} {sizes}");
}

/// One that is larger than what is kept, one that is not, and one that has to be where memory is short.
#[test]
fn chunks_are_spooled_as_lines_are() {
    for (memory, durability) in [("40kB", "full"), ("256MB", "full"), ("256MB", "journal")] {
        let house = House::new(&format!(
            "limits: {{memory: {memory}}}\n\
             maildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: {durability}}}"
        ));
        let mut client = house.client();
        for length in [70_000, 1_000_000, 3_000_000] {
            let octets = message(length);
            client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
            client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
            client.wants(&format!("RCPT TO:<{AL}>"), "250 ");
            for chunk in octets.chunks(200_000) {
                client.send(format!("BDAT {}\r\n", chunk.len()).as_bytes());
                client.send(chunk);
                client.hears("250 ");
            }
            client.wants("BDAT 0 LAST", "250 2.0.0 ");
            let expected = kept(&octets, "lf");
            for maildir in ["example.org/bob", "example.org/al"] {
                eventually("it is there as it was sent", || {
                    let mails = house.folder.mails(maildir);
                    mails.iter().any(|mail| mail.content == expected)
                });
            }
        }
    }
}

#[test]
fn a_client_that_vanishes_leaves_no_file_and_no_memory_taken() {
    let mut house = House::new("limits: {message_size: 10MB, memory: 40kB}");
    let octets = message(3_000_000);
    for abruptly in [false, true] {
        let mut client = house.client();
        client.begin(SENDER, &[BOB]);
        client.send(&octets);
        eventually("it is spooled", || unnamed(&house.folder) == 1);
        if abruptly {
            client.stream().reset();
        }
        drop(client);
        eventually("the file is gone", || unnamed(&house.folder) == 0);
    }
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.send(format!("BDAT {}\r\n", octets.len()).as_bytes());
    client.send(&octets);
    client.hears("250 ");
    eventually("it is spooled", || unnamed(&house.folder) == 1);
    client.wants("RSET", "250 ");
    eventually("it is given up", || unnamed(&house.folder) == 0);
    let reply = client.deliver(SENDER, &[BOB], &octets);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    house.close();
    let left = house.folder.tree();
    let files = left.iter().filter(|path| path.contains(",S="));
    assert_eq!(files.count(), 1, "{left:#?}");
    assert_eq!(house.folder.mail_count(), 1);
}

/// The root is no folder: the fault may pass, and the session goes on.
#[test]
fn a_spool_that_cannot_be_made_is_no_end() {
    let house = House::new("maildir: {path: \"${FOLDER}/spot/{host}/{user}\"}");
    let spot = house.folder.path("spot");
    symlink(house.folder.path("nowhere/at all"), &spot).expect("it can be made");
    let octets = message(3_000_000);
    let mut client = house.client();
    let reply = client.deliver(SENDER, &[BOB], &octets);
    assert_eq!(reply, "451 4.3.0 Temporary fault, try again later");
    client.wants("NOOP", "250 ");
    fs::remove_file(&spot).expect("it is there");
    let reply = client.deliver(SENDER, &[BOB], &octets);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

#[test]
fn it_comes_through_a_pipe() {
    let folder = Folder::new();
    configure(&folder, "");
    let octets = message(5_000_000);
    let ended = run(
        &folder,
        &["-c", "config.yaml", "deliver", BOB, AL],
        &lf(&octets),
    );
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for maildir in ["example.org/bob", "example.org/al"] {
        assert!(
            folder.mail(maildir).content == kept(&octets, "lf"),
            "{maildir}"
        );
    }
}

/// What stops in the middle of a file is a fault that may pass, for this message only.
#[test]
fn a_spool_that_cannot_be_written_is_no_end() {
    let folder = Folder::new();
    configure(&folder, "");
    // In units of 512 octets.
    let small = shell(
        &folder,
        "ulimit -f 6000; exec \"$@\"",
        &["-c", "config.yaml"],
    );
    let program = Program::introduced(small, "");
    let mut client = program.client();
    let reply = client.deliver(SENDER, &[BOB], &message(6_000_000));
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let reply = client.deliver(SENDER, &[BOB], &message(2_500_000));
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let line = &program.stderr.wait("cannot spool the message", 1)[0];
    assert!(line.contains("451 4.3.0"), "{line}");
    program.stop();
    assert_eq!(folder.mail_count(), 1);
}

/// As much memory as the configuration says, and not as clients like. Without spools it would be a hundred megabytes
/// more.
#[test]
fn many_at_once_take_no_more_memory_than_they_may() {
    const CLIENTS: usize = 12;
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "limits: {memory: 4MB}\nmaildir: {path: \"${ROOT}/{host}/{user}\", durability: none}",
    );
    let data = mail_data(&message(10_000_000));
    let (first, last) = data.split_at(data.len() - 1000);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| program.client()).collect();
    // All of them are in the middle at the same time, and at the end.
    for part in [first, last] {
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| {
                    if part.len() > last.len() {
                        client.begin(SENDER, &[BOB]);
                    }
                    client.send(part);
                });
            }
        });
    }
    for client in &mut clients {
        client.hears("250 2.0.0 ");
    }
    let peak = program.peak_memory();
    assert!(peak < 64_000_000, "{peak} octets");
    program.stop();
    assert_eq!(folder.mail_count(), CLIENTS);
}
