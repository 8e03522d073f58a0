//! A session beside a model of it that is small enough to be obviously right.

use std::mem;

use maiasaura::smtp::{Profile, Protocol};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::player::Transport;
use crate::transcript;
use crate::world::{HOSTNAME, Loopback};

const MESSAGE_SIZE: usize = 60;
const RECIPIENTS: usize = 4;
const MESSAGES: usize = 3;

/// Something a client does.
#[derive(Clone, Debug)]
enum Act {
    Ehlo,
    Mail,
    /// RCPT with this local part.
    Rcpt(&'static str),
    /// DATA; the content follows if the server asks for it.
    Data(Vec<u8>),
    /// BDAT, the chunk at once, and whether it is the last.
    Bdat(Vec<u8>, bool),
    Rset,
    Noop,
    Quit,
}

#[derive(Default)]
struct Transaction {
    recipients: Vec<&'static str>,
    attempts: usize,
    content: Vec<u8>,
    chunked: bool,
}

/// What the server should say and do.
struct Model {
    lmtp: bool,
    greeted: bool,
    transaction: Option<Transaction>,
    /// The codes of all replies.
    codes: Vec<u16>,
    /// Recipients and content of what was delivered.
    deliveries: Vec<(Vec<&'static str>, Vec<u8>)>,
    messages: usize,
    closed: bool,
}

impl Model {
    fn new(lmtp: bool) -> Self {
        Self {
            lmtp,
            greeted: false,
            transaction: None,
            codes: vec![220],
            deliveries: Vec::new(),
            messages: 0,
            closed: false,
        }
    }

    /// What goes over the wire when the client does this; notes what the server should do then.
    fn act(&mut self, act: &Act) -> Vec<u8> {
        match act {
            Act::Ehlo => self.ehlo(),
            Act::Mail => self.mail(),
            Act::Rcpt(local_part) => self.rcpt(local_part),
            Act::Data(content) => self.data(content),
            Act::Bdat(chunk, last) => self.bdat(chunk, *last),
            Act::Rset => {
                self.transaction = None;
                self.say(250, b"RSET\r\n")
            }
            Act::Noop => self.say(250, b"NOOP\r\n"),
            Act::Quit => {
                self.closed = true;
                self.say(221, b"QUIT\r\n")
            }
        }
    }

    /// The server answers `code` to `command`.
    fn say(&mut self, code: u16, command: &[u8]) -> Vec<u8> {
        self.codes.push(code);
        command.to_vec()
    }

    fn ehlo(&mut self) -> Vec<u8> {
        self.greeted = true;
        self.transaction = None;
        let verb = if self.lmtp { "LHLO" } else { "EHLO" };
        self.say(250, format!("{verb} client.example.net\r\n").as_bytes())
    }

    fn mail(&mut self) -> Vec<u8> {
        let command = b"MAIL FROM:<s@example.net>\r\n";
        if !self.greeted || self.transaction.is_some() {
            return self.say(503, command);
        }
        if self.messages >= MESSAGES {
            self.closed = true;
            return self.say(421, command);
        }
        self.transaction = Some(Transaction::default());
        self.say(250, command)
    }

    fn rcpt(&mut self, local_part: &'static str) -> Vec<u8> {
        let code = match &mut self.transaction {
            None => 503,
            Some(transaction) if transaction.chunked => 503,
            Some(transaction) if transaction.attempts == RECIPIENTS => 452,
            Some(transaction) => {
                transaction.attempts += 1;
                match local_part {
                    "nosuch" => 550,
                    "later" => 451,
                    _ => {
                        transaction.recipients.push(local_part);
                        250
                    }
                }
            }
        };
        let command = format!("RCPT TO:<{local_part}@example.org>\r\n");
        self.say(code, command.as_bytes())
    }

    /// Why no content is taken now, or 354.
    fn content_code(&self) -> u16 {
        match &self.transaction {
            Some(transaction) if !transaction.recipients.is_empty() => 354,
            Some(transaction) if transaction.attempts > 0 && !self.lmtp => 554,
            _ => 503,
        }
    }

    fn data(&mut self, content: &[u8]) -> Vec<u8> {
        let chunked = self.transaction.as_ref().is_some_and(|t| t.chunked);
        let code = if chunked { 503 } else { self.content_code() };
        let mut octets = self.say(code, b"DATA\r\n");
        if code != 354 {
            return octets;
        }
        let mut content = content.to_vec();
        if !content.is_empty() && !content.ends_with(b"\r\n") {
            content.extend_from_slice(b"\r\n");
        }
        octets.extend(stuffed(&content));
        octets.extend_from_slice(b".\r\n");
        let spoiled = is_spoiled(&content);
        let refusal = if content.len() > MESSAGE_SIZE {
            Some(552)
        } else {
            spoiled.then_some(554)
        };
        self.closed = content.ends_with(b"\r\r\n");
        self.finish(content, refusal);
        octets
    }

