//! `maiasaura check`: what it says, and that it makes nothing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rcgen::date_time_ymd;

use crate::authority::AUTHORITY;
use crate::house::Folder;
use crate::process::{configure, run};
use crate::program::{configured, own_address};

#[test]
fn check_tells_what_is_wrong_and_makes_nothing() {
    let (folder, ended) = configured("", &["check"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended
            .stdout
            .iter()
            .all(|line| line.starts_with("ok ") || line.starts_with("warn "))
    );
    assert!(ended.stderr.is_empty(), "{ended:#?}");
    assert_eq!(folder.tree(), ["config.yaml"]);
    let folder = Folder::new();
    fs::write(folder.path("maildirs"), "a file").expect("it can be written");
    configure(&folder, "");
    let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    assert!(
        ended
            .stdout
            .iter()
            .any(|line| line.starts_with("FAULT Maildirs below "))
    );
    assert_eq!(
        ended.complaint(),
        "maiasaura: 1 of the above must be mended"
    );
    let (folder, ended) = configured(
        "maildir: {path: \"${ROOT}/{host}/{user}\", require_root: true}",
        &["check"],
    );
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    assert!(
        ended.stdout.iter().any(|line| line.contains("mkdir -p ")),
        "{ended:#?}"
    );
    assert_eq!(folder.tree(), ["config.yaml"]);
}

#[test]
fn check_tells_what_would_fail_at_start() {
    for (yaml, fault) in [
        ("log: {file: /nowhere/log}", "log /nowhere/log: "),
        ("log: {file: \"${FOLDER}/.\"}", "log /"),
        (
            "listeners: [{address: \"unix:/nowhere/socket\"}]",
            "listener unix:/nowhere/socket: there is no folder /nowhere; ",
        ),
    ] {
        let (folder, ended) = configured(yaml, &["check"]);
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        let fault = format!("FAULT {fault}");
        let faults = ended.stdout.iter().filter(|line| line.starts_with(&fault));
        assert_eq!(faults.count(), 1, "{ended:#?}");
        assert_eq!(folder.tree(), ["config.yaml"]);
    }
}

#[test]
fn check_finds_listeners_that_collide() {
    let free = TcpListener::bind((own_address(), 0)).expect("a port is free");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let every = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let yaml = format!("listeners: [{{address: \"{address}\"}}, {{address: \"{every}\"}}]");
    let (_, ended) = configured(&yaml, &["check"]);
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    let said = ended.stdout.join("\n");
    assert!(
        said.contains(&format!("ok    listener {address}\n")),
        "{said}"
    );
    assert!(
        said.contains(&format!("FAULT listener {every}: ")),
        "{said}"
    );
    assert!(said.contains("collides with another listener"), "{said}");
}

/// Whoever is not root gives nothing away.
#[test]
fn check_knows_who_can_own_mail() {
    let yaml = "recipients: {hosts: [example.org], users: {bob: {uid: 4242, gid: 4242}}}";
    let (_, ended) = configured(yaml, &["check"]);
    let code = if rustix::process::geteuid().is_root() {
        0
    } else {
        78
    };
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    let fault = ended.stdout.iter().find(|line| line.starts_with("FAULT "));
    assert_eq!(fault.is_some(), code == 78, "{ended:#?}");
}

#[test]
fn check_warns_of_those_who_believe_everybody() {
    for (keys, said) in [
        (
            "proxy_protocol: [10.0.0.0/8, unix]",
            "only for proxies at 10.0.0.0/8, unix",
        ),
        (
            "proxy_protocol: 0.0.0.0/0",
            "proxy_protocol holds every address",
        ),
        ("xclient: ['::/0']", "xclient holds every address"),
    ] {
        let yaml = format!("listeners: [{{address: '127.0.0.1:0', {keys}}}]");
        let (_, ended) = configured(&yaml, &["check"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(
            ended.stdout.iter().any(|line| line.contains(said)),
            "{ended:#?}"
        );
    }
}

#[test]
fn check_tells_who_is_never_locked_out() {
    for (exempt, said) in [
        (
            "127.0.0.1",
            "ok    auth.exempt: never locked out: 127.0.0.1/32",
        ),
        (
            "[10.0.0.0/8, '::/0']",
            "warn  auth.exempt: holds every address: ",
        ),
    ] {
        let yaml = format!("auth: {{exempt: {exempt}}}");
        let (_, ended) = configured(&yaml, &["check"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(
            ended.stdout.iter().any(|line| line.starts_with(said)),
            "{ended:#?}"
        );
    }
}

#[cfg(feature = "auth-http")]
#[test]
fn check_looks_at_the_endpoint_for_nginx() {
    for (yaml, code, said) in [
        (
            "auth_http: {address: '127.0.0.1:0'}",
            0,
            "warn  auth_http: no listener has nginx in its xclient",
        ),
        (
            "auth_http: {address: '192.0.2.1:1'}",
            78,
            "FAULT auth_http 192.0.2.1:1: ",
        ),
    ] {
        let (_, ended) = configured(yaml, &["check"]);
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(
            ended.stdout.iter().any(|line| line.starts_with(said)),
            "{ended:#?}"
        );
    }
}

#[cfg(feature = "metrics")]
#[test]
fn check_looks_at_where_figures_are_told() {
    for (yaml, code, said) in [
        (
            "metrics: {address: '127.0.0.1:0'}",
            0,
            "ok    metrics 127.0.0.1:0",
        ),
        (
            "metrics: {address: '0.0.0.0:0'}",
            0,
            "warn  metrics: whoever can connect there sees the figures",
        ),
        (
            "metrics: {address: '192.0.2.1:1'}",
            78,
            "FAULT metrics 192.0.2.1:1: ",
        ),
    ] {
        let (_, ended) = configured(yaml, &["check"]);
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(
            ended.stdout.iter().any(|line| line.starts_with(said)),
            "{ended:#?}"
        );
    }
}

/// A certificate, a key, and what `check` says about them.
#[test]
#[rustfmt::skip]
fn check_tells_what_certificates_are() {
    let sound = AUTHORITY.issue(&["mx.example.org", "*.example.org"]);
    let other = AUTHORITY.issue(&["other.example.org"]);
    let [old, early] = [(2020, 2021), (2300, 2301)].map(|(from, to)| {
        AUTHORITY.issue_with(&["mx.example.org"], |it| {
            (it.not_before, it.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        })
    });
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, said) in [
        (&*sound.certificate, &*sound.key, "ok    certificate cert.pem (mx.example.org, for mx.example.org *.example.org, "),
        (&other.certificate, &other.key, "warn  certificate cert.pem (other.example.org, for other.example.org, "),
        (&old.certificate, &old.key, "FAULT certificate cert.pem: has expired (mx.example.org, for mx.example.org, -"),
        (&early.certificate, &early.key, "FAULT certificate cert.pem: does not hold yet (mx.example.org, "),
        (&sound.certificate, &other.key, "FAULT certificate key.pem: is not the key of the certificate in cert.pem; "),
        (&sound.key, &sound.key, "FAULT certificate cert.pem: holds a key and no certificate; "),
        (&sound.certificate, &sound.certificate, "FAULT certificate key.pem: holds certificates and no key; "),
        (&sound.certificate, locked, "FAULT certificate key.pem: holds a key that is locked with a passphrase; "),
        (&sound.certificate, "", "FAULT certificate key.pem: is empty; "),
        ("-----BEGIN CERTIFICATE-----\nMIIB", &sound.key, "FAULT certificate cert.pem: is cut off: what begins in line 1 has no end"),
        ("0\u{2}\u{1}", &sound.key, "FAULT certificate cert.pem: is DER and not PEM; "),
        ("hello", &sound.key, "FAULT certificate cert.pem: holds no certificate; "),
    ] {
        tells(certificate, key, said);
    }
}

fn tells(certificate: &str, key: &str, said: &str) {
    let folder = Folder::new();
    fs::write(folder.path("cert.pem"), certificate).expect("it can be written");
    fs::write(folder.path("key.pem"), key).expect("it can be written");
    configure(&folder, "tls: {certificate: cert.pem, key: key.pem}");
    let ended = run(&folder, &["-c", "config.yaml", "check"], b"");
    let is_fault = said.starts_with("FAULT");
    assert_eq!(
        ended.code,
        Some(if is_fault { 78 } else { 0 }),
        "{ended:#?}"
    );
    let found = ended.stdout.iter().filter(|line| line.starts_with(said));
    assert_eq!(found.count(), 1, "{said}: {ended:#?}");
    let mut lines = ended.stdout.iter();
    let is_readable = lines.any(|line| line.ends_with("chmod o= key.pem"));
    assert_eq!(is_readable, !is_fault, "{ended:#?}");
    let could_be_used = said.contains("expired") || said.contains("hold yet");
    if is_fault && !could_be_used {
        // The server does not start either, and says the same.
        let ended = run(&folder, &["-c", "config.yaml"], b"");
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        let problem = said.trim_start_matches("FAULT certificate ");
        let complaint = format!("maiasaura: config.yaml:1:6: tls: {problem}");
        assert!(ended.complaint().starts_with(&complaint), "{ended:#?}");
    }
}
