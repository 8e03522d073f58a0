//! Addresses that would like to be other paths than they are.

use super::*;

#[test]
fn hosts_and_spellings() {
    check(
        &settings(),
        &[
            ("a@example.org", "example.org/a"),
            ("a@EXAMPLE.ORG", "example.org/a"),
            ("A@example.org", "example.org/a"),
            ("a@x.wild.example", "x.wild.example/a"),
            ("a@x.y.wild.example", "x.y.wild.example/a"),
            ("a@b\u{fc}cher.wild.example", "xn--bcher-kva.wild.example/a"),
            (
                "a@xn--bcher-kva.wild.example",
                "xn--bcher-kva.wild.example/a",
            ),
            ("a@[192.0.2.1]", "%5B192.0.2.1%5D/a"),
            ("a@[IPv6:::ffff:192.0.2.1]", "%5B192.0.2.1%5D/a"),
            ("@h1.test,@h2.test:a@example.org", "example.org/a"),
            ("a@wild.example", FOREIGN),
            ("a@xwild.example", FOREIGN),
            ("a@x.wild.example.evil.test", FOREIGN),
            ("a@[192.0.2.2]", FOREIGN),
            ("a@mx.example.net", FOREIGN),
        ],
    );
}

#[test]
fn local_parts_that_are_no_paths() {
    check(
        &settings(),
        &[
            ("a%evil.test@example.org", "example.org/a%25evil.test"),
            ("evil.test!a@example.org", "example.org/evil.test%21a"),
            ("\"a@evil.test\"@example.org", "example.org/a%40evil.test"),
            (
                "\"../../etc/cron.d/x\"@example.org",
                "example.org/%2E.%2F..%2Fetc%2Fcron.d%2Fx",
            ),
            ("\".\"@example.org", "example.org/%2E"),
            ("\"..\"@example.org", "example.org/%2E%2E"),
            ("\"a/b\"@example.org", "example.org/a%2Fb"),
            ("a%2fb@example.org", "example.org/a%252fb"),
            ("\"a\\\\b\"@example.org", "example.org/a%5Cb"),
            ("new@example.org", "example.org/%6Eew"),
            ("NEW@example.org", "example.org/%6Eew"),
            ("cur@example.org", "example.org/%63ur"),
            ("tmp@example.org", "example.org/%74mp"),
            ("\"new/x\"@example.org", "example.org/new%2Fx"),
            (
                "dovecot-uidlist@example.org",
                "example.org/%64ovecot-uidlist",
            ),
            ("\".Trash\"@example.org", "example.org/%2Etrash"),
            ("maildirfolder@example.org", "example.org/%6Daildirfolder"),
            ("%@example.org", "example.org/%25"),
            ("%25@example.org", "example.org/%2525"),
            ("\"alice\"@example.org", "example.org/alice"),
        ],
    );
}

#[test]
fn case_is_folded_by_one_rule() {
    let table = [
        ("Bob@example.org", "example.org/bob"),
        ("BOB@example.org", "example.org/bob"),
        ("\u{fb00}@example.org", "example.org/%EF%AC%80"),
        ("ff@example.org", "example.org/ff"),
        ("\u{212a}@example.org", "example.org/k"),
        ("\u{130}@example.org", "example.org/i%CC%87"),
        ("\u{c9}@example.org", "example.org/%C3%A9"),
        ("e\u{301}@example.org", "example.org/%C3%A9"),
    ];
    check(&settings(), &table);
    let settings = Settings {
        case_sensitive: true,
        ..settings()
    };
    let table = [
        ("Bob@example.org", "example.org/%42ob"),
        ("bob@EXAMPLE.org", "example.org/bob"),
        ("PostMaster@example.org", "example.org/postmaster"),
    ];
    check(&settings, &table);
}

#[test]
fn the_longest_local_part_fits() {
    let recipients = Recipients::new(&settings()).unwrap();
    let address = format!("{}@example.org", "!".repeat(64));
    let recipient = recipients.resolve(&path(&address)).unwrap();
    let name = &recipient.destinations[0].location.components[1];
    assert_eq!(name.len(), 192);
    let address = format!("{}@example.org", "\u{130}".repeat(32));
    let recipient = recipients.resolve(&path(&address)).unwrap();
    let name = &recipient.destinations[0].location.components[1];
    assert!(name.len() <= 233 && name.contains('~'), "{name}");
}

#[test]
fn templates() {
    for (template, root, path) in [
        ("maildirs/{host}/{user}", "maildirs", "a.wild.example/bob"),
        ("{domain}/{user}", ".", "a.wild.example/bob"),
        ("/{user}", "/", "bob"),
        ("/srv//mail/./{user}/", "/srv/mail", "bob"),
        (
            "/srv/{host}/Maildir/{user}",
            "/srv",
            "a.wild.example/Maildir/bob",
        ),
        ("/srv/{user}/Maildir", "/srv", "bob/Maildir"),
        ("/srv/x-{user}@{host}", "/srv", "x-bob@a.wild.example"),
        ("/srv/{host}.{user}", "/srv", "a%2Ewild%2Eexample.bob"),
        ("/srv/{user}/{detail}", "/srv", "bob"),
        ("/srv/one", "/srv", "one"),
        ("one", ".", "one"),
    ] {
        let settings = Settings {
            path: template.to_owned(),
            ..settings()
        };
        let recipients = Recipients::new(&settings).unwrap();
        let found = leads(&recipients, "bob@a.wild.example").unwrap();
        assert_eq!(found, format!("{root}|{path}"), "{template}");
        assert_eq!(recipients.roots(), [Arc::from(Path::new(root))]);
    }
}

#[test]
fn captures_are_values_like_any_other() {
    let settings = Settings {
        hosts: strings(&["{tenant}.{kind}-mail.example", "{tenant}.{kind}.test"]),
        path: "/srv/{kind}/{tenant}/{user}/.{detail}".to_owned(),
        postmaster: Some("root@ops.old-mail.example".to_owned()),
        ..settings()
    };
    check(
        &settings,
        &[
            ("bob@acme.new-mail.example", "/srv|%6Eew/acme/bob"),
            ("bob+new@x.y.test", "/srv|y/x/bob/.new"),
            ("\"bob+.\"@x.y.test", "/srv|y/x/bob/.%2E"),
            ("postmaster", "/srv|old/ops/root"),
            ("postmaster@mx.example.net", "/srv|old/ops/root"),
        ],
    );
    let recipients = Recipients::new(&settings).unwrap();
    let recipient = recipients.resolve(&path("bob@acme.new-mail.example"));
    let captures = &recipient.unwrap().destinations[0].captures;
    assert_eq!(captures["tenant"], "acme");
    assert_eq!(captures["kind"], "new");
}

#[test]
fn what_stands_between_two_captures_tells_them_apart() {
    let settings = Settings {
        path: "/srv/{user}-{host}".to_owned(),
        hosts: strings(&["*"]),
        ..settings()
    };
    check(
        &settings,
        &[
            ("a-b@c", "/srv|a%2Db-c"),
            ("a@b-c", "/srv|a-b-c"),
            ("postmaster@x", "/srv|postmaster-x"),
        ],
    );
}
