//! What the log says, where it goes, and that mail does not wait for it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Instant;

use maiasaura::server::{Access, Address};
use rustix::process::Signal;

use crate::client::Client;
use crate::house::{Folder, eventually};
use crate::process::{Program, command, configure, shell};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// The keys of a line of text, in order; a value in quotes may hold blanks.
fn keys(line: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut quoted = false;
    let outside = |c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    };
    for word in line.split(outside) {
        keys.extend(word.split_once('=').map(|(key, _)| key));
    }
    keys
}

/// The lines about one event.
fn lines(program: &Program, event: &str, count: usize) -> Vec<String> {
    let lines = program.stderr.wait(event, count);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[test]
fn a_message_has_one_line() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "");
    let reply = program
        .client()
        .deliver(SENDER, &[BOB, "alice@example.org"], MAIL);
    let id = reply
        .strip_prefix("250 2.0.0 Ok: queued as ")
        .expect("it is stored");
    let line = &lines(&program, " message ", 1)[0];
    let expected = [
        "id", "client", "helo", "protocol", "from", "to", "nrcpt", "size", "delay", "status",
    ];
    assert_eq!(keys(line), expected);
    for part in [
        format!(" INFO  message id={id} client=127.0.0.1 helo=client.example.net protocol=ESMTP "),
        format!(
            " from={SENDER} to={BOB},alice@example.org nrcpt=2 size={} ",
            MAIL.len()
        ),
        " status=delivered".to_owned(),
    ] {
        assert!(line.contains(&part), "{line}");
    }
    program.stop();
}

#[test]
fn a_line_names_only_so_many_recipients() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "maildir: {path: \"${ROOT}/{host}\"}");
    let recipients: Vec<String> = (1..=23).map(|n| format!("u{n}@example.org")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let reply = program.client().deliver(SENDER, &recipients, MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    let line = &lines(&program, " message ", 1)[0];
    assert!(
        line.contains(",u20@example.org,... (+3)\" nrcpt=23 "),
        "{line}"
    );
    program.stop();
}

#[test]
fn each_fate_has_one_line() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "listeners: [{address: \"127.0.0.1:0\", protocol: lmtp}]\n\
         recipients: {hosts: [example.org], users: {bob: {}, alice: {}, full: {quota: 10B}}}",
    );
    let mut client = program.client();
    client.deliver(
        SENDER,
        &[BOB, "full@example.org", "alice@example.org"],
        MAIL,
    );
    let lines = lines(&program, " message ", 2);
    assert!(
        lines[0].contains(" to=bob@example.org,alice@example.org nrcpt=2 "),
        "{lines:#?}"
    );
    assert!(lines[1].contains(" WARN  message id="), "{lines:#?}");
    assert!(
        lines[1].contains(" to=full@example.org nrcpt=1 "),
        "{lines:#?}"
    );
    assert!(lines[1].contains(" status=deferred reply=\"452 4.2.2 Mailbox full\" cause="));
    program.stop();
}

#[test]
fn a_refusal_has_one_line() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "limits: {connections: 1}");
    let mut client = program.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<bob@example.com>", "550 5.7.1 ");
    let line = &lines(&program, "recipient refused", 1)[0];
    assert_eq!(
        keys(line),
        ["client", "from", "to", "status", "reply", "cause"]
    );
    assert!(
        line.contains(" status=refused reply=\"550 5.7.1 Relaying denied\" cause="),
        "{line}"
    );
    Client::connect(program.address()).hears("421 4.7.0 ");
    let line = &lines(&program, "connection refused", 1)[0];
    assert_eq!(keys(line), ["client", "status", "reply"]);
    client.wants("AUTH PLAIN c2VjcmV0", "502 5.5.1 ");
    client.wants("QUIT", "221 ");
    let line = &lines(&program, "session with refusals", 1)[0];
    assert_eq!(
        keys(line),
        ["client", "helo", "refusals", "recipients", "reply"]
    );
    let all = program.stop().stderr.join("\n");
    assert!(!all.contains("c2VjcmV0"), "a password is in the log");
}

/// Whoever can reach the port would otherwise fill the disk.
#[test]
fn strangers_have_a_few_lines_a_minute() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "listeners: [{address: \"127.0.0.1:0\", proxy_protocol: [127.0.0.1]}]",
    );
    let begun = Instant::now();
    for _ in 0..30 {
        let mut stranger = Client::from(Ipv4Addr::new(127, 0, 0, 2), program.address());
        stranger.is_left();
    }
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).expect("it is not long");
    let line = &program.stderr.wait("connection refused", 5)[0];
    assert_eq!(keys(line), ["client", "listener", "cause"]);
    let said = program.stop().stderr;
    let lines = said
        .iter()
        .filter(|line| line.contains("connection refused"));
    assert!(lines.count() <= 5 * (minutes + 1), "{said:#?}");
}

#[test]
fn what_a_session_refuses_by_itself_has_one_line() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "limits: {message_size: 1kB}");
    for (number, (said, reply)) in [
        ("MAIL FROM:<> SIZE=1001\r\n", "552 5.3.4"),
        ("GET / HTTP/1.1\r\n", "554 5.5.1"),
        ("NOOP\n", "500 5.5.2"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = program.client();
        client.send(said.as_bytes());
        client.hears(reply);
        drop(client);
        let line = &lines(&program, "session with refusals", number + 1)[number];
        assert!(line.contains(&format!(" reply=\"{reply} ")), "{line}");
    }
    program.stop();
}

