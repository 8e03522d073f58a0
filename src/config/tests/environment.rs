//! `${NAME}` in the file, and variables that override keys.

use super::{complaint, parse_in};
use crate::config::{Config, Size};
use crate::recipients::Users;

const VARIABLES: [(&str, &str); 9] = [
    ("HOST", "mx.example.org"),
    ("NUMBER", "7"),
    ("ADDRESS", "127.0.0.1:25"),
    ("QUOTES", "a\"b'c\\d"),
    ("LINES", "a\nb: c"),
    ("COMMENT", "a # b"),
    ("LIST", "a, b"),
    ("EMPTY", ""),
    ("STAR", "*.example.org"),
];

#[test]
fn variables_in_the_file() {
    let read = |text: &str| parse_in(text, &VARIABLES).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        read("hostname: ${HOST}").hostname.unwrap(),
        "mx.example.org"
    );
    assert_eq!(
        read("hostname: a.${HOST} # ${NO_SUCH}").hostname.unwrap(),
        "a.mx.example.org"
    );
    assert_eq!(
        read("# ${NO_SUCH}\nthreads: ${NUMBER}${NUMBER}").threads,
        77
    );
    assert_eq!(
        read("listeners: [{address: '${ADDRESS}'}]").listeners[0]
            .address
            .to_string(),
        "127.0.0.1:25"
    );
    assert_eq!(read("hostname: ${EMPTY}").hostname, None);
    for (written, path) in [
        ("\"x/${QUOTES}\"", "x/a\"b'c\\d"),
        ("'x/${QUOTES}'", "x/a\"b'c\\d"),
        ("\"${LINES}\"", "a\nb: c"),
        ("\"${COMMENT}\"", "a # b"),
        ("it's/${HOST}", "it's/mx.example.org"),
        ("x#${HOST}", "x#mx.example.org"),
        ("'it''s # ${HOST}'", "it's # mx.example.org"),
        ("\"\\\" # ${HOST}\"", "\" # mx.example.org"),
        ("$${HOST}/$HOST/$", "${HOST}/$HOST/$"),
    ] {
        assert_eq!(
            read(&format!("maildir:\n  path: {written}")).maildir.path,
            path
        );
    }
    assert_eq!(
        read("recipients:\n  hosts:\n  - \"${STAR}\"")
            .recipients
            .hosts,
        ["*.example.org"]
    );
}

#[test]
fn variables_that_do_not_fit() {
    const QUOTES: &str =
        "the value holds signs with a meaning in YAML; put double quotes around it";
    for (text, line) in [
        ("threads: 1\nhostname: ${LINES}", format!("2:11: ${{LINES}}: {QUOTES}")),
        ("hostname: ${COMMENT}", format!("1:11: ${{COMMENT}}: {QUOTES}")),
        ("save: [${LIST}]", format!("1:8: ${{LIST}}: {QUOTES}")),
        ("hostname: ${STAR}", format!("1:11: ${{STAR}}: {QUOTES}")),
        (
            "hostname: '${LINES}'",
            "1:12: ${LINES}: the value holds a line end or control character; write it in double quotes".into(),
        ),
        (
            "hostname: ${NO_SUCH}",
            "1:11: ${NO_SUCH}: the environment has no variable NO_SUCH; set it, or write the value here".into(),
        ),
        ("hostname: ${}", "1:11: ${} does not name a variable; write ${NAME}, or $${ for a literal ${".into()),
        ("hostname: ${HOST\n}", "1:11: ${ has no } on its line; write ${NAME}, or $${ for a literal ${".into()),
    ] {
        assert_eq!(complaint(text, &VARIABLES), format!("m.yaml:{line}"));
    }
}

