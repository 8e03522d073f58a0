use super::*;

/// `Some(printed)` when the whole text is a forward-path, else `None`.
fn read(text: &str) -> Option<String> {
    match ForwardPath::parse(text) {
        Ok((path, "")) => Some(path.to_string()),
        _ => None,
    }
}

#[test]
fn paths_that_are_addresses() {
    for (text, printed) in [
        ("<bob@example.org>", "bob@example.org"),
        ("<Bob@EXAMPLE.Org>", "Bob@example.org"),
        ("<@h1.test,@h2.test:bob@example.org>", "bob@example.org"),
        ("<postmaster>", "postmaster"),
        ("<PostMaster>", "postmaster"),
        ("<\"postmaster\">", "postmaster"),
        ("<postmasterfoo@example.org>", "postmasterfoo@example.org"),
        ("<\"alpha\"@x.test>", "alpha@x.test"),
        ("<\"a b\"@x.test>", "\"a b\"@x.test"),
        ("<\"a\\\"b\"@x.test>", "\"a\\\"b\"@x.test"),
        ("<\"a\\b\"@x.test>", "ab@x.test"),
        ("<\"a/b\"@x.test>", "a/b@x.test"),
        (
            "<\"../../etc/passwd\"@x.test>",
            "\"../../etc/passwd\"@x.test",
        ),
        ("<a%b!c@x.test>", "a%b!c@x.test"),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[ipv6:2001:DB8:0::1]>", "a@[IPv6:2001:db8::1]"),
        ("<a@[IPv6:::ffff:c0a8:1]>", "a@[192.168.0.1]"),
        ("<gr\u{e5}@b\u{fc}cher.test>", "gr\u{e5}@xn--bcher-kva.test"),
        ("<e\u{301}@x.test>", "\u{e9}@x.test"),
        ("<a@localhost>", "a@localhost"),
        ("<a@a--b.test>", "a@a--b.test"),
    ] {
        assert_eq!(read(text).as_deref(), Some(printed), "{text}");
    }
}

#[test]
fn paths_that_are_not() {
    for text in [
        "",
        "<",
        ">",
        "<>",
        "<<>>",
        "bob@example.org",
        "test@x>",
        "<a@b",
        "<a@b>junk",
        "<justatest>",
        "<@example.org>",
        "<a@>",
        "<a@b@c>",
        "<\"\"@x.test>",
        "< a@x.test>",
        "<a@x.test >",
        "<a b@x.test>",
        "<a..b@x.test>",
        "<.a@x.test>",
        "<a.@x.test>",
        "<.@x.test>",
        "<..@x.test>",
        "<a@-x.y>",
        "<a@x-.y>",
        "<a@x..y>",
        "<a@.x>",
        "<a@x.>",
        "<a@x_y.test>",
        "<a@*.test>",
        "<a@[a-z].test>",
        "<a@?.test>",
        "<a@[300.1.1.1]>",
        "<a@[1.1.1]>",
        "<a@[IPv6:zz]>",
        "<a@[::1]>",
        "<a@[192.0.2.1>",
        "<a@[192.0.2.1]x>",
        "<\"a\tb\"@x.test>",
        "<\"a\rb\"@x.test>",
        "<\"a\0b\"@x.test>",
        "<\"a\u{2028}b\"@x.test>",
        "<\"a\"b@x.test>",
        "<\"a@x.test>",
        "<a\\@b@x.test>",
        "<@h1,@h2@x.test>",
        "<@h1,h2:a@x.test>",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn lengths() {
    let label = "x".repeat(63);
    let domain = format!("{label}.{label}.{label}"); // 191 octets
    let path = |local: usize, domain: &str| format!("<{}@{domain}>", "l".repeat(local));
    assert!(read(&path(64, "x.test")).is_some());
    assert!(read(&path(65, "x.test")).is_none());
    assert!(read(&path(1, &format!("x{label}.test"))).is_none());
    assert!(read(&path(62, &domain)).is_some(), "256 octets");
    assert!(read(&path(63, &domain)).is_none(), "257 octets");
    let longest = format!("{domain}.{}", "y".repeat(63)); // 255 octets
    assert!(Domain::parse(&longest).is_ok());
    assert!(Domain::parse(&format!("{}y", &longest)).is_err());
}

#[test]
fn null_is_a_reverse_path_only() {
    assert_eq!(
        ReversePath::parse("<> SIZE=1"),
        Ok((ReversePath::Null, " SIZE=1"))
    );
    assert_eq!(ReversePath::parse("<postmaster>"), Err(AddressError));
}

proptest::proptest! {
    #[test]
    fn what_is_printed_reads_back(local in "[ -~\u{e0}-\u{ff}]{1,20}", domain in "[a-z0-9]{1,10}(\\.[a-z]{1,5})?") {
        let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
        let mailbox = Mailbox::parse(&format!("\"{quoted}\"@{domain}")).unwrap();
        proptest::prop_assert_eq!(mailbox.local_part(), compose(&local));
        proptest::prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
    }

    #[test]
    fn nothing_panics(text in "\\PC*") {
        let _ = ForwardPath::parse(&text);
        let _ = ReversePath::parse(&text);
    }
}
