//! strace, which shows that what a 250 promises is done before it is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::program::{MAIASAURA, program, succeed};
use crate::receiver::Receiver;

/// The calls that are looked at.
const CALLS: &str = "trace=openat,write,writev,close,fdatasync,fsync,sync_file_range,syncfs,\
                     sync,rename,renameat,renameat2,link,linkat,sendto,sendmsg";

/// What must happen to a message, in this order, and nothing else of the kind in between.
const FULL: &[&str] = &[
    "create",
    "write",
    "sync file",
    "close",
    "publish",
    "sync folder",
    "reply",
];
const FILE: &[&str] = &["create", "write", "sync file", "close", "publish", "reply"];
const NONE: &[&str] = &["create", "write", "close", "publish", "reply"];

/// One system call in a trace: the lines on which it began and returned.
struct Call {
    text: String,
    began: usize,
    returned: usize,
}

#[test]
fn the_order_of_calls_with_full_durability() {
    let trace = trace("full");
    in_order(&trace, FULL).unwrap_or_else(|fault| panic!("{fault}\n{trace}"));
    assert!(in_order(&trace, FILE).is_err() && in_order(&trace, NONE).is_err());
}

#[test]
fn the_order_of_calls_when_only_the_file_is_synced() {
    let trace = trace("file");
    in_order(&trace, FILE).unwrap_or_else(|fault| panic!("{fault}\n{trace}"));
}

#[test]
fn the_order_of_calls_when_nothing_is_synced() {
    let trace = trace("none");
    in_order(&trace, NONE).unwrap_or_else(|fault| panic!("{fault}\n{trace}"));
}

/// The check can fail: whatever is taken away, doubled, swapped or begun too early is noticed.
#[test]
fn a_doctored_trace_is_found_out() {
    let sound: Vec<&str> = include_str!("scripts/sound.strace").lines().collect();
    assert_eq!(in_order(&sound.join("\n"), FULL), Ok(()));
    for number in 0..sound.len() {
        let mut less = sound.clone();
        less.remove(number);
        assert!(
            in_order(&less.join("\n"), FULL).is_err(),
            "without {}",
            sound[number]
        );
        if number > 0 {
            let mut swapped = sound.clone();
            swapped.swap(number - 1, number);
            assert!(
                in_order(&swapped.join("\n"), FULL).is_err(),
                "early {}",
                sound[number]
            );
        }
    }
    let failed = sound
        .join("\n")
        .replace("new>) = 0", "new>) = -1 EIO (Input/output error)");
    assert!(in_order(&failed, FULL).is_err(), "a sync that failed");
    let early = sound
        .join("\n")
        .replace("new>) = 0", "new> <unfinished ...>");
    let early = early + "\n7 <... fsync resumed>) = 0\n";
    assert!(
        in_order(&early, FULL).is_err(),
        "a sync that returns after the reply"
    );
}

/// The trace of one message into a Maildir that is known already.
fn trace(durability: &str) -> String {
    let mut file = PathBuf::new();
    let keys = format!("maildir: {{durability: {durability}}}\n");
    let receiver = Receiver::started_by(&keys, |configuration| {
        file = configuration.with_file_name("trace");
        let mut strace = program("strace");
        // With -D it is strace that is the child, so that a signal reaches the receiver.
        strace
            .args(["-D", "-f", "-y", "-s", "40", "-e", CALLS, "-o"])
            .arg(&file);
        strace.args([MAIASAURA, "-c"]).arg(configuration);
        strace
    });
    for _ in 0..2 {
        let mut swaks = program("swaks");
        swaks.args(["--from", "me@localhost", "--to", "you@localhost"]);
        succeed(swaks.args(["--server", &receiver.smtp_address()]));
    }
    let name = receiver
        .maildir("you@localhost")
        .files("new")
        .pop()
        .expect("a message");
    let name = name
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let trace = fs::read_to_string(&file).expect("a trace");
    receiver.finish();
    let lines: Vec<&str> = trace.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.contains(&name))
        .expect("its first call");
    lines[first..].join("\n")
}

/// Whether the trace, from the creation of the file on, has these steps and no others up to the
/// reply; each has succeeded, and has returned before the next began.
fn in_order(trace: &str, steps: &[&str]) -> Result<(), String> {
    let calls = calls(trace);
    let relevant = calls.iter().filter_map(|call| Some((step(call)?, call)));
    let mut seen: Vec<(&str, &Call)> = Vec::new();
    for (step, call) in relevant {
        let ended = seen.last().is_some_and(|(step, _)| *step == "reply");
        if !ended {
            seen.push((step, call));
        }
    }
    let found: Vec<&str> = seen.iter().map(|(step, _)| *step).collect();
    if found != steps {
        return Err(format!("{steps:?} are expected, there are {found:?}"));
    }
    for pair in seen.windows(2) {
        let (before, after) = (pair[0].1, pair[1].1);
        if before.text.contains(" = -1 ") || before.returned >= after.began {
            return Err(format!("{} had not done its work", before.text));
        }
    }
    Ok(())
}

/// Which step a call is, if it is one.
fn step(call: &Call) -> Option<&'static str> {
    let (name, arguments) = call.text.split_once('(')?;
    let of_file = arguments
        .split_once('>')
        .is_some_and(|(file, _)| file.contains("/tmp/1"));
    let of_folder = arguments
        .split_once('>')
        .is_some_and(|(file, _)| file.ends_with("/new"));
    match name {
        "openat" if arguments.contains("O_CREAT") => Some("create"),
        "write" | "writev" if of_file => Some("write"),
        "fdatasync" | "fsync" if of_file => Some("sync file"),
        "fdatasync" | "fsync" if of_folder => Some("sync folder"),
        "fdatasync" | "fsync" | "sync_file_range" | "syncfs" | "sync" => Some("another sync"),
        "close" if of_file => Some("close"),
        "rename" | "renameat" | "renameat2" | "link" | "linkat" => Some("publish"),
        "sendto" | "sendmsg" if arguments.contains("\"250 2.0.0 ") => Some("reply"),
        _ => None,
    }
}

/// The calls in the order in which they began; the two halves of one that another thread
/// interrupted are joined.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if text.starts_with("<... ") {
            let Some(&call) = unfinished.get(thread) else {
                continue;
            };
            let (_, rest) = text.split_once("resumed>").unwrap_or_default();
            calls[call].text += rest;
            calls[call].returned = number;
            continue;
        }
        let (text, returned) = match text.strip_suffix("<unfinished ...>") {
            Some(begun) => (begun, usize::MAX),
            None => (text, number),
        };
        unfinished.insert(thread, calls.len());
        calls.push(Call {
            text: text.to_owned(),
            began: number,
            returned,
        });
    }
    calls
}
