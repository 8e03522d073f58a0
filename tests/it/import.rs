//! `maiasaura import`: files of every form in `tests/import/`, with what becomes of them beside
//! each. `UPDATE_IMPORTS=1 cargo test --test it import` writes down what the program says now; the
//! difference is for a person to read.

mod sites;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::Daemon;

use crate::house::Folder;
use crate::process::{Ended, Program, command, run};

/// What no output may show, but where it is needed.
const SECRET: &str = "do-not-show-this";

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let is_result = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        extension == "yaml" || extension == "stderr"
    };
    let mut paths: Vec<_> = paths.filter(|path| !is_result(path)).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.expect("its name is text")
}

/// Imports a text that lies in a folder of its own.
fn import(name: &str, text: &[u8]) -> (Folder, Ended) {
    let folder = Folder::new();
    fs::write(folder.path(name), text).expect("it can be written");
    let ended = run(&folder, &["import", name], b"");
    (folder, ended)
}

fn imported(path: &Path) -> Ended {
    let text = fs::read(path).expect("a sample can be read");
    let (_, ended) = import(name(path), &text);
    assert_eq!(ended.code, Some(0), "{}: {ended:#?}", path.display());
    ended
}

fn lines(lines: &[String]) -> String {
    let lines = lines.iter().flat_map(|line| [line.as_str(), "\n"]);
    lines.collect()
}