    fn bdat(&mut self, chunk: &[u8], last: bool) -> Vec<u8> {
        let end = if last { " LAST" } else { "" };
        let mut octets = format!("BDAT {}{end}\r\n", chunk.len()).into_bytes();
        octets.extend_from_slice(chunk);
        let code = self.content_code();
        let Some(transaction) = self.transaction.as_mut().filter(|_| code == 354) else {
            self.codes.push(code);
            return octets;
        };
        transaction.chunked = true;
        transaction.content.extend_from_slice(chunk);
        let too_big = transaction.content.len() > MESSAGE_SIZE;
        if last {
            let content = mem::take(&mut transaction.content);
            self.finish(content, too_big.then_some(552));
        } else if too_big {
            self.transaction = None;
            self.codes.push(552);
        } else {
            self.codes.push(250);
        }
        octets
    }

    /// The content is complete: one reply, or for LMTP one for each recipient.
    fn finish(&mut self, content: Vec<u8>, refusal: Option<u16>) {
        let transaction = self.transaction.take().expect("content was asked for");
        let mut recipients = transaction.recipients;
        let fates: Vec<u16> = match (refusal, self.lmtp) {
            (Some(code), true) => vec![code; recipients.len()],
            (Some(code), false) => vec![code],
            (None, true) => recipients.iter().map(|name| fate(name)).collect(),
            (None, false) => vec![250],
        };
        if self.lmtp {
            recipients.retain(|name| fate(name) == 250);
        }
        if fates.contains(&250) {
            self.messages += 1;
            self.deliveries.push((recipients, content));
        }
        self.codes.extend(fates);
    }
}

fn fate(local_part: &str) -> u16 {
    if local_part == "full" { 452 } else { 250 }
}

/// Whether there is a CR without LF, an LF without CR, or a NUL.
fn is_spoiled(content: &[u8]) -> bool {
    let rest = String::from_utf8_lossy(content).replace("\r\n", "");
    rest.contains(['\r', '\n', '\0'])
}

/// RFC 5321 section 4.5.2: a dot before each line that begins with one.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (at, &octet) in content.iter().enumerate() {
        if octet == b'.' && (at == 0 || content[..at].ends_with(b"\r\n")) {
            octets.push(b'.');
        }
        octets.push(octet);
    }
    octets
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let clean = prop::sample::select(vec!["\r\n", ".", "x", "\r\n.", "QUIT\r\n", "BDAT 1\r\n"]);
    let any = prop::sample::select(vec!["\r", "\n", "\0", "\r\n", ".", "x"]);
    let join = |parts: Vec<&'static str>| parts.concat().into_bytes();
    prop_oneof![
        3 => vec(clean, 0..14).prop_map(join),
        1 => vec(any, 0..10).prop_map(join),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let local_parts = vec!["bob", "alice", "full", "nosuch", "later"];
    let act = prop_oneof![
        1 => Just(Act::Ehlo),
        5 => Just(Act::Mail),
        8 => prop::sample::select(local_parts).prop_map(Act::Rcpt),
        4 => content().prop_map(Act::Data),
        4 => (content(), any::<bool>()).prop_map(|(chunk, last)| Act::Bdat(chunk, last)),
        1 => Just(Act::Rset),
        1 => Just(Act::Noop),
    ];
    (vec(act, 0..60), any::<bool>()).prop_map(|(mut acts, quit)| {
        acts.insert(acts.len().min(1), Act::Ehlo);
        acts.extend(quit.then_some(Act::Quit));
        acts
    })
}

fn profile(lmtp: bool) -> Profile {
    Profile {
        hostname: HOSTNAME.into(),
        protocol: if lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        message_size: MESSAGE_SIZE as u64,
        recipients: RECIPIENTS,
        messages: u32::try_from(MESSAGES).expect("it is small"),
        errors: u32::MAX,
        idle_commands: u32::MAX,
        ..Profile::default()
    }
}

/// The codes of the replies, one for each that may have many lines.
fn codes(replies: &[u8]) -> Vec<u16> {
    transcript::lines(replies)
        .iter()
        .filter(|line| line.get(3..4) == Some(" "))
        .map(|line| line[..3].parse().expect("a reply begins with its code"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_does_what_its_model_does(
        acts in acts(),
        lmtp in any::<bool>(),
        piece in prop_oneof![1_usize..40, Just(usize::MAX)],
    ) {
        let mut model = Model::new(lmtp);
        let mut octets = Vec::new();
        for act in &acts {
            if !model.closed {
                octets.extend(model.act(act));
            }
        }
        let mut loopback = Loopback::new(profile(lmtp));
        let mut replies = loopback.listen(&|_| true).replies;
        for piece in octets.chunks(piece) {
            loopback.send(piece);
        }
        replies.extend(loopback.listen(&|_| true).replies);

        prop_assert_eq!(codes(&replies), model.codes);
        prop_assert_eq!(loopback.closed, model.closed);
        let delivered: Vec<_> = loopback.deliveries.iter().map(|delivery| {
            let names: Vec<_> = delivery.recipients.iter().map(ToString::to_string).collect();
            (names, delivery.content.clone())
        }).collect();
        let expected: Vec<_> = model.deliveries.iter().map(|(names, content)| {
            let names: Vec<_> = names.iter().map(|name| format!("{name}@example.org")).collect();
            (names, content.clone())
        }).collect();
        prop_assert_eq!(delivered, expected);
    }
}
