use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::*;
use crate::fastcgi::{Content, Envelope, Secret};

fn envelope() -> Envelope {
    Envelope {
        id: "7".into(),
        received: UNIX_EPOCH,
        mail_from: "s@example.net".into(),
        rcpt: "bob+x@shop.example.org".into(),
        mailbox: "bob@shop.example.org".into(),
        captures: [("shop-name".into(), "shop".into())].into(),
        helo: Some("client.example.net".into()),
        client: "::ffff:192.0.2.7".parse().ok(),
        client_port: Some(4711),
        server: "[2001:db8::1]:25".parse().ok(),
        host: "mx.example.org".into(),
        tls: Some("TLSv1.3".into()),
        login: Some("alice".into()),
        origin: BTreeMap::from([("CLIENT".into(), "192.0.2.9".into())]),
        key: "ab".repeat(32),
    }
}

fn script(file: &str, root: &str, uri: Option<&str>) -> Script {
    Script {
        file: PathBuf::from(file),
        root: PathBuf::from(root),
        uri: uri.map(str::to_owned),
    }
}

fn parameters(
    script: &Script,
    query: &str,
    envelope: &Envelope,
    proof: Option<Proof<'_>>,
) -> Result<BTreeMap<String, String>, String> {
    let manner = Manner {
        method: "POST",
        query,
        content_type: "message/rfc822",
        content_length: 5,
        attempt: 3,
    };
    let letter = Letter {
        envelope,
        trace: "",
        content: Content::Pieces(&[b"hello"]),
        path: None,
    };
    let parameters = Parameters::new(script, manner, letter, proof)?;
    let pairs = pairs(parameters.octets());
    let count = pairs.len();
    let map: BTreeMap<_, _> = pairs.into_iter().collect();
    assert_eq!(map.len(), count, "a name is there twice");
    Ok(map)
}

fn pairs(mut octets: &[u8]) -> Vec<(String, String)> {
    fn take<'a>(octets: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (taken, rest) = octets.split_at(length);
        *octets = rest;
        taken
    }
    fn length(octets: &mut &[u8]) -> usize {
        if let short @ ..0x80 = octets[0] {
            *octets = &octets[1..];
            return short.into();
        }
        let long = take(octets, 4).try_into().unwrap();
        (u32::from_be_bytes(long) & 0x7fff_ffff) as usize
    }
    let mut pairs = Vec::new();
    while !octets.is_empty() {
        let lengths = (length(&mut octets), length(&mut octets));
        let name = take(&mut octets, lengths.0).to_owned();
        let value = take(&mut octets, lengths.1).to_owned();
        pairs.push((
            String::from_utf8(name).unwrap(),
            String::from_utf8(value).unwrap(),
        ));
    }
    pairs
}

#[test]
fn lengths_have_one_octet_or_four() {
    for (length, begin) in [
        (0, &[1, 0][..]),
        (127, &[1, 127]),
        (128, &[1, 0x80, 0, 0, 128]),
        (70_000, &[1, 0x80, 1, 0x11, 0x70]),
    ] {
        let mut parameters = Parameters::default();
        let value = "v".repeat(length);
        parameters.add("n", &value);
        assert!(parameters.octets().starts_with(begin), "{length}");
        assert_eq!(pairs(parameters.octets()), [("n".into(), value)]);
    }
}

