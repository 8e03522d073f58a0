//! Figures for Prometheus, and whether all is well.

mod http;
mod reloaded;
mod spool;
mod tls;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::authority::{AUTHORITY, Issued};
use crate::client::{Client, PATIENCE};
use crate::exposition::Exposition;
use crate::house::{Folder, House, eventually};
use crate::users::file;

const HOUSE: &str = "metrics: {address: '127.0.0.1:0'}";
const BOB: &str = "bob@example.org";
/// 20 octets.
const MAIL: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

/// What most figures tell of.
const OF_ALL_KINDS: &str = r#"
listeners: [{address: "127.0.0.1:0", auth: offered}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
auth: {users: "${FOLDER}/users"}
maildir: {path: "${ROOT}/{host}/{user}", durability: journal}
limits: {connections: 1}
"#;

fn encrypted_with(issued: &Issued, yaml: &str) -> House {
    let folder = Folder::new();
    issued.write(&folder.path(""));
    fs::write(folder.path("users"), file()).expect("a file");
    House::in_folder(folder, &format!("{HOUSE}{yaml}"))
}

/// Where the disk of its Maildirs is mounted.
fn disk(house: &House) -> String {
    let root = house.folder.path("maildirs");
    let mounted = maiasaura::maildir::mount_point(&root).expect("it is there");
    mounted.display().to_string()
}

/// Sends this; all that comes back until the other side closes.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is valid");
    let _ = stream.write_all(request.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).expect("text")
}