#[test]
fn every_form_is_imported_as_it_is_written_down() {
    let mut differences = Vec::new();
    for path in samples() {
        let ended = imported(&path);
        for (extension, now) in [
            ("yaml", lines(&ended.stdout)),
            ("stderr", lines(&ended.stderr)),
        ] {
            let expected = path.with_extension(extension);
            if std::env::var_os("UPDATE_IMPORTS").is_some() {
                fs::write(&expected, &now).expect("it can be written");
            }
            let before = fs::read_to_string(&expected).unwrap_or_default();
            if before != now {
                differences.push(format!("== {}\n{now}", expected.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

/// What is imported is a configuration, and everything that can be checked without its machine
/// holds: recipients, paths, chains.
#[test]
fn every_result_is_a_configuration() {
    let environment: Environment = [("HOME", "/home/me")].into_iter().collect();
    for path in samples() {
        let yaml = lines(&imported(&path).stdout);
        let config = Config::parse(&yaml, name(&path), &environment);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let service = Daemon::new(config).service();
        service.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Every key is somewhere in the result: behind what it became, or in the comments at the end.
#[test]
fn no_key_is_dropped_without_a_word() {
    for path in samples() {
        let text = fs::read_to_string(&path).expect("a sample is text");
        let yaml = lines(&imported(&path).stdout);
        for key in keys(&text) {
            assert!(
                yaml.contains(&key),
                "{}: {key} is gone:\n{yaml}",
                path.display()
            );
        }
        let shown: Vec<&str> = yaml.lines().filter(|line| line.contains(SECRET)).collect();
        let needed = |line: &&str| line.trim_start().starts_with("password: do-not-show-this");
        assert!(shown.iter().all(needed), "{}: {shown:?}", path.display());
        assert!(shown.len() <= 1, "{}: {shown:?}", path.display());
    }
}

/// The names of keys, read without any help of the program.
fn keys(text: &str) -> BTreeSet<String> {
    let json = |value: &serde_json::Value| {
        let mut keys = BTreeSet::new();
        collect(value, &mut keys);
        keys
    };
    if let Ok(value) = serde_json::from_str(text) {
        return json(&value);
    }
    let names = text
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '[']));
    let names = names.filter_map(|line| line.split(['=', ':']).next());
    let names = names.map(|name| name.trim().to_owned());
    // What is only there to be built into other values.
    names
        .filter(|name| !name.is_empty() && name != "base")
        .collect()
}

/// The innermost keys.
fn collect(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                if value.is_object() || value.is_array() {
                    collect(value, keys);
                } else {
                    keys.insert(key.replace('\n', "\\n"));
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

/// Two runs, with the same file under any name, say the same.
#[test]
fn a_byte_order_mark_makes_no_difference() {
    for path in samples() {
        let text = fs::read(&path).expect("a sample can be read");
        let (_, marked) = import(name(&path), &[b"\xef\xbb\xbf", &text[..]].concat());
        let plain = imported(&path);
        assert_eq!(marked.stdout, plain.stdout);
        assert_eq!(marked.stderr, plain.stderr);
    }
}

#[test]
fn what_is_no_such_configuration_is_a_complaint() {
    for (text, complaint) in [
        (&b""[..], ": there is nothing in it to import"),
        (b"\n# nothing\n", ": there is nothing in it to import"),
        (b"{}", ": there is nothing in it to import"),
        (
            b"{\n  // mine\n  \"servers\": []\n}",
            ":2:3: JSON has no comments",
        ),
        (b"// mine\n{\"servers\": []}", ":1:1: JSON has no comments"),
        (b"{\"servers\": [] # mine\n}", ":1:16: JSON has no comments"),
        (
            b"{\"servers\": [],\n}",
            ":2:1: a comma with nothing behind it",
        ),
        (b"{\"servers\": [", ": the file ends too early"),
        (b"{\"servers\": nil}", ":1:14: not JSON: "),
        (
            b"{\"colour\": \"red\"}",
            ": this is JSON, but no configuration of go-guerrilla",
        ),
        (
            b"hostname: mx.example.org\n",
            ": this is a configuration of maiasaura already",
        ),
        (b"To: you\n\nHello.\n", ": this is neither JSON"),
        (
            b"[smtp\nip4.port = 25\n[pop3]\n",
            ":1:1: this is no section",
        ),
        (b"[smtp]\nip4.port\n", ":2:1: this line has no ="),
        (
            b"[smtp]\ndomain = %(x)s\nx = %(domain)s\n",
            ": %(x)s leads to itself",
        ),
        (
            b"[smtp]\ndomain = %(x)s\n",
            ":2:1: %(x)s: neither [smtp] nor [DEFAULT] has the key x",
        ),
        (b"[colours]\nred = 1\n", ": this is neither JSON"),
        (b"\xff\xfe{\0}\0", ": this is not UTF-8"),
    ] {
        let (folder, ended) = import("old.conf", text);
        assert_eq!(ended.code, Some(65), "{ended:#?}");
        assert!(ended.stdout.is_empty(), "{ended:#?}");
        let start = "maiasaura: old.conf";
        let line = ended.complaint();
        assert!(
            line.starts_with(start) && line.contains(complaint),
            "{complaint}: {line}"
        );
        assert_eq!(folder.tree(), ["old.conf"]);
    }
}

#[test]
fn a_file_that_cannot_be_read_for_import_is_a_complaint() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder")).expect("it can be made");
    for (file, complaint) in [
        ("missing.json", "missing.json: there is no such file"),
        ("folder", "folder: this is a folder"),
        ("/dev/zero", "/dev/zero: this is more than "),
    ] {
        let ended = run(&folder, &["import", file], b"");
        let code = if file == "/dev/zero" { 65 } else { 66 };
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(ended.complaint().contains(complaint), "{ended:#?}");
    }
    let ended = run(&folder, &["import"], b"");
    assert_eq!(ended.code, Some(64), "{ended:#?}");
}

/// A result that is lost says so.
#[test]
fn a_result_that_cannot_be_written_is_a_complaint() {
    let folder = Folder::new();
    fs::write(folder.path("old.json"), r#"{"allowed_hosts": ["a.b"]}"#).expect("it can be written");
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command(&folder, &["import", "old.json"]);
    command.stdout(full.expect("there is one"));
    let ended = Program::spawn(command).end();
    assert_eq!(ended.code, Some(74), "{ended:#?}");
    assert!(
        ended.complaint().contains("cannot write the result"),
        "{ended:#?}"
    );
}
