//! Another configuration while letters wait for Redis.

use rustix::process::Signal;

use crate::house::{Folder, eventually};
use crate::process::{Program, configure, run};
use crate::server::Server;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const DOWN: &str = " it seems to be down: ";
const WAITS: &str = " not handed over yet ";
const OVER: &str = " INFO  handed over ";
const RELOADED: &str = " reloaded: ";

fn yaml(server: &Server, keys: &str, more: &str) -> String {
    format!(
        "{}save: Hasher|Header|MailDir|Redis\nspool: {{failures: 1, at_once: 1}}\n{more}",
        server.section(&format!(", delivery: queued{keys}"))
    )
}

fn deliver(program: &Program, subject: &str) {
    let mail = format!("Subject: {subject}\r\n\r\nbody\r\n");
    let reply = program.client().deliver(SENDER, &[BOB], mail.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
}

/// Has all letters tried now, whatever is known of Redis, until the log has one line more with `text`. What
/// is asked while one is under way may be overlooked.
fn retry(folder: &Folder, program: &Program, text: &str) {
    let before = count(program, text);
    eventually(text, || {
        let ended = run(
            folder,
            &["-c", "config.yaml", "queue", "retry", "--all"],
            b"",
        );
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        count(program, text) > before
    });
}

fn count(program: &Program, text: &str) -> usize {
    let lines = program.stderr.all();
    lines.iter().filter(|line| line.contains(text)).count()
}

/// That Redis is down is known after a reload, too, unless it may be another Redis.
#[test]
fn who_is_down_is_left_alone_after_a_reload() {
    let mut server = Server::start();
    server.kill();
    let folder = Folder::new();
    let program = Program::serve(&folder, &yaml(&server, "", ""));
    deliver(&program, "first");
    program.stderr.wait(DOWN, 1);
    for (reload, (keys, complaints)) in [("", 1), ("", 1), (", prefix: 'b:'", 2)].iter().enumerate()
    {
        let more = format!("threads: {}", reload + 3);
        configure(&folder, &yaml(&server, keys, &more));
        program.signal(Signal::HUP);
        program.stderr.wait(RELOADED, reload + 1);
        // When it is tried the second time, all that follows from the first time was done.
        for _ in 0..2 {
            retry(&folder, &program, WAITS);
        }
        assert_eq!(count(&program, DOWN), *complaints, "{keys}");
    }
    server.run();
    retry(&folder, &program, OVER);
    deliver(&program, "second");
    program.stderr.wait(OVER, 2);
    eventually("nothing waits", || folder.letters("redis").is_empty());
    let ended = program.stop();
    let over = ended.stderr.iter().filter(|line| line.contains(OVER));
    assert_eq!(over.count(), 2, "each is handed over once");
    let keys = server.keys("*");
    assert!(
        keys.len() == 2 && keys.iter().all(|key| key.starts_with("b:")),
        "{keys:?}"
    );
}
