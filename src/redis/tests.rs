//! Without a Redis. What needs one is in `tests/stream`.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::failure::Failure;

fn client(settings: Settings) -> Client {
    Client::new(settings).expect("an address is given")
}

#[test]
fn a_redis_that_is_not_there_is_asked_seldom() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let client = client(Settings::at(Endpoint::Tcp("127.0.0.1".into(), port)));
    let fault = client.run(vec![command("PING")]).expect_err("nobody");
    assert!(
        matches!(&fault, Fault::Down(why) if why.contains("refused")),
        "{fault}"
    );
    let again = client.run(vec![command("PING")]).expect_err("nobody");
    assert!(matches!(again, Fault::Down(_)));
    assert!(client.trouble().is_some());
    let reply = Failure::from(fault).reply;
    assert_eq!(reply.to_string().get(..9), Some("451 4.3.0"));
}

#[test]
fn who_waits_for_a_redis_that_hangs_is_few_and_not_for_long() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let client = Arc::new(client(Settings {
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_millis(2500),
        waiting: 4,
        ..Settings::at(Endpoint::Tcp("127.0.0.1".into(), port))
    }));
    let ask = |client: &Arc<Client>| {
        let client = Arc::clone(client);
        thread::spawn(move || client.run(vec![command("PING")]))
    };
    let waiting: Vec<_> = (0..8).map(|_| ask(&client)).collect();
    // It is slow after a second.
    thread::sleep(Duration::from_millis(1500));
    let busy = client
        .run(vec![command("PING")])
        .expect_err("nobody answers");
    assert!(matches!(busy, Fault::Busy | Fault::Down(_)), "{busy}");
    let answers = waiting
        .into_iter()
        .map(|thread| thread.join().expect("no panic"));
    let faults: Vec<Fault> = answers.filter_map(Result::err).collect();
    assert_eq!(faults.len(), 8);
    // Even of those who came when nobody could know.
    let went = faults.iter().filter(|fault| **fault == Fault::Busy);
    assert_eq!(went.count(), 4, "{faults:?}");
}

#[test]
fn memory_that_is_full_is_452_and_everything_else_451() {
    let refused = |code: &str| Fault::Refused {
        code: code.into(),
        text: "whatever it says".into(),
    };
    for (code, reply) in [
        ("OOM", "452 4.3.1"),
        ("READONLY", "451 4.3.0"),
        ("WRONGTYPE", "451 4.3.0"),
    ] {
        let failure = Failure::from(refused(code));
        assert_eq!(failure.reply.to_string().get(..9), Some(reply));
        assert!(
            failure.cause.is_some_and(|cause| cause.contains('(')),
            "a hint for {code}"
        );
    }
}
