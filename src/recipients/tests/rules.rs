//! Users, aliases, the postmaster, the catch-all, subaddresses.

use super::*;
use crate::maildir::{Owner, Quota};

#[test]
fn users_that_are_named() {
    let names = ["Alice", "bob@example.org", "B\u{e5}b", "\"john doe\""];
    let settings = Settings {
        users: Users::List(strings(&names)),
        ..settings()
    };
    check(
        &settings,
        &[
            ("alice@example.org", "example.org/alice"),
            ("ALICE@x.wild.example", "x.wild.example/alice"),
            ("bob@example.org", "example.org/bob"),
            ("bob@x.wild.example", UNKNOWN),
            ("B\u{c5}B@example.org", "example.org/b%C3%A5b"),
            ("\"John Doe\"@example.org", "example.org/john%20doe"),
            ("carol@example.org", UNKNOWN),
            ("alice@example.com", FOREIGN),
        ],
    );
}

#[test]
fn users_with_something_special() {
    let owner = Some(Owner { uid: 7, gid: 8 });
    let quota = Some(Quota {
        storage: Some(9),
        messages: None,
    });
    let user = |path: &str| User {
        owner,
        path: (!path.is_empty()).then(|| path.to_owned()),
        quota,
    };
    let users = BTreeMap::from([
        ("alice".to_owned(), user("/home/alice/Maildir")),
        ("alice@example.org".to_owned(), user("")),
        ("bob".to_owned(), user("/home/bob/{host}/Mail")),
    ]);
    let settings = Settings {
        users: Users::Map(users),
        ..settings()
    };
    check(
        &settings,
        &[
            ("alice@x.wild.example", "/home/alice|Maildir"),
            ("alice@example.org", "example.org/alice"),
            ("bob@example.org", "/home/bob|example.org/Mail"),
            ("carol@example.org", UNKNOWN),
            ("postmaster@example.org", "mx.example.net/postmaster"),
        ],
    );
    let recipients = Recipients::new(&settings).unwrap();
    let roots = recipients.roots();
    let roots: Vec<_> = roots.iter().map(|root| root.to_str().unwrap()).collect();
    assert_eq!(roots, ["/home/alice", "/home/bob", "maildirs"]);
    let recipient = recipients.resolve(&path("bob@example.org")).unwrap();
    let location = &recipient.destinations[0].location;
    assert_eq!((location.owner, location.quota), (owner, quota));
}

#[test]
fn catch_all_takes_who_is_unknown() {
    let settings = Settings {
        users: list("alice bob"),
        catch_all: Some("Bob+lost@example.org".to_owned()),
        ..settings()
    };
    check(
        &settings,
        &[
            ("alice@x.wild.example", "x.wild.example/alice"),
            ("carol@x.wild.example", "example.org/bob"),
            ("carol+x@x.wild.example", "example.org/bob"),
            ("postmaster@x.wild.example", "mx.example.net/postmaster"),
            ("carol@evil.test", FOREIGN),
        ],
    );
}

#[test]
fn every_host_has_a_postmaster() {
    let own = "mx.example.net/postmaster";
    let table = [
        ("postmaster", own),
        ("PostMaster", own),
        ("postmaster@mx.example.net", own),
        ("Postmaster+x@example.org", "example.org/postmaster"),
        ("postmaster@example.org", "example.org/postmaster"),
        ("postmaster@evil.test", FOREIGN),
        ("postmaster+x@mx.example.net", FOREIGN),
        ("postmasterfoo@mx.example.net", FOREIGN),
    ];
    check(&settings(), &table);

    let listed = Settings {
        users: list("alice postmaster@x.wild.example"),
        ..settings()
    };
    let table = [
        ("postmaster", own),
        ("postmaster@example.org", own),
        ("postmaster+x@example.org", own),
        ("postmaster@x.wild.example", "x.wild.example/postmaster"),
        ("postmasterfoo@example.org", UNKNOWN),
    ];
    check(&listed, &table);

    let named = Settings {
        postmaster: Some("alice@example.org".to_owned()),
        ..listed
    };
    let table = [
        ("postmaster", "example.org/alice"),
        ("postmaster@example.org", "example.org/alice"),
        ("postmaster@mx.example.net", "example.org/alice"),
        ("postmaster@x.wild.example", "x.wild.example/postmaster"),
    ];
    check(&named, &table);
    let aliased = Settings {
        aliases: aliases("postmaster = alice@example.org alice@x.wild.example"),
        ..named
    };
    let both = "example.org/alice & x.wild.example/alice";
    let table = [
        ("postmaster", "example.org/alice"),
        ("postmaster@mx.example.net", both),
        ("postmaster@x.wild.example", both),
    ];
    check(&aliased, &table);
}