/// The head of an answer, and what follows it.
#[track_caller]
fn get(house: &House, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    let answer = exchange(house.metrics(), &request);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[track_caller]
fn figures(house: &House) -> Exposition {
    let (head, body) = get(house, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    Exposition::read(&body)
}

#[track_caller]
fn assert_figures(figures: &Exposition, expected: &[(&str, f64)]) {
    for (figure, value) in expected {
        let found = figures.value(figure);
        assert!(is(found, *value), "{figure}: {found}");
    }
}

/// Whether a figure that is whole has this value.
fn is(found: f64, value: f64) -> bool {
    (found - value).abs() < 0.5
}

/// A figure with the label of the first listener.
fn here(house: &House, name: &str, more: &str) -> String {
    format!("{name}{{listener=\"{}\"{more}}}", house.address())
}

fn sum(figures: &Exposition, start: &str) -> f64 {
    figures.like(start).map(|(_, value)| value).sum()
}

#[test]
fn before_anything_has_happened_all_is_there_and_nothing_is_counted() {
    let house = House::new(HOUSE);
    let (head, _) = get(&house, "/metrics");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(kind), "{head}");
    let figures = figures(&house);
    for (name, value) in figures.like("maiasaura_") {
        // That the listener was opened is a change.
        if name.contains("_total") && !name.contains("_changes_") {
            assert!(is(value, 0.0), "{name}: {value}");
        }
    }
    let at = |name, more| here(&house, name, more);
    assert_figures(
        &figures,
        &[
            (&at("maiasaura_connections_total", ""), 0.0),
            (
                &at("maiasaura_messages_total", ",result=\"delivered\""),
                0.0,
            ),
            (&at("maiasaura_messages_total", ",result=\"deferred\""), 0.0),
            (&at("maiasaura_messages_total", ",result=\"refused\""), 0.0),
            ("maiasaura_connections_open", 0.0),
            ("maiasaura_connections_limit", 1000.0),
            ("maiasaura_content_memory_bytes", 0.0),
            (
                &format!(
                    "maiasaura_build_info{{version={:?}}}",
                    env!("CARGO_PKG_VERSION")
                ),
                1.0,
            ),
        ],
    );
    let disk = disk(&house);
    assert_figures(
        &figures,
        &[
            (
                &format!("maiasaura_deliveries_in_progress{{disk={disk:?}}}"),
                0.0,
            ),
            (
                &format!("maiasaura_part_state{{part=\"disk {disk}\",state=\"well\"}}"),
                1.0,
            ),
            (
                &format!("maiasaura_part_state{{part=\"disk {disk}\",state=\"ill\"}}"),
                0.0,
            ),
        ],
    );
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs_f64();
    let started = figures.value("maiasaura_start_time_seconds");
    assert!(started > now - 3600.0 && started <= now, "{started} {now}");
}

/// Three messages, one of them for two; two recipients refused, one message, one command.
#[test]
fn what_was_done_is_counted_exactly() {
    let yaml = format!("{HOUSE}\nlimits: {{message_size: 1KiB}}");
    let house = House::new(&yaml);
    let mut client = house.client();
    for to in [&[BOB][..], &[BOB, "carol@example.org"], &[BOB]] {
        let reply = client.deliver("s@c.test", to, MAIL);
        assert!(reply.starts_with("250 "), "{reply}");
    }
    client.wants("MAIL FROM:<s@c.test>", "250 ");
    client.wants("RCPT TO:<bob@elsewhere.test>", "550 ");
    client.wants("RCPT TO:<eve@elsewhere.test>", "550 ");
    client.wants("RCPT TO:<bob@example.org>", "250 ");
    client.wants("DATA", "354 ");
    client.send(&[b"x\r\n".repeat(1000), b".\r\n".to_vec()].concat());
    client.hears("552 ");
    client.wants("NONSENSE", "500 ");
    let open = figures(&house);
    assert_figures(&open, &[("maiasaura_connections_open", 1.0)]);
    client.wants("QUIT", "221 ");
    client.is_left();
    let at = |name, more| here(&house, name, more);
    let counted = figures(&house);
    assert_figures(
        &counted,
        &[
            (&at("maiasaura_connections_total", ""), 1.0),
            (
                &at("maiasaura_messages_total", ",result=\"delivered\""),
                3.0,
            ),
            (&at("maiasaura_messages_total", ",result=\"deferred\""), 0.0),
            (&at("maiasaura_messages_total", ",result=\"refused\""), 1.0),
            (
                &at("maiasaura_recipients_total", ",result=\"delivered\""),
                4.0,
            ),
            (&at("maiasaura_delivered_bytes_total", ""), 3.0 * 20.0),
            ("maiasaura_recipients_refused_total{code=\"550\"}", 2.0),
            ("maiasaura_commands_refused_total{code=\"500\"}", 1.0),
            (
                "maiasaura_delivery_duration_seconds_count{result=\"delivered\"}",
                3.0,
            ),
        ],
    );
    let refused = sum(&counted, "maiasaura_commands_refused_total");
    assert!(is(refused, 1.0), "{refused}");
    assert!(counted.value("maiasaura_delivery_duration_seconds_sum{result=\"delivered\"}") > 0.0);
    eventually("the place is free", || {
        is(figures(&house).value("maiasaura_connections_open"), 0.0)
    });
}

/// Nothing that a client sends becomes a label.
#[test]
fn clients_leave_no_trace_of_who_they_are() {
    let house = House::new(HOUSE);
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    client.wants("EHLO nosy.test", "250-");
    client.deliver("sender@nosy.test", &[BOB], MAIL);
    client.wants("MAIL FROM:<sender@nosy.test>", "250 ");
    client.wants("RCPT TO:<victim@nosy.test>", "550 ");
    client.wants("QUIT", "221 ");
    client.is_left();
    let (_, text) = get(&house, "/metrics");
    for trace in ["nosy", "bob", "victim", "sender"] {
        assert!(!text.contains(trace), "{trace}: {text}");
    }
    let series = |house: &House| figures(house).like("").count();
    let before = series(&house);
    for number in 0..50 {
        let mut client = house.client();
        client.wants(&format!("NONSENSE{number}"), "500 ");
        client.wants(&format!("MAIL FROM:<{number}@nosy.test>"), "250 ");
        client.wants(&format!("RCPT TO:<{number}@{number}.test>"), "550 ");
        client.wants("QUIT", "221 ");
        client.is_left();
    }
    // That of commands that were refused with 500 is new.
    assert_eq!(series(&house), before + 1);
}

#[test]
fn a_mailbox_that_cannot_be_had_is_a_deferred_message() {
    let house = House::new(HOUSE);
    house.folder.make("example.org/bob");
    let new = house.folder.path("maildirs/example.org/bob/new");
    fs::remove_dir(&new).expect("it is empty");
    fs::write(&new, "").expect("a file in its place");
    let reply = house.client().deliver("", &[BOB], MAIL);
    assert!(reply.starts_with("451 "), "{reply}");
    let figures = figures(&house);
    let deferred = here(&house, "maiasaura_messages_total", ",result=\"deferred\"");
    let seconds = "maiasaura_delivery_duration_seconds_count{result=\"deferred\"}";
    assert_figures(&figures, &[(&deferred, 1.0), (seconds, 1.0)]);
}

#[test]
fn who_is_turned_away_is_counted() {
    let house = House::new(&format!("{HOUSE}\nlimits: {{connections: 1}}"));
    let first = house.client();
    for _ in 0..2 {
        let mut other = Client::connect(house.address());
        other.hears("421 ");
        other.is_left();
    }
    let refused = here(&house, "maiasaura_connections_refused_total", "");
    let refused = refused.replace('{', "{code=\"421\",");
    let figures = figures(&house);
    let total = here(&house, "maiasaura_connections_total", "");
    assert_figures(&figures, &[(&refused, 2.0), (&total, 1.0)]);
    drop(first);
}

/// The log has a few of them only.
#[test]
fn every_stranger_is_counted() {
    let proxied = "listeners: [{address: \"127.0.0.1:0\", proxy_protocol: 192.0.2.1}]";
    let house = House::new(&format!("{proxied}\nmetrics: {{address: 127.0.0.1:0}}"));
    for _ in 0..20 {
        Client::connect(house.address()).is_left();
    }
    let refused = here(&house, "maiasaura_connections_refused_total", "");
    let refused = refused.replace('{', "{code=\"none\",");
    assert_figures(&figures(&house), &[(&refused, 20.0)]);
}

#[test]
fn a_part_that_is_ill_is_a_503_and_one_that_limps_is_not() {
    let house = House::new(HOUSE);
    let disk = disk(&house);
    let well = format!("ok    disk {disk}\nok    listener {}\n", house.address());
    let (head, body) = get(&house, "/health");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, well);
    let part = house.running().health().part("mysql");
    assert!(part.hampered("slow\nvery slow"));
    let (head, body) = get(&house, "/health");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, format!("{well}warn  mysql: slow very slow\n"));
    let hampered = "maiasaura_part_state{part=\"mysql\",state=\"hampered\"}";
    let ill = "maiasaura_part_state{part=\"mysql\",state=\"ill\"}";
    assert_figures(&figures(&house), &[(hampered, 1.0), (ill, 0.0)]);
    assert!(part.ill("no answer"));
    let (head, body) = get(&house, "/health");
    assert!(
        head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{head}"
    );
    assert_eq!(body, format!("{well}FAULT mysql: no answer\n"));
    assert_figures(&figures(&house), &[(hampered, 0.0), (ill, 1.0)]);
    assert!(part.well());
    assert!(get(&house, "/health").0.starts_with("HTTP/1.1 200 OK\r\n"));
    drop(part);
    assert_eq!(get(&house, "/health").1, well);
}

