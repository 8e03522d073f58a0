//! What nginx's mail proxy asks and is told.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use maiasaura::credentials::{Entry, write};

use crate::client::PATIENCE;
use crate::house::{Folder, House};
use crate::users::{PASSWORD, file, hash};

const HOUSE: &str = "listeners: [{address: \"127.0.0.1:0\"}]\nauth_http: {address: 127.0.0.1:0}";

/// A connection to the endpoint.
fn connect(house: &House) -> TcpStream {
    let stream = TcpStream::connect(house.auth_http()).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is valid");
    stream
}

/// Sends this; all that comes back until the endpoint closes.
fn exchange(house: &House, request: &str) -> String {
    let mut stream = connect(house);
    let _ = stream.write_all(request.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).expect("text")
}

/// The fields of nginx 1.22, with these in place of its own.
fn ask(house: &House, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("Host", "127.0.0.1"),
        ("Auth-Method", "none"),
        ("Auth-User", ""),
        ("Auth-Pass", ""),
        ("Auth-Protocol", "smtp"),
        ("Auth-Login-Attempt", "1"),
        ("Client-IP", "192.0.2.1"),
        ("Client-Host", "[UNAVAILABLE]"),
        ("Auth-SMTP-Helo", "c.test"),
        ("Auth-SMTP-From", "MAIL FROM:<s@c.test> SIZE=10"),
        ("Auth-SMTP-To", "RCPT TO:<bob@example.org>"),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let fields: String = fields.collect();
    exchange(house, &format!("GET /auth HTTP/1.0\r\n{fields}\r\n"))
}

/// The fields of an answer that nginx reads.
fn told(answer: &str) -> Vec<&str> {
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    answer
        .lines()
        .filter(|line| line.starts_with("auth-"))
        .collect()
}

#[test]
fn mail_for_us_goes_to_the_listener() {
    let house = House::new(HOUSE);
    let maiasaura::server::Address::Tcp(SocketAddr::V4(address)) = house.address() else {
        panic!("it is an IPv4 address");
    };
    let port = format!("auth-port: {}", address.port());
    let expected = ["auth-status: OK", "auth-server: 127.0.0.1", &port];
    assert_eq!(told(&ask(&house, &[])), expected);
    let elsewhere = House::new(
        &HOUSE
            .replace("127.0.0.1:0}\"", "")
            .replace("auth_http: {", "auth_http: {server: '[2001:db8::1]:25', "),
    );
    let expected = [
        "auth-status: OK",
        "auth-server: 2001:db8::1",
        "auth-port: 25",
    ];
    assert_eq!(told(&ask(&elsewhere, &[])), expected);
}

#[test]
fn other_mail_is_refused_as_in_a_session() {
    let house = House::new(HOUSE);
    for (name, value, code) in [
        ("Auth-SMTP-To", "RCPT TO:<bob@elsewhere.test>", "550 5.7.1"),
        (
            "Auth-SMTP-To",
            "RCPT TO:<bob@example.org> NOTIFY=NEVER",
            "555 5.5.4",
        ),
        ("Auth-SMTP-To", "RCPT TO:<>", "501 5.1.3"),
        ("Auth-SMTP-To", "bob@example.org", "500 5.5.1"),
        ("Auth-SMTP-To", "DATA", "501 5.1.3"),
        ("Auth-SMTP-To", "", "500 5.5.1"),
        (
            "Auth-SMTP-To",
            "RCPT TO:<gr\u{e5}@example.org>",
            "553 5.6.7",
        ),
        ("Auth-SMTP-From", "MAIL FROM:s@c.test", "501 5.1.7"),
        ("Auth-SMTP-From", "QUIT", "501 5.1.7"),
        ("Auth-Method", "plain", "535 5.7.8"),
        ("Auth-Protocol", "imap", "502 5.5.1"),
    ] {
        let answer = ask(&house, &[(name, value)]);
        let told = told(&answer);
        let code = format!("auth-error-code: {code}");
        assert!(
            told.contains(&&code[..]) && told.contains(&"auth-wait: 1"),
            "{value}: {told:?}"
        );
        assert!(
            !answer.contains("auth-server") && !answer.contains("status: OK"),
            "{answer}"
        );
    }
}

