//! The processors `HeadersParser`, Hasher, Header, Compressor, Debugger and Wildcard.

use std::sync::{Arc, Mutex};

use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use super::{ALICE, BOB, MAIL, SENDER, complaint, delivers, sender};
use crate::house::{Folder, House, Stored};
use crate::process::Program;

/// What a processor at the end of the chain saw of each message.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Traces>>>);

#[derive(Clone, Debug)]
struct Traces {
    digests: Vec<String>,
    subject: Option<String>,
    compressed: Option<Vec<u8>>,
}

impl Processor for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let traces = Traces {
                digests: delivery.digests.clone(),
                subject: delivery.headers.take().and_then(|headers| headers.subject),
                compressed: delivery.compressed.clone(),
            };
            self.0.lock().expect("nobody panics with it").push(traces);
            Ok(Staged::Done)
        })
    }
}

impl Seen {
    fn house(&self, save: &str) -> House {
        let seen = self.clone();
        House::with(&format!("save: {save}|Seen"), move |daemon| {
            daemon.processor("Seen", move || Ok(Arc::new(seen.clone())))
        })
    }

    fn take(&self) -> Traces {
        let mut all = self.0.lock().expect("nobody panics with it");
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

fn inflated(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(octets);
    std::io::Read::read_to_end(&mut decoder, &mut text).expect("it is a zlib stream");
    text
}

/// Upstream: a header of more than 4 KiB is not parsed: its subject is empty.
#[test]
fn a_large_header_has_a_subject() {
    let seen = Seen::default();
    let house = seen.house("HeadersParser|MailDir");
    let field = format!("X-Field: {}\r\n", "x".repeat(80));
    let content = format!("{}Subject: there\r\n\r\nbody\r\n", field.repeat(1100));
    assert!(content.len() > 100_000);
    delivers(&house, &[BOB], content.as_bytes());
    assert_eq!(seen.take().subject.as_deref(), Some("there"));
}

/// Upstream: encoded words are decoded wrongly, as its own tests had found.
#[test]
fn a_subject_is_decoded() {
    let seen = Seen::default();
    let house = seen.house("HeadersParser|MailDir");
    for (subject, decoded) in [
        ("plain", "plain"),
        ("=?UTF-8?B?4oKs?=", "\u{20ac}"),
        ("=?utf-8?q?one_?=\r\n =?utf-8?Q?two?=", "one two"),
        ("=?utf-8?Q?one?=\t=?utf-8?Q?two?=", "onetwo"),
        (
            "=?iso-8859-1?Q?Gr=FC=DFe?= an alle",
            "Gr\u{fc}\u{df}e an alle",
        ),
        ("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\u{65e5}\u{672c}"),
        ("folded\r\n subject", "folded subject"),
        ("=?utf-8?X?what?=", "=?utf-8?X?what?="),
        ("=?utf-8?B?", "=?utf-8?B?"),
        ("? =? ?= =", "? =? ?= ="),
    ] {
        let content = format!("Subject: {subject}\r\n\r\nbody\r\n");
        delivers(&house, &[BOB], content.as_bytes());
        assert_eq!(seen.take().subject.as_deref(), Some(decoded), "{subject}");
    }
}

/// Upstream: the digest for a recipient depends on those before it, and on the time.
#[test]
fn a_digest_is_of_one_recipient_and_stays() {
    let seen = Seen::default();
    let house = seen.house("Hasher|MailDir");
    let digests = |to: &[&str]| {
        delivers(&house, to, MAIL);
        seen.take().digests
    };
    let both = digests(&[BOB, ALICE]);
    assert_eq!(digests(&[ALICE, BOB]), [both[1].clone(), both[0].clone()]);
    assert_eq!(digests(&[ALICE]), [both[1].clone()]);
    assert_ne!(both[0], both[1]);
}

/// Upstream: every copy has the Delivered-To of the first recipient, and none a Return-Path.
#[test]
fn every_copy_has_trace_fields_of_its_own() {
    let house = House::new("");
    delivers(&house, &[BOB, "Alice+x@example.org"], MAIL);
    for (name, original) in [("bob", None), ("alice", Some("Alice+x@example.org"))] {
        let mail = house.folder.mail(&format!("example.org/{name}"));
        let to = format!("{name}@example.org");
        assert_eq!(mail.field("Delivered-To"), Some(to));
        assert_eq!(mail.field("X-Original-To").as_deref(), original);
        assert_eq!(mail.field("Return-Path"), Some(format!("<{SENDER}>")));
    }
}

/// As `primary_mail_host` does, but the address that was given is told as well.
#[test]
fn delivered_to_may_name_one_host() {
    let house = House::new("header: {delivered_to_host: primary.example}");
    delivers(&house, &["bob@a.wild.example"], MAIL);
    let mail = house.folder.mail("a.wild.example/bob");
    assert_eq!(
        mail.field("Delivered-To").as_deref(),
        Some("bob@primary.example")
    );
    assert_eq!(
        mail.field("X-Original-To").as_deref(),
        Some("bob@a.wild.example")
    );
    // What comes back to the same address is in a loop, and bob at another host is another.
    let again = [mail.trace.replace('\n', "\r\n").as_bytes(), MAIL].concat();
    let mut client = house.client();
    let reply = client.deliver(SENDER, &["bob@a.wild.example"], &again);
    assert!(reply.starts_with("554 5.4.6 "), "{reply}");
    let reply = client.deliver(SENDER, &["bob@b.wild.example"], &again);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

/// Upstream: once the compressor was read, the processors after it find trace fields and no message.
#[test]
fn a_compressor_takes_nothing_away() {
    for save in [
        "Header|Compressor|MailDir",
        "Compressor|Header|MailDir",
        "Header|MailDir|Compressor",
    ] {
        let seen = Seen::default();
        let house = seen.house(save);
        let large = [MAIL, &b"and so on\r\n".repeat(300_000)].concat();
        for content in [MAIL, &large] {
            let before = house.folder.mail_count();
            delivers(&house, &[BOB, ALICE], content);
            for name in ["bob", "alice"] {
                let mails = house.folder.mails(&format!("example.org/{name}"));
                let stored: Vec<_> = mails.iter().map(whole).collect();
                assert!(stored.contains(&content.to_vec()), "{save}: {name}");
            }
            assert_eq!(house.folder.mail_count(), before + 2);
            let compressed = inflated(&seen.take().compressed.expect("it was made"));
            assert!(compressed.ends_with(content), "{save}");
        }
    }
}

/// A message as it was sent.
fn whole(mail: &Stored) -> Vec<u8> {
    crate::house::crlf(&mail.content)
}

const SECRET: &[u8] = b"From: Sally <sally@secret.example>\r\nTo: bob@example.org\r\n\
    Subject: of the\r\n\tstate\r\nX-sally@secret.example: 1\r\n\r\nPassword: body\r\n";

/// The lines of a Debugger about one message, without what is always told.
fn shown(addresses: &str, content: &[u8]) -> Vec<String> {
    let folder = Folder::new();
    let yaml = format!(
        "save: HeadersParser|Header|Debugger|MailDir\nlog: {{level: debug, addresses: {addresses}}}"
    );
    let program = Program::serve(&folder, &yaml);
    let reply = program.client().deliver(SENDER, &[BOB, ALICE], content);
    let id = reply.rsplit(' ').next().expect("it has words").to_owned();
    program.stderr.wait(" message ", 1);
    let lines = program.stop().stderr;
    assert!(lines.iter().all(|line| !line.contains("Password")));
    let words = format!(" id={id}");
    let of_debugger = lines.iter().filter_map(|line| line.split_once(" DEBUG "));
    of_debugger
        .map(|(_, line)| line.replace(&words, ""))
        .collect()
}

/// Upstream: Debugger shows sender, recipients and header, and no way to keep addresses out of the log.
#[test]
fn a_debugger_shows_the_envelope_and_the_header() {
    let size = SECRET.len();
    let [envelope, fields @ ..] = &shown("full", SECRET)[..] else {
        panic!("no lines");
    };
    let expected = format!(
        "envelope client=127.0.0.1 helo=client.example.net protocol=ESMTP from={SENDER} \
         to={BOB},{ALICE} nrcpt=2 size={size}"
    );
    assert_eq!(*envelope, expected);
    let expected = [
        "field field=From value=\"Sally <sally@secret.example>\"",
        "field field=To value=bob@example.org",
        "field field=Subject value=\"of the state\"",
        "field field=X-sally@secret.example value=1",
        "parsed subject=\"of the state\"",
    ];
    assert_eq!(*fields, expected);
}

/// Nor the names of people, nor the subject, in any mode but `full`.
#[test]
fn a_debugger_keeps_what_the_log_may_not_tell() {
    for (mode, to) in [
        ("domain", " to=example.org,"),
        ("hash", " to="),
        ("none", ""),
    ] {
        let lines = shown(mode, SECRET);
        let all = lines.join("\n");
        assert!(lines[0].contains(to), "{all}");
        for secret in ["sally", "Sally", "bob", "state", "secret", "s@"] {
            assert!(!all.contains(secret), "{mode} tells {secret}: {all}");
        }
        let fields = [
            "field field=From",
            "field field=To",
            "field field=Subject",
            "field",
        ];
        assert_eq!(lines[1..5], fields, "{mode}");
    }
}

#[test]
fn a_debugger_shows_only_so_much() {
    let content = [&b"A: 1\r\n".repeat(250)[..], b"\r\nbody\r\n"].concat();
    let lines = shown("full", &content);
    let fields = lines.iter().filter(|line| *line == "field field=A value=1");
    assert_eq!(fields.count(), 100);
    assert!(
        lines.contains(&"and more fields fields=150".to_owned()),
        "{lines:?}"
    );
    let long = format!("A: {}\r\n\r\n", "x".repeat(5000));
    let lines = shown("full", long.as_bytes());
    let value = format!("value=\"{} ...\"", "x".repeat(1000));
    assert!(lines.iter().any(|line| line.ends_with(&value)), "{lines:?}");
}

/// Upstream: wildcard compares case, keeps blanks inside the list, and works only where `allowed_hosts` is ".".
#[test]
fn wildcard_is_a_list_of_patterns() {
    let house = House::new(
        "recipients: {hosts: [\"*.test\"]}\nvalidate: Wildcard\n\
         wildcard: {hosts: [a.test, \" *.B.test\", \"c?.test\"]}",
    );
    let mut client = sender(&house);
    for (host, reply) in [
        ("a.test", "250 2.1.5 "),
        ("A.TEST", "250 2.1.5 "),
        ("x.b.test", "250 2.1.5 "),
        ("X.B.Test", "250 2.1.5 "),
        ("c1.test", "250 2.1.5 "),
        ("b.test", "550 5.7.1 "),
        ("d.test", "550 5.7.1 "),
    ] {
        client.wants(&format!("RCPT TO:<bob@{host}>"), reply);
    }
}

/// Upstream: a bad pattern ends the search, in an order that changes: the results are random.
#[test]
fn a_bad_pattern_is_refused_at_start() {
    for pattern in ["[a", "a b.test", "*..test", ""] {
        for yaml in [
            format!("validate: Wildcard\nwildcard: {{hosts: [a.test, {pattern:?}]}}"),
            format!("recipients: {{hosts: [a.test, {pattern:?}]}}"),
        ] {
            let said = complaint(&yaml);
            assert!(said.contains(".hosts"), "{said}");
        }
    }
}

/// Upstream: `log_received_mails` shows mail at level info, whatever else is logged.
#[test]
fn a_debugger_can_be_heard_where_nothing_else_is_so_talkative() {
    let folder = Folder::new();
    let yaml = "save: Debugger|MailDir\ndebugger: {level: warn}\nlog: {level: warn}";
    let program = Program::serve(&folder, yaml);
    program.client().deliver(SENDER, &[BOB], MAIL);
    let lines = program.stderr.wait(" WARN  ", 2);
    assert!(lines[0].contains(" envelope id="), "{lines:#?}");
    assert!(lines[1].contains(" field=Subject value=t"), "{lines:#?}");
    assert_eq!(program.stop().stderr.len(), 2);
}