/// One log, which is written to.
const LOG: &[(&str, f64)] = &[
    ("maiasaura_journals", 1.0),
    ("maiasaura_journals_failed", 0.0),
];

#[test]
fn messages_in_the_log_are_told() {
    let house = House::new(&format!(
        "{HOUSE}\nmaildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: journal}}"
    ));
    house.client().deliver("", &[BOB], MAIL);
    eventually("it is delivered from the log", || {
        is(figures(&house).value("maiasaura_journal_entries"), 0.0)
    });
    assert_figures(&figures(&house), LOG);
}

/// docs/monitoring.md has every figure, and its labels.
#[test]
fn what_is_told_is_documented() {
    let table = include_str!("../../docs/monitoring.md");
    let issued = AUTHORITY.issue(&["mx.example.org"]);
    let house = encrypted_with(&issued, OF_ALL_KINDS);
    let mut client = house.client().secured(&AUTHORITY.client());
    let mut other = Client::connect(house.address());
    other.hears("421 ");
    client.deliver("", &[BOB], MAIL);
    client.wants("MAIL FROM:<>", "250 ");
    client.wants("RCPT TO:<bob@elsewhere.test>", "550 ");
    client.wants("NONSENSE", "500 ");
    client.wants("RSET", "250 ");
    client.wants("AUTH PLAIN AAAA", "501 ");
    client.wants("QUIT", "221 ");
    let told = figures(&house);
    assert!(told.families().len() >= 25, "{:?}", told.families());
    for (figure, _) in told.like("") {
        let (name, labels) = figure.split_once('{').unwrap_or((figure, ""));
        let name = ["_bucket", "_sum", "_count"]
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name);
        let start = format!("| `{name}` |");
        let row = table.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row for {name}"));
        let documented = row.split('|').nth(2).unwrap_or_default();
        let labels = labels
            .split(',')
            .filter_map(|label| label.split_once("=\""));
        for (label, _) in labels.filter(|(label, _)| *label != "le") {
            assert!(documented.contains(label), "{name}: {label}");
        }
    }
}
