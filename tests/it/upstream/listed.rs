//! The list of all of them, `docs/go-guerrilla.md`, which is made of the comments of these tests.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Files with such tests, and what each is about.
const FILES: [(&str, &str); 16] = [
    ("tests/it/upstream/smtp.rs", "SMTP"),
    ("tests/it/upstream/tls.rs", "TLS"),
    ("tests/it/upstream/proxy.rs", "Proxies"),
    ("tests/it/upstream/daemon.rs", "The daemon"),
    ("tests/it/upstream/reload.rs", "Reloads"),
    ("tests/it/upstream/chain.rs", "The chain"),
    ("tests/it/upstream/processors.rs", "Its processors"),
    ("tests/it/upstream/maildir.rs", "Maildirs"),
    ("tests/it/upstream/php.rs", "FastCGI"),
    ("tests/stream/upstream.rs", "Redis"),
    ("tests/db/rows.rs", "MySQL: rows"),
    ("tests/db/both.rs", "MySQL and Redis"),
    ("tests/db/guerrilla.rs", "MySQL: its table"),
    ("tests/db/trouble.rs", "MySQL: trouble"),
    ("tests/db/users.rs", "MySQL: users"),
    ("tests/db/kill.rs", "MySQL: crashes"),
];

/// What each test of a file says of upstream, and its name.
fn tests_of(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut said = String::new();
    for line in source.lines() {
        if let Some(what) = line.strip_prefix("/// Upstream: ") {
            what.clone_into(&mut said);
        } else if let Some(rest) = line.strip_prefix("/// ")
            && !said.is_empty()
        {
            said.push(' ');
            said.push_str(rest);
        } else if let Some(name) = line.strip_prefix("fn ")
            && !said.is_empty()
        {
            let name = name.split('(').next().unwrap_or(name);
            found.push((std::mem::take(&mut said), name.to_owned()));
        }
    }
    found
}

fn list(root: &Path) -> String {
    let mut list = String::new();
    for (file, title) in FILES {
        let source = fs::read_to_string(root.join(file)).expect("a file with tests");
        let tests = tests_of(&source);
        assert!(!tests.is_empty(), "{file} has none");
        let _ = write!(
            list,
            "\n## {title}\n\n| go-guerrilla | a test that we do not |\n|---|---|\n"
        );
        for (what, name) in tests {
            let what = what.trim_end_matches('.').replace('|', "\\|");
            let _ = writeln!(list, "| {what} | [`{name}`](../{file}) |");
        }
    }
    list
}

/// Whoever adds such a test has to add it to the list.
#[test]
fn the_list_is_that_of_the_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/go-guerrilla.md")).expect("the list");
    let start = text.find("\n## SMTP\n").expect("the first table");
    let expected = list(root);
    let differs = text[start..]
        .lines()
        .zip(expected.lines())
        .find(|(it, must)| it != must);
    assert_eq!(differs, None, "this line, and what it should be");
    assert!(text[start..] == expected, "the list should be:\n{expected}");
}
