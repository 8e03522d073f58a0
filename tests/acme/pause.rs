//! What is kept of failures, and the figures about them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::client::verified;
use crate::figures::{KEYS, told};
use crate::pebble::{LONG, Pebble, receiver};
use crate::program::{MAIASAURA, run, shown};
use crate::service::free_port;

const NONE: &str = "maiasaura_acme_certificate 0";
const ONE: &str = "maiasaura_acme_certificate 1";
const ONE_FAILURE: &str = "maiasaura_acme_failures 1";
const HAMPERED: &str = "maiasaura_part_state{part=\"acme\",state=\"hampered\"} 1";

#[test]
fn the_first_certificate_is_in_the_figures() {
    let pebble = Pebble::started(LONG);
    let mut receiver = receiver(&(pebble.tls_keys("mx.example.org") + KEYS));
    receiver.logged(&["a certificate was obtained"]);
    let figures = told(&mut receiver, &[ONE, "maiasaura_acme_failures 0"]);
    let due = "maiasaura_acme_renewal_timestamp_seconds ";
    let due = figures.lines().find_map(|line| line.strip_prefix(due));
    let due: f64 = due.expect(&figures).parse().expect("a number");
    // When a third of its ninety days is left.
    let file = fs::metadata(pebble.cached("certificate.pem")).expect("it is there");
    let made = file
        .modified()
        .expect("its time")
        .elapsed()
        .expect("it is past");
    let now = UNIX_EPOCH.elapsed().expect("a time");
    let left = due - (now.as_secs_f64() - made.as_secs_f64());
    assert!((left / 86_400.0 - 60.0).abs() < 1.0, "{left}");
    receiver.finish();
}

/// One that crashes and is started again and again must not use up what Let's Encrypt allows.
#[test]
fn a_restart_does_not_end_the_pause() {
    let pebble = Pebble::started(LONG);
    let elsewhere = format!("listen: \"127.0.0.1:{}\"", free_port());
    let keys = pebble.keys(&elsewhere) + KEYS;
    let mut before = receiver(&keys);
    before.logged(&["no certificate was obtained", "is not shown to be ours"]);
    let figures = told(&mut before, &[NONE, ONE_FAILURE, HAMPERED]);
    assert!(!figures.contains("renewal_timestamp"), "{figures}");
    let file = pebble.cached("pause");
    drop(before);
    let mode = fs::metadata(&file)
        .expect("it is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let mut after = receiver(&keys);
    after.logged(&[
        "WARN ",
        "a certificate is not asked for yet",
        "attempts that failed: 1",
    ]);
    told(&mut after, &[NONE, ONE_FAILURE, HAMPERED]);
    let mut check = Command::new(MAIASAURA);
    check.arg("check").arg("-c").arg(after.configuration());
    let said = shown(&run(check.current_dir(after.folder())));
    assert!(
        said.contains("warn  ACME: attempts that failed: 1; the next one is at "),
        "{said}"
    );
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert_eq!(pebble.requests("POST /order-plz"), 1);
    after.finish();

    // What is damaged holds up nothing.
    fs::write(&file, "failures").expect("a file");
    let mut mended = receiver(&pebble.tls_keys("mx.example.org"));
    mended.logged(&[
        "WARN ",
        "a pause in the cache cannot be used",
        "makes no sense",
    ]);
    mended.logged(&["a certificate was obtained"]);
    verified(&mended, "mx.example.org", &pebble.root());
    assert_eq!(pebble.requests("POST /order-plz"), 2);
    mended.finish();
    assert!(!file.exists(), "the pause is over");
}
