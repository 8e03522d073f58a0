use std::io::Read as _;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use smol::block_on;

use super::*;
use crate::fastcgi::Content;

const FORMS: [Body; 9] = [
    Body::Raw,
    Body::Json,
    Body::Multipart,
    Body::Path,
    Body::Guerrilla,
    Body::Sendgrid,
    Body::Mailgun,
    Body::Postmark,
    Body::Postal,
];

/// The content type, and what is sent.
fn made(body: Body, content: &[&[u8]], mail_from: &str) -> (String, Vec<u8>) {
    let envelope = Envelope {
        id: "1".into(),
        received: UNIX_EPOCH,
        mail_from: mail_from.into(),
        rcpt: "bob@example.org".into(),
        mailbox: "bob@example.org".into(),
        captures: [("name".into(), mail_from.into())].into(),
        helo: Some(mail_from.into()),
        client: None,
        client_port: None,
        server: None,
        host: "mx.example.org".into(),
        tls: None,
        login: None,
        origin: [].into(),
        key: "ab".repeat(32),
    };
    let letter = Letter {
        envelope: &envelope,
        trace: "Return-Path: <>\r\n",
        content: Content::Pieces(content),
        path: Some(Path::new("/var/vmail/new/1")),
    };
    let send = async |made: Made<'_>| {
        let (size, kind) = (made.size(), made.content_type.clone());
        let mut octets = Vec::new();
        let mut pieces = made.pieces;
        pieces.read_to_end(&mut octets).unwrap();
        assert_eq!(octets.len() as u64, size, "{body:?}");
        (kind, octets)
    };
    block_on(with(body, letter, 1, None, send)).unwrap()
}

/// As YAML, of which JSON is a part.
fn is_json(octets: Vec<u8>) -> bool {
    let text = String::from_utf8(octets).unwrap();
    let has_controls = text.contains(|c: char| c < ' ');
    !has_controls && text.starts_with('{') && text.ends_with('}')
}

/// Pieces of a message, good and bad.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"Subject: =?utf-8?q?=C3=BC=00?=\r\n".to_vec()),
        Just(b"Content-Type: multipart/mixed; boundary=x\r\n".to_vec()),
        Just(b"Content-Type: text/html; charset=iso-8859-1\r\n".to_vec()),
        Just(b"Content-Type: message/rfc822\r\n".to_vec()),
        Just(b"Content-Disposition: attachment; filename=\"a\\\"\r\n b\"\r\n".to_vec()),
        Just(b"Content-Transfer-Encoding: base64\r\n".to_vec()),
        Just(b"From: \"a\\\"\" <a@b>, x: c@d;\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n--x\r\n".to_vec()),
        Just(b"\r\n--x--\r\n".to_vec()),
        Just(b"AAAA".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// PHP waits for as many octets as were announced, and for no more.
    #[test]
    fn every_message_has_every_form(message in message(), from in ".{0,20}", at in any::<u8>()) {
        let (start, end) = message.split_at(usize::from(at) % (message.len() + 1));
        for body in FORMS {
            let whole = made(body, &[&message], &from);
            let (kind, octets) = made(body, &[start, &[], end], &from);
            let now = body == Body::Mailgun;
            prop_assert!(now || whole.1 == octets, "{:?} depends on the pieces", body);
            if kind == JSON {
                prop_assert!(is_json(octets), "{:?}", body);
            }
        }
    }
}

#[test]
fn names_of_files_stay_within_their_quotes() {
    let message = b"Content-Type: image/png\r\nContent-Disposition: attachment; \
                    filename*=utf-8''a%22%0d%0ab%00%5c%22\r\n\r\nx";
    let (_, octets) = made(Body::Multipart, &[message], "");
    let text = String::from_utf8(octets).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("filename="))
        .unwrap();
    assert!(line.ends_with("filename=\"a%22%0D%0Ab__%22\""), "{line}");
}
