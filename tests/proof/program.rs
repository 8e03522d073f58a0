//! Other programs, and how far a proof goes.

use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The levels of durability that promise what is proved here.
pub const PROMISES: &[&str] = &["full", "journal"];

/// Fails, with what to do, when this is not root.
pub fn need_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this proof mounts file systems and traces processes: run `sudo tests/run`"
    );
}

/// How often something is repeated: `short`, or much more often when that is asked for.
pub fn rounds(short: u32) -> u32 {
    short * effort()
}

/// How long something is repeated at most.
pub fn time(short: Duration) -> Duration {
    short * effort()
}

fn effort() -> u32 {
    match std::env::var("MAIASAURA_PROOF").as_deref() {
        Ok("long") => 20,
        Ok("") | Err(_) => 1,
        Ok(times) => times.parse().unwrap_or_else(|_| {
            panic!("MAIASAURA_PROOF is {times:?}: say \"long\", or how many times as long")
        }),
    }
}

/// Runs a program that must succeed, and gives what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    match attempt(program, arguments) {
        Ok(said) => said,
        Err(fault) => panic!("{fault}"),
    }
}

/// Runs a program, which may fail.
pub fn attempt(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {program} ({error}): tests/run installs it"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{program} {arguments:?}: {}: {said}",
        output.status
    ))
}

/// Where programs are, those for the administrator as well.
pub fn path() -> String {
    std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin"
}

/// Tries until it succeeds; for what the kernel may still hold for a moment.
pub fn insist<T>(mut action: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        match action() {
            Err(_) if begun.elapsed() < Duration::from_secs(30) => {
                thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// Waits until something holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what}: not in 20 s"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// A number below `limit`, another one at each call.
pub fn any_below(limit: u64) -> u64 {
    RandomState::new().hash_one(()) % limit
}

/// Tells what was proved, past the test runner, which would keep it to itself.
pub fn report(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "proved: {what}");
}