#[test]
fn aliases_lead_to_mailboxes() {
    let settings = Settings {
        users: list("alice bob carol"),
        aliases: aliases(
            "info = alice@example.org bob@example.org;
             Sales@example.org = info@x.wild.example Carol@example.org ALICE@example.org;
             bob@x.wild.example = bob@x.wild.example carol@example.org;
             c++ = carol@example.org;
             c = bob@example.org;
             tagged@example.org = alice+a@example.org alice+b@example.org",
        ),
        ..settings()
    };
    let info = "example.org/alice & example.org/bob";
    let table = [
        ("info@example.org", info),
        ("INFO@x.wild.example", info),
        ("info+news@example.org", info),
        (
            "sales@example.org",
            "example.org/alice & example.org/bob & example.org/carol",
        ),
        ("sales@x.wild.example", UNKNOWN),
        (
            "bob@x.wild.example",
            "x.wild.example/bob & example.org/carol",
        ),
        ("bob@example.org", "example.org/bob"),
        ("c++@example.org", "example.org/carol"),
        ("c+x@example.org", "example.org/bob"),
        ("tagged@example.org", "example.org/alice"),
        ("info@evil.test", FOREIGN),
    ];
    check(&settings, &table);
    let folders = Settings {
        subaddress: Subaddress {
            folder: DetailFolder::Create,
            ..settings.subaddress.clone()
        },
        ..settings
    };
    let table = [
        (
            "tagged@example.org",
            "example.org/alice .a else example.org/alice & \
             example.org/alice .b else example.org/alice",
        ),
        (
            "bob+x@x.wild.example",
            "x.wild.example/bob .x else x.wild.example/bob & example.org/carol",
        ),
    ];
    check(&folders, &table);
}

#[test]
fn the_forward_path_is_kept_as_given() {
    let settings = Settings {
        aliases: aliases("info = Bob+x@example.org"),
        ..settings()
    };
    let recipients = Recipients::new(&settings).unwrap();
    let recipient = recipients.resolve(&path("INFO@EXAMPLE.ORG")).unwrap();
    assert_eq!(recipient.forward_path.to_string(), "INFO@example.org");
    let mailbox = &recipient.destinations[0].mailbox;
    assert_eq!(mailbox.to_string(), "bob@example.org");
}

#[test]
fn details() {
    let table = [
        ("bob+spam@example.org", "example.org/bob"),
        ("bob+@example.org", "example.org/bob"),
        ("+@example.org", "example.org/+"),
        ("+x@example.org", "example.org/+x"),
        ("bob++@example.org", "example.org/bob"),
        ("\"bob+../../x\"@example.org", "example.org/bob"),
    ];
    check(&settings(), &table);

    let mut create = settings();
    create.subaddress.folder = DetailFolder::Create;
    let table = [
        (
            "Bob+Spam@example.org",
            "example.org/bob .spam else example.org/bob",
        ),
        ("bob+@example.org", "example.org/bob"),
        ("+@example.org", "example.org/+"),
        (
            "bob++@example.org",
            "example.org/bob .+ else example.org/bob",
        ),
        (
            "\"bob+../../x\"@example.org",
            "example.org/bob .%2E%2E%2F%2E%2E%2Fx else example.org/bob",
        ),
        (
            "\"bob+a.b\"@example.org",
            "example.org/bob .a%2Eb else example.org/bob",
        ),
        ("bob-x@example.org", "example.org/bob-x"),
    ];
    check(&create, &table);

    let mut existing = settings();
    existing.subaddress.folder = DetailFolder::Existing;
    existing.subaddress.delimiters = "-+".to_owned();
    let table = [
        (
            "bob-a+b@example.org",
            "!example.org/bob .a+b else example.org/bob",
        ),
        (
            "bob+a-b@example.org",
            "!example.org/bob .a-b else example.org/bob",
        ),
    ];
    check(&existing, &table);

    let mut off = settings();
    off.subaddress.delimiters = String::new();
    check(&off, &[("bob+x@example.org", "example.org/bob+x")]);

    let whole = Settings {
        users: list("bob bob+x"),
        ..create
    };
    let table = [
        ("bob+x@example.org", "example.org/bob+x"),
        (
            "bob+y@example.org",
            "example.org/bob .y else example.org/bob",
        ),
        ("carol+y@example.org", UNKNOWN),
    ];
    check(&whole, &table);
}