fn overridden(text: &str, variables: &[(&str, &str)]) -> Config {
    parse_in(text, variables).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn overrides_of_single_values() {
    let config = overridden(
        "limits: {connections: 9, errors: 3}\nhostname: 10\n",
        &[
            ("MAIASAURA__LIMITS__CONNECTIONS", "5"),
            ("MAIASAURA__LIMITS__MEMORY", "1GB"),
            ("MAIASAURA__TIMEOUTS__DATA", "10s"),
            ("MAIASAURA__MAILDIR__FILE_MODE", "0640"),
            ("MAIASAURA__MAILDIR__REQUIRE_ROOT", "true"),
            ("MAIASAURA__SAVE", "Header|MailDir"),
            ("MAIASAURA_CONFIG", "elsewhere"),
            ("OTHER", "x"),
        ],
    );
    assert_eq!((config.limits.connections, config.limits.errors), (5, 3));
    assert_eq!(config.limits.memory, Size(1_000_000_000));
    assert_eq!(config.timeouts.data.to_string(), "10s");
    assert_eq!(config.maildir.file_mode, 0o640);
    assert!(config.maildir.require_root);
    assert_eq!(config.save, ["Header", "MailDir"]);
    assert_eq!(
        config.hostname.as_deref(),
        Some("10"),
        "what is not overridden stays as it was"
    );
}

#[test]
fn overrides_in_lists_and_maps() {
    let variables = [
        ("MAIASAURA__LISTENERS__0__ADDRESS", "[::]:25"),
        ("MAIASAURA__LISTENERS__1__PROTOCOL", "lmtp"),
        ("MAIASAURA__LISTENERS__1__ADDRESS", "unix:/run/lmtp"),
        ("MAIASAURA__RECIPIENTS__HOSTS__2", "*.example.org"),
        ("MAIASAURA__RECIPIENTS__USERS__0", "alice"),
        (
            "MAIASAURA__RECIPIENTS__ALIASES__info@example.org",
            "[alice@localhost, bob@localhost]",
        ),
    ];
    let config = overridden("", &variables);
    let addresses: Vec<_> = config
        .listeners
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    assert_eq!(addresses, ["[::]:25", "unix:/run/lmtp"]);
    assert_eq!(
        config.recipients.hosts,
        ["localhost", "{hostname}", "*.example.org"]
    );
    assert_eq!(config.recipients.users, Users::List(vec!["alice".into()]));
    assert_eq!(config.recipients.aliases["info@example.org"].len(), 2);
    let many: Vec<_> = (0..12)
        .map(|n| {
            (
                format!("MAIASAURA__RECIPIENTS__USERS__{n}"),
                format!("u{n}"),
            )
        })
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let Users::List(users) = overridden("", &many).recipients.users else {
        panic!()
    };
    assert_eq!(users[10], "u10", "numbers are in order");
    let config = overridden(
        "recipients: {users: {Alice: {quota: 1GB}, bob: }}",
        &[(
            "MAIASAURA__RECIPIENTS__USERS__ALICE__PATH",
            "/home/alice/Maildir",
        )],
    );
    let Users::Map(users) = config.recipients.users else {
        panic!()
    };
    assert!(users["Alice"].quota.is_some() && users["Alice"].path.is_some());
}

#[test]
fn wrong_overrides() {
    let limits = "known keys: message_size, recipients, errors, idle_commands, auth_failures, auth_failures_per_ip, messages_per_connection, hops, \
                  connections, connections_per_ip, deliveries, disk_errors, memory, data_rate";
    for (variable, value, message) in [
        (
            "LIMITS__CONECTIONS",
            "5",
            format!("limits: unknown key \"conections\"; did you mean \"connections\"? {limits}"),
        ),
        (
            "LIMITS__ERRORS",
            "ten",
            "limits.errors: expected a whole number, 0 or more, found \"ten\"".into(),
        ),
        (
            "LIMITS__ERRORS",
            "",
            "limits.errors: expected a whole number, 0 or more, found nothing".into(),
        ),
        (
            "LIMITS__ERRORS",
            "0",
            "limits.errors: with 0 no mail could come in; write a larger number".into(),
        ),
        (
            "LISTENERS__3__ADDRESS",
            "127.0.0.1:25",
            "listeners: there is no entry \"3\"; the next one has the number 1".into(),
        ),
        (
            "LISTENERS__FIRST__ADDRESS",
            "127.0.0.1:25",
            "listeners: there is no entry \"first\"; the next one has the number 1".into(),
        ),
        (
            "LISTENERS__0__PROTOCOL",
            "http",
            "listeners[0].protocol: unknown word \"http\"; known words: smtp, lmtp".into(),
        ),
        (
            "THREADS__X",
            "1",
            "threads: a single value stands here, which has no \"x\" in it".into(),
        ),
        (
            "",
            "1",
            "this names no key; write it as MAIASAURA__LIMITS__CONNECTIONS".into(),
        ),
        (
            "LIMITS__",
            "1",
            "this names no key; write it as MAIASAURA__LIMITS__CONNECTIONS".into(),
        ),
    ] {
        let variable = format!("MAIASAURA__{variable}");
        let said = complaint("threads: 2", &[(&variable, value)]);
        assert_eq!(said, format!("{variable}: {message}"));
    }
}

#[test]
fn what_is_left_of_a_broken_flow_value_is_a_text() {
    let config = overridden("", &[("MAIASAURA__RECIPIENTS__HOSTS", "*.example.org")]);
    assert_eq!(config.recipients.hosts, ["*.example.org"]);
}
