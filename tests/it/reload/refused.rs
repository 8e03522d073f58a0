//! Configurations that are refused: nothing at all is changed.

use std::net::TcpListener;

use crate::client::Client;
use crate::house::House;

use super::{BOB, MAIL, SENDER, furnished};

/// What a listener is that would be there if only a part were taken.
const MORE: &str =
    "listeners: [{address: '127.0.0.1:0', hostname: other.test}, {address: 'unix:${FOLDER}/new'}";

/// The configuration from before, all of it.
#[track_caller]
fn serves_as_before(house: &House) {
    let mut client = Client::connect(house.address());
    client.hears("220 mx.example.org ESMTP");
    let reply = client.say("EHLO c.test");
    assert!(reply.contains("SIZE 1000000"), "{reply}");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(!house.folder.path("new").exists(), "it is left bound");
    assert_eq!(house.running().generations(), 1);
}

#[test]
fn a_configuration_that_cannot_be_taken_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = taken.local_addr().expect("it is bound").port();
    let taken_port = format!("{MORE}, {{address: '127.0.0.1:{port}'}}]");
    let with = |more: &str| format!("{MORE}]\n{more}");
    let mut house = House::in_folder(furnished(), "limits: {message_size: 1MB}");
    for (yaml, why) in [
        (with("limits: [1"), "test:3:"),
        (with("limit: {connections: 5}"), "limit"),
        (with("save: MailDir|Nobody"), "Nobody"),
        (with("save: Hasher"), "add MailDir"),
        (with("save: MailDir|FastCGI"), "fastcgi"),
        (with("validate: Wildcard"), "wildcard.hosts is missing"),
        (with("recipients: {hosts: ['a..b']}"), "recipients.hosts"),
        (
            with("tls: {certificate: '${FOLDER}/none.pem', key: '${FOLDER}/key.pem'}"),
            "none.pem",
        ),
        (taken_port, "another program listens there"),
        (
            with("maildir: {path: '/dev/null/{user}'}"),
            "maildir.path: no mail could be stored below /dev/null: ",
        ),
        (
            with("maildir: {path: '${FOLDER}/none/{user}', require_root: true}"),
            "/none: ",
        ),
        (
            with(
                "recipients: {hosts: [example.org], users: {bob: {}, ann: {path: '/dev/null/ann'}}}",
            ),
            "recipients.users: no mail could be stored below /dev/null: ",
        ),
        (
            format!("{MORE}, {{address: 'unix:${{FOLDER}}/none/s'}}]"),
            "make the folder first",
        ),
        (
            format!(
                "{MORE}, {{address: '127.0.0.1:0', auth: required}}]\nauth: {{users: '${{FOLDER}}/nobody', plaintext: local}}"
            ),
            "nobody",
        ),
    ] {
        let refused = house.reload(&yaml).expect_err(&yaml);
        assert!(refused.contains(why), "{yaml}: {refused}");
        serves_as_before(&house);
    }
}

#[test]
fn it_says_that_the_old_one_stays() {
    let mut house = House::new("");
    let refused = house.reload("save: Nobody").expect_err("there is no such");
    assert!(
        refused.starts_with("not reloaded, the configuration from before stays: "),
        "{refused}"
    );
}

/// The root that there was before may be missing, if it is to be made. With one that must be there it
/// is another matter.
#[test]
fn a_root_that_is_required_now_must_be_there() {
    let yaml = |more: &str| format!("maildir: {{path: '${{FOLDER}}/vmail/{{user}}'{more}}}");
    let mut house = House::new(&yaml(""));
    let root = house.folder.path("vmail");
    let _ = std::fs::remove_dir_all(&root);
    let refused = house.reload(&yaml(", require_root: true"));
    let refused = refused.expect_err("it is not there");
    assert!(refused.contains("maildir.path: no mail "), "{refused}");
    std::fs::create_dir(&root).expect("a folder can be made");
    house
        .reload(&yaml(", require_root: true"))
        .expect("it is there");
}

/// Two stores would want the same log.
#[test]
fn what_waits_in_a_journal_stays_as_it_was_to_be_stored() {
    let yaml = |more: &str| {
        format!(
            "maildir: {{path: '${{ROOT}}/{{host}}/{{user}}', durability: journal{more}}}\nlimits: {{message_size: 1MB}}"
        )
    };
    let mut house = House::new(&yaml(""));
    for (more, key) in [
        (", file_mode: '0640'", "maildir.file_mode"),
        (", directory_mode: '0750'", "maildir.directory_mode"),
        (", require_root: true", "maildir.require_root"),
        (", cached_maildirs: 5", "maildir.cached_maildirs"),
        ("}\nhostname: other.test #", "hostname"),
    ] {
        let refused = house.reload(&yaml(more)).expect_err(key);
        let expected = format!("{key}: a change of this needs a restart while maildir.durability");
        assert!(refused.contains(&expected), "{refused}");
        serves_as_before(&house);
    }
    let other_roots = yaml(", single_instance: true").replace("{host}", "deeper/{host}");
    house.reload(&other_roots).expect("that can be changed");
    serves_as_before(&house);
    assert!(house.folder.path("maildirs/deeper/.journal").exists());
}

/// A mode that was given to a socket before something else failed is taken back.
#[test]
fn who_may_connect_is_as_before() {
    let first = "listeners: [{address: 'unix:${FOLDER}/s:0600'}";
    let mut house = House::new(&format!("{first}]"));
    let yaml =
        "listeners: [{address: 'unix:${FOLDER}/s:0666'}, {address: 'unix:${FOLDER}/s2:0600:0'}]";
    if !rustix::process::geteuid().is_root() {
        let refused = house.reload(yaml).expect_err("the group is not ours");
        assert!(refused.contains("cannot be given to group"), "{refused}");
    }
    let port = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = port.local_addr().map(|_| port).expect("it is bound");
    let taken = port.local_addr().expect("it is bound");
    let yaml = format!(
        "listeners: [{{address: 'unix:${{FOLDER}}/s:0666'}}]\nauth_http: {{address: '{taken}'}}"
    );
    let refused = house.reload(&yaml).expect_err("it is taken");
    assert!(!refused.is_empty());
    assert_eq!(crate::house::mode(&house.folder.path("s")), 0o600);
}