#[test]
fn maildirs_that_must_exist() {
    let mut settings = Settings {
        users: Users::Existing,
        catch_all: Some("lost@example.org".to_owned()),
        aliases: aliases("info = bob@example.org"),
        ..settings()
    };
    settings.subaddress.folder = DetailFolder::Create;
    let own = "mx.example.net/postmaster";
    let table = [
        ("bob@example.org", "!example.org/bob else !example.org/lost"),
        (
            "info@example.org",
            "!example.org/bob else !example.org/lost",
        ),
        (
            "bob+x@example.org",
            "example.org/bob .x else !example.org/bob else !example.org/lost",
        ),
        ("lost@example.org", "!example.org/lost"),
        ("postmaster", own),
        ("postmaster@mx.example.net", own),
        (
            "postmaster@example.org",
            "!example.org/postmaster else mx.example.net/postmaster",
        ),
    ];
    check(&settings, &table);

    settings.subaddress.folder = DetailFolder::Existing;
    settings.postmaster = Some("alice@example.org".to_owned());
    let table = [
        ("postmaster", "example.org/alice"),
        ("postmaster@mx.example.net", "example.org/alice"),
        (
            "postmaster+x@example.org",
            "!example.org/postmaster .x else !example.org/postmaster else example.org/alice",
        ),
    ];
    let recipients = Recipients::new(&settings).unwrap();
    for (address, expected) in table {
        let found = leads(&recipients, address)
            .unwrap()
            .replace("maildirs|", "");
        let found = found
            .strip_suffix(" else !example.org/lost")
            .unwrap_or(&found);
        assert_eq!(found, expected, "{address}");
    }
}

#[test]
fn explanations() {
    let mut settings = Settings {
        hosts: strings(&["example.org", "{tenant}.example.org", "*"]),
        users: Users::Existing,
        aliases: aliases("info@example.org = bob+news@acme.example.org"),
        catch_all: Some("lost@example.org".to_owned()),
        ..settings()
    };
    settings.subaddress.folder = DetailFolder::Existing;
    let recipients = Recipients::new(&settings).unwrap();
    assert!(recipients.is_catch_all_host());
    assert_eq!(
        recipients.explain(&path("info@example.org")).to_string(),
        "info@example.org
  host     example.org is ours by the pattern example.org
  alias    info@example.org stands for bob+news@acme.example.org
  host     acme.example.org is ours by the pattern {tenant}.example.org, tenant=acme
  user     bob@acme.example.org: who has a Maildir has a mailbox
  maildir  maildirs/acme.example.org/bob/.news for bob@acme.example.org (if it exists)
      else maildirs/acme.example.org/bob for bob@acme.example.org (if it exists)
      else maildirs/example.org/lost for lost@example.org (if it exists)
  reply    250 2.1.5 Recipient ok"
    );
    let listed = Settings {
        hosts: strings(&["example.org"]),
        users: list("alice"),
        aliases: BTreeMap::new(),
        catch_all: None,
        ..settings
    };
    let recipients = Recipients::new(&listed).unwrap();
    assert!(!recipients.is_catch_all_host());
    for (address, text) in [
        (
            "bob@example.org",
            "bob@example.org
  host     example.org is ours by the pattern example.org
  user     bob@example.org is unknown, and there is no catch-all
  reply    550 5.1.1 User unknown (bob@example.org is not among recipients.users, and there is no catch-all)",
        ),
        (
            "bob@evil.test",
            "bob@evil.test
  host     evil.test is not ours: no pattern matches
  reply    550 5.7.1 Relaying denied (no pattern of recipients.hosts matches evil.test)",
        ),
        (
            "postmaster",
            "postmaster
  alias    the postmaster is postmaster@mx.example.net
  host     mx.example.net is our own name, for its postmaster
  user     postmaster@mx.example.net: every host has a postmaster
  maildir  maildirs/mx.example.net/postmaster for postmaster@mx.example.net (made when needed)
  reply    250 2.1.5 Recipient ok",
        ),
    ] {
        assert_eq!(recipients.explain(&path(address)).to_string(), text);
    }
}