/// A house whose clients log in at nginx, with these keys beside.
fn with_users(auth: &str, more: &str) -> House {
    let folder = Folder::new();
    fs::write(folder.path("users"), file()).expect("a file");
    let yaml = HOUSE.replace("auth_http: {", &format!("auth_http: {{auth: {auth}, "));
    House::in_folder(
        folder,
        &format!("{yaml}\nauth: {{users: \"${{FOLDER}}/users\"}}\n{more}"),
    )
}

/// Asks about a password, with these fields beside; what nginx is told.
fn log_in(house: &House, user: &str, password: &str, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("Auth-Method", "plain"),
        ("Auth-User", user),
        ("Auth-Pass", password),
        ("Auth-SSL", "on"),
    ];
    fields.extend(changes);
    told(&ask(house, &fields)).join("; ")
}

const QUICK: &str = "timeouts: {auth_delay: 1ms}";

#[test]
fn who_logs_in_at_nginx_is_sent_on_by_name() {
    let house = with_users("offered", QUICK);
    let name = "auth-user: alice";
    for method in ["plain", "login"] {
        let answer = log_in(&house, "alice", PASSWORD, &[("Auth-Method", method)]);
        assert!(
            answer.starts_with("auth-status: OK; auth-server: 127.0.0.1; "),
            "{answer}"
        );
        assert!(answer.ends_with(name), "{answer}");
    }
    // As nginx writes blanks and percent signs.
    let escaped = PASSWORD.replace(' ', "%20");
    assert_ne!(escaped, PASSWORD, "the password has a blank");
    assert!(log_in(&house, "%61lice", &escaped, &[]).ends_with(name));
    // Mail from who does not is taken as ever.
    assert!(ask(&house, &[]).contains("auth-status: OK"));
}

#[test]
fn what_is_no_login_at_nginx_is_refused() {
    let house = with_users("offered", QUICK);
    for (user, password, field, code) in [
        ("alice", "wrong", ("Auth-SSL", "on"), "535 5.7.8"),
        ("nobody", PASSWORD, ("Auth-SSL", "on"), "535 5.7.8"),
        ("alice", "", ("Auth-SSL", "on"), "501 5.5.2"),
        ("", PASSWORD, ("Auth-SSL", "on"), "501 5.5.2"),
        ("x%00alice", PASSWORD, ("Auth-SSL", "on"), "501 5.5.2"),
        ("alice", PASSWORD, ("Auth-SSL", "off"), "538 5.7.11"),
        ("alice", PASSWORD, ("Auth-Method", "cram-md5"), "504 5.5.4"),
        ("alice", PASSWORD, ("Auth-Method", "external"), "504 5.5.4"),
    ] {
        let answer = log_in(&house, user, password, &[field]);
        let expected = format!("auth-error-code: {code}; auth-wait: 1");
        assert!(answer.ends_with(&expected), "{user} {field:?}: {answer}");
        assert!(
            !answer.contains("auth-server") && !answer.contains("OK"),
            "{answer}"
        );
    }
    let house = with_users("required", QUICK);
    assert!(ask(&house, &[]).contains("auth-error-code: 530 5.7.0"));
    assert!(log_in(&house, "alice", PASSWORD, &[]).contains("OK"));
}

