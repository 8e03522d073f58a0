//! Settings that cannot hold.

use super::*;

/// What is changed, which key is blamed, and what the message says.
type Row = (fn(&mut Settings), &'static str, &'static str);

fn check_refused(table: &[Row]) {
    for (change, key, says) in table {
        let mut settings = settings();
        settings.users = list("alice bob");
        change(&mut settings);
        let error = Recipients::new(&settings).expect_err(says);
        assert_eq!(error.key, *key, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn hosts_and_names() {
    check_refused(&[
        (
            |s| s.hosts.push("a..b".into()),
            "recipients.hosts[3]",
            "\"a..b\" has an empty label",
        ),
        (
            |s| s.hostname = "my_host".into(),
            "hostname",
            "\"my_host\" is not a host name",
        ),
        (
            |s| s.users = list("carol a@b@c"),
            "recipients.users[1]",
            "neither a user",
        ),
        (
            |s| s.users = list("a..b"),
            "recipients.users[0]",
            "neither a user",
        ),
        (
            |s| s.users = list("a@evil.test"),
            "recipients.users[0]",
            "not among recipients.hosts",
        ),
        (
            |s| {
                let user = |name: &str| (name.to_owned(), User::default());
                s.users = Users::Map(BTreeMap::from([user("Bob"), user("bob")]));
            },
            "recipients.users.bob",
            "twice",
        ),
        (
            |s| s.subaddress.delimiters = "+x".into(),
            "recipients.subaddress.delimiters",
            "punctuation",
        ),
        (
            |s| s.subaddress.delimiters = "@".into(),
            "recipients.subaddress.delimiters",
            "punctuation",
        ),
    ]);
}

#[test]
fn templates() {
    let key = "maildir.path";
    check_refused(&[
        (|s| s.path = String::new(), key, "names no folder"),
        (|s| s.path = "/".into(), key, "names no folder"),
        (|s| s.path = "a/../{user}".into(), key, "goes up"),
        (|s| s.path = "~bob/{user}".into(), key, "begins with ~"),
        (|s| s.path = "a\0b/{user}".into(), key, "NUL"),
        (|s| s.path = "a/{user".into(), key, "without its }"),
        (|s| s.path = "a/user}".into(), key, "without its {"),
        (
            |s| s.path = "a/{user}{host}".into(),
            key,
            "without anything between",
        ),
        (|s| s.path = "a/{user}x{host}".into(), key, "punctuation"),
        (
            |s| s.path = "a/{user}-{detail}".into(),
            key,
            "segment of its own",
        ),
        (|s| s.path = "a/{detail}".into(), key, "without a detail"),
        (
            |s| s.path = "a/{usr}".into(),
            key,
            "names {usr}, which is not known here; known are {host} {domain} {user} {detail}",
        ),
        (
            |s| {
                s.hosts = strings(&["{tenant}.example", "[192.0.2.1]", "*.test"]);
                s.path = "a/{tenant}/{user}".into();
            },
            "recipients.hosts[1]",
            "has no {tenant}, which maildir.path needs",
        ),
        (
            |s| {
                s.hosts = strings(&["{tenant}.example"]);
                s.path = "a/{tenant}/{user}".into();
            },
            "recipients.postmaster",
            "nothing supplies {tenant}",
        ),
        (
            |s| s.users = own_path("bob", "~/x"),
            "recipients.users.bob.path",
            "begins with ~",
        ),
        (
            |s| {
                s.hosts = strings(&["{tenant}.example", "example.org"]);
                s.users = own_path("bob@example.org", "x/{tenant}");
            },
            "recipients.users.bob@example.org.path",
            "not known here",
        ),
    ]);
}

fn own_path(name: &str, path: &str) -> Users {
    let user = User {
        path: Some(path.to_owned()),
        ..User::default()
    };
    Users::Map(BTreeMap::from([(name.to_owned(), user)]))
}

#[test]
fn aliases_that_lead_astray() {
    check_refused(&[
        (
            |s| s.aliases = aliases("a = b@example.org; b = c@example.org; c = a@example.org"),
            "recipients.aliases.a[0]",
            "break the loop",
        ),
        (
            |s| s.aliases = aliases("a = alice@example.org b@example.org; b = a+x@example.org"),
            "recipients.aliases.a[1]",
            "break the loop",
        ),
        (
            |s| s.aliases = aliases("a@example.org = alice@evil.test"),
            "recipients.aliases.a@example.org[0]",
            "not among recipients.hosts",
        ),
        (
            |s| s.aliases = aliases("a = bob@example.org alice"),
            "recipients.aliases.a[1]",
            "not an address",
        ),
        (
            |s| s.aliases = aliases("a ="),
            "recipients.aliases.a",
            "stands for nobody",
        ),
        (
            |s| s.aliases = aliases("a@evil.test = bob@example.org"),
            "recipients.aliases.a@evil.test",
            "not among recipients.hosts",
        ),
        (
            |s| s.aliases = aliases("a = carol@example.org"),
            "recipients.aliases.a[0]",
            "has no mailbox",
        ),
        (
            |s| s.aliases = aliases("a = a@example.org bob@example.org"),
            "recipients.aliases.a[0]",
            "has no mailbox",
        ),
        (
            |s| s.aliases = aliases("a = bob@example.org; A = bob@example.org"),
            "recipients.aliases.a",
            "twice",
        ),
    ]);
}

#[test]
fn a_long_chain_of_aliases_is_no_loop() {
    let chain = (0..20_000).map(|i| (format!("a{i}"), vec![format!("a{}@example.org", i + 1)]));
    let settings = Settings {
        aliases: chain.collect(),
        ..settings()
    };
    check(&settings, &[("a0@example.org", "example.org/a20000")]);
}

#[test]
fn stand_ins_without_a_mailbox() {
    check_refused(&[
        (
            |s| s.catch_all = Some("carol@example.org".into()),
            "recipients.catch_all",
            "has no mailbox",
        ),
        (
            |s| s.catch_all = Some("alice@evil.test".into()),
            "recipients.catch_all",
            "no pattern of recipients.hosts",
        ),
        (
            |s| s.catch_all = Some("alice".into()),
            "recipients.catch_all",
            "not an address",
        ),
        (
            |s| {
                s.catch_all = Some("all@example.org".into());
                s.aliases = aliases("all = alice@example.org bob@example.org");
            },
            "recipients.catch_all",
            "several mailboxes",
        ),
        (
            |s| s.postmaster = Some("carol@example.org".into()),
            "recipients.postmaster",
            "has no mailbox",
        ),
        (
            |s| s.postmaster = Some("alice@evil.test".into()),
            "recipients.postmaster",
            "not among recipients.hosts",
        ),
        (
            |s| {
                s.postmaster = Some("alice@example.org".into());
                s.aliases = aliases("alice = postmaster@example.org");
            },
            "recipients.postmaster",
            "leads only to itself",
        ),
    ]);
}
