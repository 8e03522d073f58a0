use super::*;

fn read(line: &str) -> String {
    match Command::parse(line.as_bytes(), false) {
        Ok(Command::Mail(path, parameters)) => {
            let MailParameters {
                size,
                binary,
                utf8,
                auth,
            } = parameters;
            let auth = if auth { " auth" } else { "" };
            format!("MAIL {path} {size:?} {binary} {utf8}{auth}")
        }
        Ok(Command::Rcpt { path, utf8 }) => format!("RCPT {path} {utf8}"),
        Ok(Command::Greet(greeting, domain)) => format!("{greeting:?} {domain}"),
        Ok(command) => format!("{command:?}"),
        Err(reply) => reply.to_string().chars().take(9).collect(),
    }
}

#[test]
fn lines() {
    for (line, expected) in [
        ("eHlO Client.test ", "Ehlo client.test"),
        ("HELO [192.0.2.1]", "Helo [192.0.2.1]"),
        ("LHLO [IPv6:::1]", "Lhlo [IPv6:::1]"),
        ("EHLO", "501 5.5.4"),
        ("EHLO a b", "501 5.5.4"),
        ("EHLO x_y.test", "501 5.5.4"),
        ("EHLO x\tby evil;", "501 5.5.4"),
        ("EHLO x\x1b[31m", "501 5.5.4"),
        ("EHLO b\u{fc}cher.test", "501 5.5.4"),
        ("mAiL fRoM:<s@c.test> ", "MAIL s@c.test None false false"),
        ("MAIL FROM: <s@c.test>", "MAIL s@c.test None false false"),
        (
            "MAIL FROM:<> SIZE=5 BODY=8bitmime",
            "MAIL  Some(5) false false",
        ),
        (
            "MAIL FROM:<s@c.test> body=BINARYMIME SMTPUTF8",
            "MAIL s@c.test None true true",
        ),
        ("MAIL FROM:<s@c.test> SIZE=", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> SIZE", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> SIZE=-1", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> SIZE=+1", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> SIZE=1x", "501 5.5.4"),
        (
            "MAIL FROM:<s@c.test> SIZE=18446744073709551616",
            "501 5.5.4",
        ),
        ("MAIL FROM:<s@c.test> SIZE=1 SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> BODY=FOO", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<s@c.test> FOO=bar", "555 5.5.4"),
        ("MAIL FROM:<s@c.test>x", "501 5.1.7"),
        ("MAIL FROM:s@c.test", "501 5.1.7"),
        ("MAIL FROM:", "501 5.1.7"),
        ("MAIL", "501 5.1.7"),
        ("MAIL TO:<s@c.test>", "501 5.1.7"),
        ("MAIL FROM:<j\u{fc}@c.test>", "553 5.6.7"),
        (
            "MAIL FROM:<j\u{fc}@c.test> SMTPUTF8",
            "MAIL j\u{fc}@c.test None false true",
        ),
        ("RCPT TO:<Bob@x.test>", "RCPT Bob@x.test false"),
        ("RCPT TO:<gr\u{e5}@x.test>", "RCPT gr\u{e5}@x.test true"),
        ("RCPT TO:<bob@x.test> NOTIFY=NEVER", "555 5.5.4"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("DATA", "Data"),
        ("DATA foo", "501 5.5.4"),
        ("BDAT 5 last", "Bdat { size: 5, last: true }"),
        ("BDAT 0", "Bdat { size: 0, last: false }"),
        ("BDAT", "501 5.5.4"),
        ("BDAT x", "501 5.5.4"),
        ("BDAT -1", "501 5.5.4"),
        (
            "BDAT 99999999999999999999",
            "Bdat { size: 18446744073709551615, last: false }",
        ),
        ("BDAT 1 FIRST", "501 5.5.4"),
        ("BDAT 1 LAST 2", "501 5.5.4"),
        ("NOOP x", "Noop"),
        ("VRFY bob", "Vrfy"),
        ("VRFY", "501 5.5.4"),
        ("RSET now", "501 5.5.4"),
        ("QUIT", "Quit"),
        ("QUITxyz", "500 5.5.1"),
        ("auth plain", "Auth(\"plain\", None)"),
        ("AUTH PLAIN  = ", "Auth(\"PLAIN\", Some(\"=\"))"),
        ("AUTH", "501 5.5.4"),
        ("AUTH PLAIN AHgAeQ== x", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=<>", "MAIL  None false false auth"),
        (
            "MAIL FROM:<> AUTH=e+3Dmc2@example.com",
            "MAIL  None false false auth",
        ),
        ("MAIL FROM:<> AUTH=", "501 5.5.4"),
        ("MAIL FROM:<> AUTH", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=<a@b>", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=a+3", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=a+3d@b.c", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=a+0D+0A@b.c", "501 5.5.4"),
        ("MAIL FROM:<> AUTH=<> AUTH=<>", "501 5.5.4"),
        ("StartTLS ", "StartTls"),
        ("STARTTLS now", "501 5.5.4"),
        ("GET / HTTP/1.1", "Http"),
        ("XYZZY", "500 5.5.1"),
        ("", "500 5.5.1"),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    assert_eq!(
        Command::parse(b"NOOP \xff", false),
        Err(reply::UNKNOWN_COMMAND)
    );
}

#[test]
fn devices_without_brackets() {
    let path = Command::parse(b"RCPT TO:bob@x.test", true);
    assert_eq!(path, Command::parse(b"RCPT TO:<bob@x.test>", true));
    let path = Command::parse(b"MAIL FROM: s@c.test SIZE=1", true);
    assert_eq!(path, Command::parse(b"MAIL FROM:<s@c.test> SIZE=1", false));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(line in proptest::collection::vec(0_u8..=255, 0..200), lenient: bool) {
        let _ = Command::parse(&line, lenient);
    }

    #[test]
    fn nothing_like_a_command_panics(
        line in "(MAIL FROM:|RCPT TO:|BDAT |EHLO )[<\"@\\[\\]>:.,a\u{fc} =\\\\-]{0,40}", lenient: bool
    ) {
        let _ = Command::parse(line.as_bytes(), lenient);
    }
}