/// The first second of the delay passes here, the rest at nginx.
#[test]
fn refusals_at_nginx_are_slow() {
    let house = with_users("offered", "timeouts: {auth_delay: 1500ms}");
    for (attempt, wait) in [
        ("1", "auth-wait: 1"),
        ("2", "auth-wait: 2"),
        ("3", "auth-wait: 5"),
    ] {
        let begun = Instant::now();
        let answer = log_in(&house, "alice", "wrong", &[("Auth-Login-Attempt", attempt)]);
        assert!(answer.ends_with(wait), "{attempt}: {answer}");
        assert!(
            begun.elapsed() >= Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
    }
    // One more is closed, whatever its password.
    let answer = log_in(&house, "alice", PASSWORD, &[("Auth-Login-Attempt", "4")]);
    assert!(answer.ends_with("auth-error-code: 421 4.7.0"), "{answer}");
}

/// What is refused there counts here, and the other way round.
#[test]
fn who_guesses_at_nginx_is_locked_out() {
    let limits = format!("{QUICK}\nlimits: {{auth_failures_per_ip: 2}}");
    let house = with_users("offered", &limits);
    let from = |client: &'static str| [("Client-IP", client)];
    for _ in 0..2 {
        let answer = log_in(&house, "alice", "wrong", &from("192.0.2.7"));
        assert!(answer.contains("535 5.7.8"), "{answer}");
    }
    let answer = log_in(&house, "alice", PASSWORD, &from("192.0.2.7"));
    assert!(answer.ends_with("auth-error-code: 421 4.7.0"), "{answer}");
    let answer = log_in(&house, "alice", PASSWORD, &from("192.0.2.8"));
    assert!(answer.contains("auth-status: OK"), "{answer}");
}

/// Questions that wait for the check of another one are no more guesses: only those that are checked at
/// the same time, one on each core.
#[test]
fn who_guesses_all_at_once_is_locked_out() {
    let limits = format!("{QUICK}\nlimits: {{auth_failures_per_ip: 2}}");
    let house = with_users("offered", &limits);
    let slow = Entry {
        hash: Some(hash(PASSWORD, 10_000)),
        ..Entry::default()
    };
    let users = write(&file(), "carol", Some(&slow)).expect("a name");
    fs::write(house.folder.path("users"), users).expect("a file");
    let guess = || log_in(&house, "carol", "wrong", &[]);
    let answers: Vec<String> = thread::scope(|scope| {
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(guess)).collect();
        let answers = asking.into_iter().map(|it| it.join().expect("an answer"));
        answers.collect()
    });
    let refused = |code: &str| answers.iter().filter(|it| it.contains(code)).count();
    let (wrong, locked_out) = (refused("535 5.7.8"), refused("421 4.7.0"));
    assert_eq!(wrong + locked_out, answers.len(), "{answers:#?}");
    let cores = thread::available_parallelism().map_or(2, usize::from);
    assert!((2..=1 + cores).contains(&wrong), "{wrong} on {cores} cores");
}

/// nginx keeps memory for each attempt: after ten it is to close the connection.
#[test]
fn guessing_has_an_end() {
    let house = House::new(HOUSE);
    for (attempt, waits) in [("9", true), ("10", false), ("11", false), ("x", true)] {
        let to = ("Auth-SMTP-To", "RCPT TO:<bob@elsewhere.test>");
        let answer = ask(&house, &[to, ("Auth-Login-Attempt", attempt)]);
        assert_eq!(answer.contains("auth-wait: "), waits, "{attempt}: {answer}");
    }
}

#[test]
fn what_is_no_question_gets_no_answer() {
    let house = House::new(HOUSE);
    let long = format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 400 "),
        (
            "GET / HTTP/1.0\r\nAuth-Method: none\r\n\r\n",
            "HTTP/1.0 400 ",
        ),
        (
            "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.0 405 ",
        ),
        ("EHLO c.test\r\n", "HTTP/1.1 400 "),
        (&long, "HTTP/1.1 431 "),
    ] {
        let answer = exchange(&house, request);
        // Who sends more than is read may be reset before the answer is there.
        let is_cut = request.len() > 10_000 && answer.is_empty();
        assert!(answer.starts_with(status) || is_cut, "{request}: {answer}");
        assert!(!answer.contains("auth-"), "{answer}");
    }
    assert!(ask(&house, &[]).contains("auth-status: OK"));
}

#[test]
fn only_nginx_may_ask() {
    let yaml = HOUSE.replace("auth_http: {", "auth_http: {trusted: 192.0.2.10, ");
    assert_eq!(ask(&House::new(&yaml), &[]), "");
}

/// Many that say nothing keep the others waiting, but not for ever, nor the end at all.
#[test]
fn the_silent_do_not_hold_up_the_end() {
    let mut house = House::new(HOUSE);
    let silent: Vec<TcpStream> = (0..100).map(|_| connect(&house)).collect();
    let begun = Instant::now();
    house.close();
    assert!(begun.elapsed() < PATIENCE / 2);
    drop(silent);
}
