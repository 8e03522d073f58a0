//! Prometheus, with the configuration and the rules that are shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::content::awkward;
use crate::program::{feed, program, run, shown, succeed};
use crate::receiver::Receiver;
use crate::service::{Service, free_port};

/// How long Prometheus may take to come and look.
const PATIENCE: Duration = Duration::from_mins(1);

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/prometheus")
}

/// A receiver that tells figures, and where.
fn receiver() -> (Receiver, String) {
    let keys = "recipients: {hosts: [localhost]}\nmetrics: {address: '127.0.0.1:0'}\n";
    let mut receiver = Receiver::with(keys);
    let line = receiver.logged(&["figures", "http://"]);
    let (_, url) = line.split_once(" on ").expect("it says where");
    (receiver, url.to_owned())
}

fn send(receiver: &Receiver, to: &str) -> bool {
    let file = receiver.folder().join("message");
    fs::write(&file, awkward("figures")).expect("a file");
    let mut curl = program("curl");
    let address = format!("smtp://{}", receiver.smtp_address());
    curl.args(["--silent", &address, "--mail-from", "me@localhost"]);
    run(curl.args(["--mail-rcpt", to, "-T"]).arg(file))
        .status
        .success()
}

#[test]
fn the_rules_are_sound_and_fire_when_they_should() {
    for arguments in [
        ["check", "rules", "rules.yaml"],
        ["test", "rules", "rules-test.yaml"],
        ["check", "config", "scrape.yaml"],
    ] {
        let mut promtool = program("promtool");
        succeed(promtool.args(arguments).current_dir(shipped()));
    }
}

/// Every figure that a rule speaks of is one that there can be.
#[test]
fn the_rules_name_figures_that_there_are() {
    let rules = fs::read_to_string(shipped().join("rules.yaml")).expect("it is shipped");
    let figures = include_str!("../../docs/monitoring.md");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = rules.split(|c| !is_word(c));
    let mut named = words
        .filter(|word| word.starts_with("maiasaura_"))
        .peekable();
    assert!(named.peek().is_some());
    for figure in named {
        assert!(figures.contains(&format!("`{figure}`")), "{figure}");
    }
}

#[test]
fn the_linter_has_nothing_to_say() {
    let (receiver, url) = receiver();
    assert!(send(&receiver, "you@localhost") && !send(&receiver, "you@elsewhere.test"));
    let mut curl = program("curl");
    let text = succeed(curl.args(["--silent", "--fail", "-H", "Accept: text/plain", &url]));
    let mut promtool = program("promtool");
    let output = feed(promtool.args(["check", "metrics"]), &text);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        shown(&output)
    );
    receiver.finish();
}

/// The real one reads all of it, and knows what was done.
#[test]
fn prometheus_scrapes_what_was_done() {
    let (receiver, url) = receiver();
    for _ in 0..3 {
        assert!(send(&receiver, "you@localhost"));
    }
    for _ in 0..2 {
        assert!(!send(&receiver, "you@elsewhere.test"));
    }
    let target = url
        .strip_prefix("http://")
        .and_then(|url| url.strip_suffix("/metrics"));
    let scrape = fs::read_to_string(shipped().join("scrape.yaml")).expect("it is shipped");
    let scrape = scrape
        .replace("127.0.0.1:9925", target.expect("an address"))
        .replace("scrape_interval: 30s", "scrape_interval: 1s");
    let folder = receiver.folder().to_owned();
    fs::write(folder.join("scrape.yaml"), scrape).expect("a file");
    fs::copy(shipped().join("rules.yaml"), folder.join("rules.yaml")).expect("a file");
    let port = free_port();
    let mut prometheus = program("prometheus");
    prometheus
        .arg("--config.file=scrape.yaml")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--storage.tsdb.path=tsdb")
        .current_dir(&folder);
    let mut prometheus = Service::start("prometheus", &mut prometheus, &folder);
    prometheus.port(port);
    for (query, value) in [
        ("up{job=\"maiasaura\"}", "1"),
        ("sum(maiasaura_messages_total{result=\"delivered\"})", "3"),
        ("maiasaura_recipients_refused_total{code=\"550\"}", "2"),
        (
            "histogram_quantile(1, maiasaura_delivery_duration_seconds_bucket) > bool 0",
            "1",
        ),
        ("min(maiasaura_part_state{state=\"well\"})", "1"),
        ("sum(ALERTS) or vector(0)", "0"),
    ] {
        answers(port, query, value);
    }
    prometheus.stop();
    receiver.finish();
}

/// Waits until a query has this one value.
#[track_caller]
fn answers(port: u16, query: &str, value: &str) {
    let begun = Instant::now();
    let expected = format!(",\"{value}\"]}}]}}}}");
    loop {
        let mut curl = program("curl");
        let url = format!("http://127.0.0.1:{port}/api/v1/query");
        curl.args(["--silent", "--get", &url, "--data-urlencode"]);
        let output = run(curl.arg(format!("query={query}")));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.trim_end().ends_with(&expected) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{query} is not {value}: {said}");
        thread::sleep(Duration::from_millis(100));
    }
}
