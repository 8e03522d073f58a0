//! Recipients whom Redis knows.

use crate::house::{House, eventually};
use crate::server::Server;

const BOB: &str = "bob@example.org";

fn house(server: &Server, question: &str) -> House {
    let answers = "answers: {positive: 1h, negative: 1s}";
    House::new(&format!(
        "{}recipients: {{hosts: [example.org], users: {{redis: \"{question}\"}}, {answers}}}\n",
        server.section("")
    ))
}

fn asked(house: &House, address: &str) -> String {
    let mut client = house.client();
    client.wants("MAIL FROM:<>", "250 ");
    client.say(&format!("RCPT TO:<{address}>"))
}

#[test]
fn each_way_to_ask_finds_who_is_there() {
    let server = Server::start();
    server.ask::<i64>(&["SADD", "users", BOB]);
    server.ask::<i64>(&["HSET", "boxes", BOB, "1"]);
    server.ask::<String>(&["SET", "user:bob:example.org", "1"]);
    for question in [
        "SISMEMBER users {address}",
        "HEXISTS boxes {address}",
        "EXISTS user:{user}:{host}",
    ] {
        let house = house(&server, question);
        let known = asked(&house, "Bob+lists@example.org");
        assert!(known.starts_with("250 2.1.5 "), "{question}: {known}");
        for stranger in ["eve@example.org", "\"bob * x\"@example.org"] {
            let unknown = asked(&house, stranger);
            assert!(unknown.starts_with("550 5.1.1 "), "{question}: {unknown}");
        }
    }
}

#[test]
fn who_was_known_is_while_redis_is_away() {
    let mut server = Server::start();
    server.ask::<i64>(&["SADD", "users", BOB]);
    let house = house(&server, "SISMEMBER users {address}");
    assert!(asked(&house, BOB).starts_with("250 "));
    server.kill();
    assert!(asked(&house, BOB).starts_with("250 "));
    let unsure = asked(&house, "carol@example.org");
    assert!(unsure.starts_with("451 4.3.0 "), "{unsure}");
    server.run();
    server.ask::<i64>(&["SADD", "users", "carol@example.org"]);
    eventually("she is known", || {
        asked(&house, "carol@example.org").starts_with("250 ")
    });
}

#[test]
fn a_question_that_is_none_is_a_complaint() {
    let server = Server::start();
    for (question, part) in [
        ("FLUSHALL", "is no question; write one such as"),
        ("SISMEMBER users", "is no question"),
        ("EXISTS users", "asks about nobody"),
    ] {
        let yaml = format!(
            "{}recipients: {{hosts: [example.org], users: {{redis: \"{question}\"}}}}\n",
            server.section("")
        );
        let folder = crate::house::Folder::new();
        crate::process::configure(&folder, &yaml);
        let ended = crate::process::run(&folder, &["-c", "config.yaml", "check"], b"");
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        assert!(ended.complaint().contains(part), "{ended:#?}");
    }
}