#[test]
fn php_is_told_all_there_is() {
    let script = script("/app/public/index.php", "/app/public", Some("/hook?a=b"));
    let map = parameters(&script, "", &envelope(), None).unwrap();
    let key = "ab".repeat(32);
    let software = format!("maiasaura/{}", env!("CARGO_PKG_VERSION"));
    let wanted = [
        ("CONTENT_LENGTH", "5"),
        ("CONTENT_TYPE", "message/rfc822"),
        ("DOCUMENT_ROOT", "/app/public"),
        ("DOCUMENT_URI", "/hook"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTP_HOST", "mx.example.org"),
        ("HTTP_IDEMPOTENCY_KEY", &key),
        ("HTTP_X_ATTEMPT", "3"),
        ("HTTP_X_CAPTURE_SHOP_NAME", "shop"),
        ("HTTP_X_ENVELOPE_FROM", "s@example.net"),
        ("HTTP_X_ENVELOPE_TO", "bob+x@shop.example.org"),
        ("HTTP_X_HELO", "client.example.net"),
        ("HTTP_X_LOGIN", "alice"),
        ("HTTP_X_MAILBOX", "bob@shop.example.org"),
        ("HTTP_X_MAIL_ID", "7"),
        ("HTTP_X_ORIGINAL_TO", "bob+x@shop.example.org"),
        ("HTTP_X_ORIG_CLIENT", "192.0.2.9"),
        ("HTTP_X_RECEIVED_AT", "0"),
        ("HTTP_X_TLS", "TLSv1.3"),
        ("MAIL_ATTEMPT", "3"),
        ("MAIL_CAPTURE_SHOP_NAME", "shop"),
        ("MAIL_FROM", "s@example.net"),
        ("MAIL_HELO", "client.example.net"),
        ("MAIL_ID", "7"),
        ("MAIL_KEY", &key),
        ("MAIL_LOGIN", "alice"),
        ("MAIL_MAILBOX", "bob@shop.example.org"),
        ("MAIL_ORIG_CLIENT", "192.0.2.9"),
        ("MAIL_RCPT", "bob+x@shop.example.org"),
        ("MAIL_RECEIVED", "0"),
        ("MAIL_TLS", "TLSv1.3"),
        ("QUERY_STRING", "a=b"),
        ("REDIRECT_STATUS", "200"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "4711"),
        ("REMOTE_USER", "alice"),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/hook?a=b"),
        ("SCRIPT_FILENAME", "/app/public/index.php"),
        ("SCRIPT_NAME", "/index.php"),
        ("SERVER_ADDR", "2001:db8::1"),
        ("SERVER_NAME", "mx.example.org"),
        ("SERVER_PORT", "25"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", &software),
    ];
    let map: Vec<(&str, &str)> = map.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(map, wanted);
}

#[test]
fn a_query_is_joined_to_the_route() {
    for (uri, query, request, asked, document) in [
        (None, "", "/x.php", "", "/x.php"),
        (None, "rcpt_to=a", "/x.php?rcpt_to=a", "rcpt_to=a", "/x.php"),
        (Some("/r"), "rcpt_to=a", "/r?rcpt_to=a", "rcpt_to=a", "/r"),
        (
            Some("/r?k=v"),
            "rcpt_to=a",
            "/r?k=v&rcpt_to=a",
            "k=v&rcpt_to=a",
            "/r",
        ),
    ] {
        let script = script("/app/x.php", "/app", uri);
        let map = parameters(&script, query, &envelope(), None).unwrap();
        assert_eq!(map["REQUEST_URI"], request);
        assert_eq!(map["QUERY_STRING"], asked);
        assert_eq!(map["DOCUMENT_URI"], document);
        assert_eq!(map["SCRIPT_NAME"], "/x.php");
    }
}

#[test]
fn values_cannot_make_parameters() {
    let mut envelope = envelope();
    envelope.helo = Some("a\r\nProxy: x\0".into());
    envelope.captures = [
        ("proxy".into(), "http://evil".into()),
        ("PHP_VALUE\nauto_prepend_file".into(), "/x\ny".into()),
        ("\u{fc}".into(), "z".into()),
    ]
    .into();
    let script = script("/x.php", "/", None);
    let map = parameters(&script, "", &envelope, None).unwrap();
    assert_eq!(map["MAIL_HELO"], "a??Proxy: x?");
    assert_eq!(map["HTTP_X_CAPTURE_PHP_VALUE_AUTO_PREPEND_FILE"], "/x?y");
    assert!(!map.contains_key("HTTP_PROXY") && !map.contains_key("PHP_VALUE"));
    let known = |name: &String| {
        let rest = name.trim_start_matches("HTTP_").trim_start_matches("X_");
        rest.bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet == b'_')
    };
    assert!(map.keys().all(known), "{map:?}");
}

#[test]
fn parameters_fit_into_one_record() {
    let mut envelope = envelope();
    let script = script("/x.php", "/", None);
    envelope.helo = Some("x".repeat(20_000));
    assert!(parameters(&script, "", &envelope, None).is_ok());
    envelope.helo = Some("x".repeat(35_000));
    let error = parameters(&script, "", &envelope, None).unwrap_err();
    assert!(error.ends_with("more than 60000"), "{error}");
}

/// Of the values as PHP gets them: each is one line.
#[test]
fn a_signature_is_made_with_the_secret() {
    let secret = Secret::new("s3cret");
    let proof = Proof {
        secret: &secret,
        digest: "sha-256=:x:",
    };
    let script = script("/x.php", "/", None);
    let mut envelope = envelope();
    envelope.mailbox = "bob\nroot".into();
    let map = parameters(&script, "", &envelope, Some(proof)).unwrap();
    let signature = &map["HTTP_X_SIGNATURE"];
    let (time, digest) = signature.split_once(",v2=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let key = "ab".repeat(32);
    let signed = format!(
        "v2\n{time}\n{key}\ns@example.net\nbob+x@shop.example.org\nbob?root\nalice\nsha-256=:x:"
    );
    assert_eq!(digest, secret.digest(&signed));
    assert_eq!(map["HTTP_CONTENT_DIGEST"], "sha-256=:x:");
}
