//! A message with a bit of everything.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use maiasaura::fastcgi::{Answer, Bridge, Content, Envelope, Letter, Stored, idempotency_key};

use crate::house::crlf;

pub const TRACE: &str = "Return-Path: <s@example.net>\r\nDelivered-To: bob@example.org\r\n";

/// Two texts, two attachments; the octets of the second are 0 to 255.
pub fn message() -> Vec<u8> {
    let mut coded = String::new();
    for line in CODED {
        coded.push_str(line);
        coded.push('\n');
    }
    crlf(MESSAGE.replace("{coded}", &coded).as_bytes())
}

const MESSAGE: &str = "From: =?utf-8?q?J=C3=BCrgen?= <s@example.net>
To: \"Bob, the first\" <bob+x@example.org>, carol@example.org
Cc: dave@example.org
Reply-To: replies@example.net
Subject: =?utf-8?q?caf=C3=A9?= & \"more\"
 =5 %
Date: Fri, 20 Nov 2026 12:00:00 +0100
Message-ID: <1@example.net>
In-Reply-To: <0@example.net>
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=\"==\"

--==
Content-Type: multipart/alternative; boundary=\"--\"

----
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9 \"x\" & y=3Dz + 100%

----
Content-Type: text/html; charset=utf-8

<p>caf\u{e9}</p>

------
--==
Content-Type: text/csv; charset=utf-8; name=\"list.csv\"
Content-Disposition: attachment; filename=\"list.csv\"

a;b
--==
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-ID: <image@example.net>
Content-Disposition: inline; filename=\"../../a\\\"b.png\"

{coded}
--==--
";

/// 0 to 255.
const CODED: [&str; 5] = [
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4",
    "OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3Bx",
    "cnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmq",
    "q6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj",
    "5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==",
];

pub fn envelope(message: &[u8]) -> Envelope {
    let (mail_from, rcpt) = ("s@example.net", "bob+x@example.org");
    Envelope {
        id: "1abc".into(),
        received: UNIX_EPOCH + Duration::from_secs(1_795_000_000),
        mail_from: mail_from.into(),
        rcpt: rcpt.into(),
        mailbox: "bob@example.org".into(),
        captures: [("shop".into(), "one".into())].into(),
        helo: Some("client.example.net".into()),
        client: "192.0.2.7".parse().ok(),
        client_port: None,
        server: None,
        host: "mx.example.org".into(),
        tls: None,
        login: None,
        origin: [].into(),
        key: idempotency_key(message, mail_from, rcpt),
    }
}

/// All of a file.
#[derive(Debug)]
pub struct OnDisk {
    file: File,
    octets: u64,
}

impl OnDisk {
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).expect("a file");
        let octets = file.metadata().expect("its size").len();
        Self { file, octets }
    }
}

impl Stored for OnDisk {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, at)
    }
}

/// Hands the message over once.
pub fn hand(bridge: &Bridge, message: &[u8]) -> Answer {
    let envelope = envelope(message);
    let letter = Letter {
        envelope: &envelope,
        trace: TRACE,
        content: Content::Pieces(&[message]),
        path: None,
    };
    smol::block_on(bridge.hand(letter, 1))
}
