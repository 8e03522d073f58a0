//! Messages made to break whoever parses them: all are delivered octet for octet, in memory that is
//! bounded, and in a time that grows with their size only.

use std::fmt::Write as _;
use std::fs;

use crate::house::{Folder, lf};
use crate::process::Program;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
/// What the program takes without any mail, and then some.
const IDLE: u64 = 28 << 20;
/// How often the content may be in memory: as received, grown while it came, and with LF.
const TIMES: u64 = 4;

/// Lines that a maker writes, as the content of a message.
fn content(make: impl FnOnce(&mut String)) -> Vec<u8> {
    let mut text = String::new();
    make(&mut text);
    text.replace('\n', "\r\n").into_bytes()
}

/// The most memory that a process has had, in octets (`VmHWM` in proc(5)).
fn peak(program: &Program) -> u64 {
    let path = format!("/proc/{}/status", program.pid().as_raw_nonzero());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.expect("it is there").parse().expect("a number");
    kilobytes * 1024
}

#[track_caller]
fn arrives(content: &[u8]) {
    let folder = Folder::new();
    let program = Program::serve(&folder, "");
    let mut client = program.client();
    let reply = client.deliver(SENDER, &[BOB], content);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let most = IDLE + TIMES * content.len() as u64;
    let peak = peak(&program);
    assert!(peak < most, "{peak} octets of memory, not {most}");
    let stored = folder.mail("example.org/bob");
    assert!(stored.content.ends_with(&lf(content)), "it has changed");
    // The session and the program go on.
    let reply = client.deliver(SENDER, &[BOB], b"Subject: next\r\n\r\nx\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    program.stop();
}

#[test]
fn many_header_lines() {
    arrives(&content(|text| {
        for number in 0..200_000 {
            let _ = writeln!(text, "X-{number}: y");
        }
        text.push_str("\nbody\n");
    }));
}

#[test]
fn the_shortest_header_lines() {
    arrives(&content(|text| {
        text.push_str(&"A:\n".repeat(1_000_000));
        text.push_str("\nbody\n");
    }));
}

#[test]
fn many_fields_of_one_name() {
    arrives(&content(|text| {
        text.push_str(&"To: a@example.org\n".repeat(500_000));
        text.push_str("\nbody\n");
    }));
}

#[test]
fn one_long_folded_field() {
    arrives(&content(|text| {
        text.push_str("Subject: x\n");
        for number in 0..150_000 {
            let _ = writeln!(text, " =?utf-8?q?word_{number}_is_encoded?= and folded");
        }
        text.push_str("\nbody\n");
    }));
}

#[test]
fn many_addresses_and_comments() {
    arrives(&content(|text| {
        text.push_str("From: ");
        text.push_str(&"((((\n ".repeat(100_000));
        text.push_str("\nTo: ");
        text.push_str(&"a@b, <\n ".repeat(100_000));
        text.push_str("\n\nbody\n");
    }));
}

#[test]
fn parts_within_parts() {
    arrives(&content(|text| {
        for number in 0..10_000 {
            let _ = writeln!(text, "Content-Type: multipart/mixed; boundary=b{number}\n");
            let _ = writeln!(text, "--b{number}");
        }
        text.push_str("\nbody\n");
    }));
}

#[test]
fn many_parts() {
    arrives(&content(|text| {
        text.push_str("Content-Type: multipart/mixed; boundary=b\n\n");
        text.push_str(&"--b\n\nx\n".repeat(100_000));
        text.push_str("--b--\n");
    }));
}

#[test]
fn many_parameters() {
    arrives(&content(|text| {
        text.push_str("Content-Type: text/plain");
        for number in 0..50_000 {
            let _ = write!(text, ";\n title*{number}*=utf-8''x");
        }
        text.push_str("\n\nbody\n");
    }));
}

#[test]
fn a_long_boundary() {
    arrives(&content(|text| {
        let boundary = "b\n ".repeat(300_000);
        let _ = write!(
            text,
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\nx\n"
        );
    }));
}
