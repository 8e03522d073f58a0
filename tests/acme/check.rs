//! `maiasaura check` tells what is missing.

use std::fs;
use std::process::Command;

use crate::client::said;
use crate::pebble::{LONG, Pebble, receiver};
use crate::program::{MAIASAURA, run};

/// What it says about these keys, of which only the lines about ACME; and whether all is well.
fn check(pebble: &Pebble, keys: &str) -> (bool, String) {
    let file = pebble.path("check.yaml");
    let listeners = "hostname: mx.example.org\nlisteners: [{address: \"127.0.0.1:0\"}]\n";
    fs::write(&file, format!("{listeners}{keys}")).expect("a file");
    let mut command = Command::new(MAIASAURA);
    command.arg("check").arg("-c").arg(&file);
    let output = run(command.current_dir(pebble.path("")));
    let said = said(&output);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ACME: "))
        .collect();
    assert!(!lines.is_empty(), "{said}");
    (output.status.success(), lines.join("\n"))
}

#[test]
fn check_tells_what_is_missing() {
    let mut pebble = Pebble::new(LONG);
    let keys = pebble.tls_keys("mx.example.org");
    let (well, said) = check(&pebble, &keys);
    assert!(
        !well && said.contains("no certificate yet; it will be for mx.example.org"),
        "{said}"
    );
    assert!(
        said.contains("FAULT ACME: the directory https://localhost:"),
        "{said}"
    );
    assert!(said.contains("/dir: Connection refused"), "{said}");
    assert!(!pebble.path("cache").exists(), "a check makes nothing");
    pebble.start();
    let (well, said) = check(&pebble, &keys);
    assert!(
        well && !said.contains("FAULT") && !said.contains("warn"),
        "{said}"
    );
    let (well, said) = check(
        &pebble,
        &keys.replace("contact: postmaster@example.org, ", ""),
    );
    assert!(
        well && said.contains("warn  ACME: nobody is named"),
        "{said}"
    );
    let ca = format!("directory_ca: {}, ", pebble.path("ca.pem").display());
    let (well, said) = check(&pebble, &keys.replace(&ca, ""));
    assert!(!well && said.contains("write directory_ca: FILE"), "{said}");

    let mut running = receiver(&keys);
    running.logged(&["a certificate was obtained"]);
    pebble.stop();
    let (well, said) = check(&pebble, &keys);
    assert!(
        well && said.contains("in use (by a running maiasaura?)"),
        "{said}"
    );
    assert!(
        said.contains("(mx.example.org, for mx.example.org, 89 days left)"),
        "{said}"
    );
    assert!(said.contains("warn  ACME: the directory "), "{said}");
    running.finish();
    let there = keys.replace(
        &pebble.path("cache").display().to_string(),
        "/dev/null/acme",
    );
    let (well, said) = check(&pebble, &there);
    let folder = "FAULT ACME: /dev/null/acme: cannot be made in /dev/null: ";
    assert!(!well && said.contains(folder), "{said}");
    // An address that is none of this machine.
    let there = keys.replace(&format!("127.0.0.1:{}", pebble.tls), "192.0.2.1:443");
    let (well, said) = check(&pebble, &there);
    assert!(
        !well && said.contains("FAULT ACME: challenges at 192.0.2.1:443"),
        "{said}"
    );
}
