//! Dialogues nobody thought of: a session with any octets whatever.

use std::fmt::Write;

use maiasaura::smtp::{Auth, Profile, Protocol, reply};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::player::Transport;
use crate::world::{HOSTNAME, Loopback};

/// What a client might say, in part or in whole.
const FRAGMENTS: [&str; 41] = [
    "EHLO client.example.net\r\n",
    "HELO client.example.net\r\n",
    "LHLO client.example.net\r\n",
    "MAIL FROM:<s@example.net>\r\n",
    "MAIL FROM:<> SIZE=10 BODY=BINARYMIME\r\n",
    "MAIL FROM:<s@example.net> SMTPUTF8\r\n",
    "MAIL FROM:<",
    "RCPT TO:<bob@example.org>\r\n",
    "RCPT TO:<full@example.org>\r\n",
    "RCPT TO:<nosuch@example.org>\r\n",
    "RCPT TO:<postmaster>\r\n",
    "RCPT TO:",
    "DATA\r\n",
    "DATA\n",
    "BDAT 0\r\n",
    "BDAT 9\r\n",
    "BDAT 30 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 99999\r\n",
    "BDAT 4000000000\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "HELP\r\n",
    "QUIT\r\n",
    "GET / HTTP/1.1\r\n",
    "AUTH PLAIN ",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN YWxpY2U=\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\n",
    "AGFsaWNlAG9wZW4gc2VzYW1l\r\n",
    "*\r\n",
    ".\r\n",
    "..",
    "\r\n.\r\n",
    "\n.\n",
    "\r\r\n.\r\n",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "Subject: text\r\n",
];

/// Everything a client sends.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        12 => prop::sample::select(&FRAGMENTS[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
        1 => (1_usize..2000).prop_map(|length| vec![b'x'; length]),
    ];
    // A good beginning, as often as not, or hardly any dialogue would come to a message.
    let start = prop::sample::select(vec![
        "",
        "EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n",
        "LHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<full@example.org>\r\nRCPT TO:<bob@example.org>\r\n",
    ]);
    (start, vec(fragment, 0..40)).prop_map(|(start, fragments)| {
        let mut octets = start.as_bytes().to_vec();
        octets.extend(fragments.concat());
        octets
    })
}

fn profiles() -> impl Strategy<Value = Profile> {
    let protocol = prop_oneof![Just(Protocol::Smtp), Just(Protocol::Lmtp)];
    let size = prop_oneof![Just(100), Just(1_000_000)];
    let auth = prop_oneof![
        Just(Auth::Absent),
        Just(Auth::Offered),
        Just(Auth::Required)
    ];
    let habits = (any::<bool>(), any::<bool>());
    (protocol, size, 1_u32..20, habits, auth).prop_map(
        |(protocol, message_size, errors, (newlines, lenient), auth)| Profile {
            auth,
            hostname: HOSTNAME.into(),
            protocol,
            message_size,
            errors,
            accept_bare_newlines: newlines,
            lenient_paths: lenient,
            ..Profile::default()
        },
    )
}

/// Plays `octets` in pieces of these sizes, over and over.
fn converse(profile: &Profile, octets: &[u8], sizes: &[usize]) -> (Loopback, Vec<u8>) {
    let mut loopback = Loopback::new(profile.clone());
    let mut replies = loopback.listen(&|_| true).replies;
    let mut rest = octets;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(size.min(rest.len()));
        loopback.send(piece);
        replies.extend(loopback.listen(&|_| true).replies);
        rest = later;
    }
    (loopback, replies)
}

/// How often `word` is in the octets, in any case.
fn count(octets: &[u8], word: &str) -> usize {
    octets
        .windows(word.len())
        .filter(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_in_any_pieces(
        octets in octets(),
        profile in profiles(),
        sizes in vec(1_usize..200, 1..10),
    ) {
        let (whole, replies) = converse(&profile, &octets, &[usize::MAX]);
        let (mut cut, other_replies) = converse(&profile, &octets, &sizes);
        prop_assert_eq!(String::from_utf8_lossy(&replies), String::from_utf8_lossy(&other_replies));
        prop_assert_eq!(&whole.deliveries, &cut.deliveries);
        prop_assert_eq!(whole.closed, cut.closed);

        // The longest answer to the shortest command is the one to EHLO.
        prop_assert!(replies.len() <= 100 + 20 * octets.len(), "{} octets", replies.len());
        prop_assert!(whole.largest_send <= 17 * 1024, "{} at once", whole.largest_send);

        // One message for one 354 or one LAST, and no more.
        let ends = count(&replies, "354 ") + count(&octets, " LAST");
        prop_assert!(whole.deliveries.len() <= ends, "{:?}", whole.deliveries);

        cut.end(&reply::TIMEOUT);
        prop_assert!(cut.closed);
        let last = cut.listen(&|_| true).replies;
        prop_assert!(whole.closed || last.starts_with(b"421 4.4.2 "), "{:?}", last);
    }

    #[test]
    fn a_client_that_says_nothing_sensible_gets_no_mail_through(octets in vec(any::<u8>(), 0..3000)) {
        let (loopback, replies) = converse(&Profile::default(), &octets, &[7]);
        prop_assert!(loopback.deliveries.is_empty());
        prop_assert!(replies.starts_with(b"220 "));
    }
}

/// A client that sends and sends: replies are given out in pieces that do not grow.
#[test]
fn replies_never_pile_up() {
    let mut commands = String::new();
    for n in 0..20_000 {
        let _ = write!(commands, "RCPT TO:<bob{n}@example.org>\r\n");
    }
    let profile = Profile::default();
    let begin = b"EHLO client.example.net\r\nMAIL FROM:<>\r\n";
    let octets = [begin, commands.as_bytes()].concat();
    let (loopback, replies) = converse(&profile, &octets, &[usize::MAX]);
    assert!(loopback.largest_send <= 17 * 1024);
    assert_eq!(count(&replies, "250 2.1.5"), profile.recipients);
    assert_eq!(count(&replies, "452 4.5.3"), 20_000 - profile.recipients);
}
