//! What the layers are told.

use std::path::Path;
use std::time::Duration;

use super::parse;
use crate::config::Config;
use crate::maildir::{Durability, Owner, Quota};
use crate::processor::LineEnds;
use crate::recipients::{DetailFolder, Question, Recipients, Users};
use crate::server::{Access, Address, Networks, Trust};
use crate::smtp;
use crate::smtp::address::Domain;

#[test]
fn the_defaults_of_the_configuration_are_those_of_the_layers() {
    let config = Config {
        hostname: Some("localhost".into()),
        ..Config::default()
    };
    assert_eq!(
        config.profile(&config.listeners[0]),
        smtp::Profile::default()
    );
    let (ours, theirs) = (config.maildir(), crate::maildir::Settings::default());
    assert_eq!(ours.durability, theirs.durability);
    assert_eq!(
        (ours.file_mode, ours.directory_mode),
        (theirs.file_mode, theirs.directory_mode)
    );
    assert_eq!(
        (ours.require_root, ours.cached_maildirs),
        (theirs.require_root, theirs.cached_maildirs)
    );
    assert_eq!(config.line_ends(), LineEnds::Lf);
    assert_eq!(config.spool_worker(), crate::spool::Settings::default());
    let spool = config.spool().unwrap();
    assert_eq!(spool.path(), Path::new("maildirs/.spool"));
    assert!(Recipients::new(&config.recipients()).is_ok());
    assert!(!config.hostname().is_empty());
}

#[test]
fn our_own_name_takes_its_place() {
    let text = "hostname: mx.example.org\nrecipients: {hosts: [a.example, \"{hostname}\"]}\n\
                wildcard: {hosts: [\"{hostname}\"]}\nlisteners: [{}, {address: 127.0.0.1:0, hostname: in.example.org}]";
    let config = parse(text).unwrap();
    assert_eq!(config.recipients().hosts, ["a.example", "mx.example.org"]);
    assert_eq!(config.recipients().hostname, "mx.example.org");
    assert_eq!(config.wildcard_hosts().unwrap(), ["mx.example.org"]);
    assert_eq!(config.maildir().host, "mx.example.org");
    assert_eq!(
        config.profile(&config.listeners[0]).hostname,
        "mx.example.org"
    );
    assert_eq!(
        config.profile(&config.listeners[1]).hostname,
        "in.example.org"
    );
    assert!(Domain::parse(&Config::default().hostname()).is_ok());
}

#[test]
fn listeners() {
    let unix = |mode, group| Address::Unix("/run/lmtp".into(), Access { mode, group });
    for (written, address) in [
        (
            "127.0.0.1:2525",
            Address::Tcp(([127, 0, 0, 1], 2525).into()),
        ),
        (
            "\"[::]:25\"",
            Address::Tcp((std::net::Ipv6Addr::UNSPECIFIED, 25).into()),
        ),
        ("unix:/run/lmtp", unix(0o660, None)),
        ("unix:/run/lmtp:0600", unix(0o600, None)),
        ("unix:/run/lmtp:0660:27", unix(0o660, Some(27))),
        ("unix:/run/lmtp:0666:root", unix(0o666, Some(0))),
        ("systemd:smtp", Address::Systemd("smtp".into())),
    ] {
        let config = parse(&format!(
            "listeners: [{{address: {written}, protocol: lmtp}}]"
        ))
        .unwrap();
        assert_eq!(config.listeners[0].address, address);
        assert_eq!(
            config.profile(&config.listeners[0]).protocol,
            smtp::Protocol::Lmtp
        );
        let mut config = Config::default();
        config.listen_on(written.trim_matches('"')).unwrap();
        assert_eq!(config.listeners[0].address, address);
    }
    assert!(Config::default().listen_on("nowhere").is_err());
    let fresh = parse("listeners: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]").unwrap();
    assert_eq!(fresh.listeners.len(), 2);
}

