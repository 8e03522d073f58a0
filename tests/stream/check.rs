//! What `maiasaura check` says of Redis.

use crate::house::Folder;
use crate::process::{Ended, configure, run};
use crate::server::Server;

fn check(server: &Server, keys: &str, more: &str) -> Ended {
    let folder = Folder::new();
    configure(&folder, &format!("{}{more}", server.section(keys)));
    run(&folder, &["-c", "config.yaml", "check"], b"")
}

#[track_caller]
fn complains(ended: &Ended, part: &str) {
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    let said = ended.stdout.join("\n");
    assert!(
        said.contains("FAULT ") && said.contains(part),
        "{part}: {ended:#?}"
    );
}

const STREAM: &str = "save: Hasher|Header|Stream\nvalidate: []\n";

#[test]
fn one_that_is_as_it_should_be_is_fine() {
    let server = Server::start();
    let ended = check(&server, ", durable: true", STREAM);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let said = ended.stdout.join("\n");
    assert!(
        said.contains("ok    Redis at unix:/") && said.contains("version "),
        "{said}"
    );
}

#[test]
fn what_does_not_keep_mail_is_a_fault() {
    let server = Server::start();
    server.ask::<String>(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let socket = server.socket();
    let command = format!(
        "; redis-cli -s {} config set appendfsync always;",
        socket.display()
    );
    complains(&check(&server, ", durable: true", STREAM), &command);
    let beside = "save: Hasher|Header|MailDir|Stream\n";
    let ended = check(&server, "", beside);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout.join("\n").contains("warn  Redis at "),
        "{ended:#?}"
    );
    server.ask::<String>(&["CONFIG", "SET", "appendfsync", "always"]);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "100mb"]);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    complains(
        &check(&server, ", durable: true", STREAM),
        "config set maxmemory-policy noeviction",
    );
    // Marks and values have an end, so this one throws them away.
    server.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    for save in [STREAM, "save: Hasher|Header|Redis\nvalidate: []\n"] {
        complains(
            &check(&server, ", durable: true", save),
            "config set maxmemory-policy noeviction",
        );
    }
}

#[test]
fn what_cannot_work_is_a_fault() {
    let server = Server::start();
    server.ask::<String>(&["CONFIG", "SET", "proto-max-bulk-len", "1mb"]);
    complains(
        &check(&server, ", durable: true", STREAM),
        "config set proto-max-bulk-len 25100000",
    );
    server.ask::<String>(&["CONFIG", "SET", "proto-max-bulk-len", "512mb"]);
    let replicas = [STREAM, "stream: {replicas: 2}\n"].concat();
    complains(
        &check(&server, ", durable: true", &replicas),
        "stream.replicas is 2, and it has 0",
    );
    server.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    complains(
        &check(&server, "", ""),
        "write its master: redis: {address: \"127.0.0.1:1\"}",
    );
    let locked = Server::with("requirepass secret");
    complains(
        &check(&locked, ", password: wrong", ""),
        "see redis.user and redis.password_file",
    );
    complains(&check(&locked, "", ""), "NOAUTH");
    let mut gone = Server::start();
    gone.kill();
    complains(&check(&gone, "", ""), "unix:/");
}
