//! The order of the house: who may use whom, and how large a room may be.
//!
//! A rule that is no test leaks.

use crate::source::{Source, sources};

/// Lines of a file, unit tests not counted.
const FILE_LIMIT: usize = 400;
/// Lines of a function.
const FUNCTION_LIMIT: usize = 60;

/// The modules from the ground up: each may use those before it.
const STAIR: [&str; 33] = [
    "smtp",
    "proxy",
    "locks",
    "stamp",
    "group",
    "answers",
    "logbook",
    "credentials",
    "maildir",
    "failure",
    "content",
    "envelope",
    "events",
    "health",
    "recipients",
    "fastcgi",
    "redis",
    "mysql",
    "disks",
    "tls",
    "acme",
    "spool",
    "stream",
    "processor",
    "chain",
    "work",
    "server",
    "http",
    "auth_http",
    "metrics",
    "config",
    "daemon",
    "cli",
];

/// Modules before it that a module may not use all the same.
const STRANGERS: [(&str, &[&str]); 14] = [
    ("proxy", &["smtp"]),
    ("maildir", &["smtp", "proxy"]),
    ("content", &["smtp", "failure"]),
    ("envelope", &["failure"]),
    ("events", &["proxy", "credentials", "maildir", "content"]),
    (
        "health",
        &["smtp", "maildir", "failure", "content", "envelope"],
    ),
    (
        "fastcgi",
        &["maildir", "failure", "content", "envelope", "recipients"],
    ),
    (
        "stream",
        &[
            "smtp",
            "maildir",
            "content",
            "recipients",
            "fastcgi",
            "disks",
        ],
    ),
    (
        "redis",
        &["maildir", "content", "envelope", "recipients", "fastcgi"],
    ),
    (
        "acme",
        &[
            "smtp",
            "maildir",
            "failure",
            "content",
            "envelope",
            "recipients",
            "fastcgi",
            "disks",
        ],
    ),
    ("server", &["maildir", "fastcgi", "spool", "processor"]),
    (
        "http",
        &["maildir", "fastcgi", "spool", "processor", "chain", "disks"],
    ),
    ("metrics", &["fastcgi", "processor", "chain", "auth_http"]),
    (
        "auth_http",
        &["maildir", "fastcgi", "spool", "processor", "chain", "disks"],
    ),
];

/// What else a module may not name: `smtp` does no I/O and knows no time, and
/// the server opens no file.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    (
        "smtp",
        &["async", "smol", "log", "std::net", "std::fs", "std::time"],
    ),
    ("proxy", &["async", "smol", "log", "std"]),
    ("server", &["std::fs", "rustix::fs"]),
];

/// A Unix socket has a place in the file system, which has to be made and removed.
const SOCKETS: &str = "src/server/socket_file.rs";

/// What only the configuration may name.
const YAML: &str = "serde_yaml";
/// Who may read and write data in a form of its own.
const SERDE: [&str; 3] = ["config", "spool", "cli"];

/// Whether `name` is `path` or something in it. A single word may be a word of a
/// text; it counts as a path only with something in it. `async` is a keyword.
fn is_in(name: &str, path: &str) -> bool {
    let alone = path.contains("::") || path == "async";
    match name.strip_prefix(path) {
        Some("") => alone,
        Some(rest) => rest.starts_with("::"),
        None => false,
    }
}

/// Whether one module may use another; an error if one has no place in the stair.
fn may_use(module: &str, other: &str) -> Result<bool, String> {
    let step = |name| {
        let step = STAIR.iter().position(|step| *step == name);
        step.ok_or_else(|| format!("{name} has no place in the stair"))
    };
    let strangers = STRANGERS.iter().filter(|(user, _)| *user == module);
    let strange = strangers
        .flat_map(|(_, strangers)| *strangers)
        .any(|stranger| *stranger == other);
    Ok(step(other)? <= step(module)? && !strange)
}

/// The complaints about all sources, as one text: empty if there are none.
fn complaints(complain: impl Fn(&Source) -> Vec<String>) -> String {
    let all: Vec<String> = sources("src").iter().flat_map(complain).collect();
    all.join("\n")
}