#[test]
fn whose_word_is_believed() {
    let trust = |keys: &str| {
        let config = parse(&format!("listeners: [{{address: 127.0.0.1:0{keys}}}]")).unwrap();
        Config::trust(&config.listeners[0])
    };
    let networks = |networks: &[&str], unix| Networks {
        networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
        unix,
    };
    assert_eq!(trust(""), Trust::default());
    assert_eq!(trust(", proxy_protocol: ~, xclient: ~"), Trust::default());
    assert_eq!(
        trust(", proxy_protocol: false, xclient: []"),
        Trust::default()
    );
    let one = networks(&["127.0.0.1/32"], false);
    assert_eq!(trust(", xclient: 127.0.0.1").xclient, one);
    let several =
        trust(", proxy_protocol: [10.0.0.0/8, '2001:db8::/32', '::1', '::ffff:192.0.2.1', unix]");
    let known = ["10.0.0.0/8", "2001:db8::/32", "::1/128", "192.0.2.1/32"];
    assert_eq!(several.proxies, Some(networks(&known, true)));
}

#[test]
fn users() {
    let read = |users: &str| {
        parse(&format!("recipients: {{users: {users}}}"))
            .unwrap()
            .recipients
            .users
    };
    assert_eq!(read("any"), Users::Any);
    assert_eq!(read("existing"), Users::Existing);
    let question = Question {
        of: "mysql".into(),
        text: "SELECT 1".into(),
    };
    assert_eq!(read("{mysql: SELECT 1}"), Users::Asked(question));
    let Users::Map(users) = read("{mysql: {quota: 1KiB}, redis: }") else {
        panic!("users may have such names")
    };
    assert_eq!(users.len(), 2);
    assert_eq!(read("[a, 7]"), Users::List(vec!["a".into(), "7".into()]));
    let Users::Map(users) =
        read("{a: {uid: mail}, b: {uid: 4294967294, gid: 5, quota: 1KiB, path: x}, c: , d: {}}")
    else {
        panic!()
    };
    assert_eq!(
        users["a"].owner,
        Some(Owner { uid: 8, gid: 8 }),
        "with the group of that user"
    );
    assert_eq!(
        users["b"].owner,
        Some(Owner {
            uid: 4_294_967_294,
            gid: 5
        })
    );
    assert_eq!(
        users["b"].quota,
        Some(Quota {
            storage: Some(1024),
            messages: None
        })
    );
    assert_eq!(users["b"].path.as_deref(), Some("x"));
    assert_eq!(users["c"], users["d"]);
}

#[test]
fn everything_else_arrives() {
    let text = "
smtp: {bare_newlines: accept, early_talkers: accept, angle_brackets: optional}
recipients:
  aliases: {info: a@localhost, all: [a@localhost, b@localhost]}
  subaddress: {delimiters: [+, '-'], folder: create, max_folders: 3}
maildir: {eol: crlf, durability: file, path: 'x/{user}'}
limits: {messages_per_connection: 4, data_rate: 1kB}
timeouts: {session: 2h, shutdown: 500ms}
";
    let config = parse(text).unwrap();
    let profile = config.profile(&config.listeners[0]);
    assert!(profile.accept_bare_newlines && profile.lenient_paths && !profile.refuse_early_talkers);
    assert_eq!(profile.messages, 4);
    let recipients = config.recipients();
    assert_eq!(recipients.aliases["info"], ["a@localhost"]);
    assert_eq!(recipients.aliases["all"].len(), 2);
    assert_eq!(
        (
            recipients.subaddress.delimiters.as_str(),
            recipients.path.as_str()
        ),
        ("+-", "x/{user}")
    );
    assert_eq!(
        (
            recipients.subaddress.folder,
            config.recipients.subaddress.max_folders
        ),
        (DetailFolder::Create, 3)
    );
    assert_eq!(config.line_ends(), LineEnds::Crlf);
    assert_eq!(config.maildir().durability, Durability::File);
    let timeouts = config.timeouts();
    assert_eq!(
        (timeouts.session, timeouts.shutdown),
        (Duration::from_hours(2), Duration::from_millis(500))
    );
    assert_eq!(timeouts.data_rate, 1000);
}

#[test]
fn chains() {
    for written in ["A|B", "\" A | B \"", "[A, B]", "\n  - A\n  - B"] {
        assert_eq!(parse(&format!("save: {written}")).unwrap().save, ["A", "B"]);
    }
    assert!(
        parse("validate: []").unwrap().validate.is_empty(),
        "nobody need be asked"
    );
}