/// Whom time or memory has run out for can read why, and so can whoever runs the server.
#[test]
fn a_limit_that_was_reached_has_one_line() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "limits: {message_size: 10kB, memory: 20kB}\ntimeouts: {command: 300ms}",
    );
    let (mut one, mut other) = (program.client(), program.client());
    let chunk = [&b"BDAT 9000\r\n"[..], &b"x".repeat(9000)].concat();
    for (client, reply) in [(&mut one, "250 "), (&mut other, "452 4.3.1 ")] {
        client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
        client.send(&chunk);
        client.hears(reply);
    }
    let line = &lines(&program, "message refused", 1)[0];
    let expected = ["client", "helo", "from", "size", "status", "reply", "cause"];
    assert_eq!(keys(line), expected, "{line}");
    assert!(line.contains("limits.memory"), "{line}");
    one.hears("421 4.4.2 ");
    let line = &lines(&program, "session ended", 2)[0];
    assert_eq!(keys(line), ["client", "helo", "reply"]);
    program.stop();
}

#[test]
fn the_file_of_the_log_may_be_renamed() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "log: {file: \"${FOLDER}/mail.log\", format: logfmt}",
    );
    let (log, old) = (folder.path("mail.log"), folder.path("mail.log.1"));
    let delivered = |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.matches(" event=message ").count()
    };
    let mut client = program.client();
    client.deliver(SENDER, &[BOB], MAIL);
    eventually("the message is in the log", || delivered(&log) == 1);
    fs::rename(&log, &old).expect("it can be renamed");
    client.deliver(SENDER, &[BOB], MAIL);
    eventually("the next one is in the old file", || delivered(&old) == 2);
    program.signal(Signal::USR1);
    eventually("there is a new file", || log.exists());
    client.deliver(SENDER, &[BOB], MAIL);
    eventually("what follows is in the new file", || delivered(&log) == 1);
    assert_eq!(delivered(&old), 2);
    let ended = program.stop();
    assert!(ended.stderr.is_empty(), "{ended:#?}");
}

/// Delivers over a socket that is known beforehand, as nothing is heard of the program.
fn deliver_to_the_silent(folder: &Folder) {
    let socket = folder.path("socket");
    eventually("it listens", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    let mut client = Client::greeted(&Address::Unix(socket, Access::with_mode(0)));
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(folder.mail_count(), 1);
}

const ON_A_SOCKET: &str = "listeners: [{address: \"unix:${FOLDER}/socket\"}]";

#[test]
fn mail_goes_on_without_anybody_to_tell() {
    for closed in ["exec \"$@\" >&- 2>&-", "exec \"$@\" >/dev/full 2>/dev/full"] {
        let folder = Folder::new();
        configure(&folder, ON_A_SOCKET);
        let program = Program::spawn(shell(&folder, closed, &["-c", "config.yaml"]));
        deliver_to_the_silent(&folder);
        program.stop();
    }
}

/// Whoever reads the log has gone, or reads no more and its pipe is full.
#[test]
fn mail_goes_on_when_nobody_reads_the_log() {
    for is_kept in [false, true] {
        let folder = Folder::new();
        configure(&folder, ON_A_SOCKET);
        let (reader, writer) = io::pipe().expect("a pipe can be made");
        let reader = is_kept.then_some(reader);
        let mut command = command(&folder, &["-c", "config.yaml"]);
        command.stdout(Stdio::null()).stderr(writer);
        let program = Program::spawn(command);
        deliver_to_the_silent(&folder);
        let address = Address::Unix(folder.path("socket"), Access::with_mode(0));
        for _ in 0..120 {
            let mut client = Client::greeted(&address);
            client.wants("MAIL FROM:<>", "250 ");
            for _ in 0..5 {
                client.wants(
                    "RCPT TO:<a-line-of-the-log@is-written-about.this.test>",
                    "550 ",
                );
            }
        }
        program.signal(Signal::USR1);
        program.stop();
        drop(reader);
    }
}

/// Whoever reads either must find it, as what it is.
#[test]
fn a_log_that_cannot_be_opened_anew_says_so_there_and_on_stderr() {
    let folder = Folder::new();
    let log = folder.path("log");
    fs::create_dir(&log).expect("a folder can be made");
    let yaml = "log: {file: '${FOLDER}/log/mail.log', format: json}";
    let program = Program::serve(&folder, yaml);
    fs::rename(&log, folder.path("moved")).expect("it can be moved");
    program.signal(Signal::USR1);
    let said = &lines(&program, "cannot reopen the log", 1)[0];
    for part in [
        "{\"ts\":\"20",
        "\"level\":\"error\"",
        "\"event\":\"cannot reopen the log, it goes on where it was\"",
        "/log/mail.log\"",
        "No such file",
    ] {
        assert!(said.contains(part), "{said}");
    }
    eventually("it is in the log as well", || {
        let text = fs::read_to_string(folder.path("moved/mail.log"));
        text.is_ok_and(|text| text.lines().any(|line| line == said))
    });
    program.stop();
}