#[test]
fn every_module_uses_only_those_below_it() {
    let found = complaints(|source| {
        let module = source.module();
        if ["lib", "main"].contains(&module) {
            return Vec::new();
        }
        let names = source.names();
        let others = names.iter().filter_map(|name| name.strip_prefix("crate::"));
        others
            .map(|name| name.split("::").next().unwrap_or(name))
            .chain([module])
            .filter_map(|other| match may_use(module, other) {
                Ok(true) => None,
                Ok(false) => Some(format!("{}: {module} uses {other}", source.path)),
                Err(fault) => Some(format!("{}: {fault}", source.path)),
            })
            .collect()
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn nobody_names_what_is_forbidden_to_it() {
    let found = complaints(|source| {
        let module = source.module();
        let rules = FORBIDDEN
            .iter()
            .filter(|(user, _)| *user == module && source.path != SOCKETS);
        let mut forbidden: Vec<&str> = rules.flat_map(|(_, paths)| *paths).copied().collect();
        if module != "config" {
            forbidden.push(YAML);
        }
        if !SERDE.contains(&module) {
            forbidden.push("serde");
        }
        let names = source.names();
        names
            .iter()
            .filter(|name| forbidden.iter().any(|path| is_in(name, path)))
            .map(|name| format!("{} names {name}", source.path))
            .collect()
    });
    assert!(found.is_empty(), "{found}");
}

/// The processor a file belongs to: `hasher` for `src/processor/hasher.rs`.
fn processor(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/processor/")?;
    let name = &name[..name.find(['/', '.'])?];
    (name != "mod").then_some(name)
}

#[test]
fn no_processor_knows_another() {
    let all = sources("src/processor");
    let processors: Vec<&str> = all
        .iter()
        .filter_map(|file| processor(&file.path))
        .collect();
    let found = complaints(|source| {
        let Some(own) = processor(&source.path) else {
            return Vec::new();
        };
        let others = processors.iter().filter(|other| **other != own);
        let others: Vec<_> = others
            .map(|other| format!("crate::processor::{other}"))
            .collect();
        let names = source.names();
        names
            .iter()
            .filter(|name| others.iter().any(|other| is_in(name, other)))
            .map(|name| format!("{} uses {name}", source.path))
            .collect()
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let found = complaints(|source| {
        let mut found = source.long_functions(FUNCTION_LIMIT);
        let length = source.code().lines().count();
        if length > FILE_LIMIT {
            found.push(format!("{} has {length} lines", source.path));
        }
        found
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn nothing_is_left_to_do() {
    for folder in ["src", "tests", "examples"] {
        for Source { path, text } in sources(folder) {
            for word in [concat!("to", "do!("), concat!("unimple", "mented!(")] {
                assert!(!text.contains(word), "{path} says {word}");
            }
        }
    }
}

/// Where a system call has no safe wrapper.
const UNSAFE: [&str; 1] = ["src/maildir/flush.rs"];

#[test]
fn unsafe_code_is_denied_but_where_a_reason_is_given() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(manifest.contains("\nunsafe_code = \"deny\"\n"));
    for Source { path, text } in sources("src") {
        let sites = text.matches("unsafe {").count();
        let reasons = text.matches("expect(unsafe_code, reason =").count();
        assert_eq!(sites, reasons, "{path}");
        assert!(sites == 0 || UNSAFE.contains(&path.as_str()), "{path}");
        assert!(!text.contains("allow(unsafe_code"), "{path}");
    }
}

/// The page of the crate leads to every room that its users may enter.
#[test]
fn the_map_names_every_public_room() {
    let map = include_str!("../../src/lib.rs");
    let page: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let mut hidden = false;
    let mut count = 0;
    for line in map.lines() {
        if let Some(room) = line.strip_prefix("pub mod ") {
            let room = room.trim_end_matches(';');
            let is_named = [format!("[`{room}`]"), format!("[`{room}::")];
            let is_named = is_named.iter().any(|link| page.contains(link));
            assert_ne!(hidden, is_named, "{room}");
            count += usize::from(!hidden);
        }
        hidden = line.contains("doc(hidden)") || (hidden && line.starts_with("#["));
    }
    assert!(count >= 10, "{count} public rooms");
}
