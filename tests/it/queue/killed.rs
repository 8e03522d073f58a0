//! A server that is killed while letters wait.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{env, fs, thread};

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::Daemon;
use maiasaura::server::Address;
use maiasaura::spool::{Answer, Consumer, Letter, Pending};
use rustix::process::Signal;

use super::{BOB, deliver, usual};
use crate::client::Client;
use crate::house::{Folder, configuration, eventually};
use crate::process::{Program, prepare};

/// Where a process of `a_server_of_its_own` says what it is, and puts what it was given.
const OWN_SERVER: &str = "MAIASAURA_TEST_QUEUE";

/// Not a test: a server that another test starts as a process, to kill it.
#[test]
#[ignore = "it is started by another test"]
fn a_server_of_its_own() {
    /// Notes each letter in a folder, before it answers.
    struct Notes(PathBuf);
    impl Consumer for Notes {
        fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
            let slip = &letter.slip;
            fs::write(self.0.join(format!("{}-{}", slip.id, slip.key)), "")
                .expect("it can be noted");
            let is_up = self.0.join("up").exists();
            Box::pin(async move {
                if is_up {
                    return Answer::Delivered;
                }
                // It hangs: when it is killed these are under way.
                std::future::pending().await
            })
        }
    }
    let Ok(folder) = env::var(OWN_SERVER) else {
        return;
    };
    let folder = Path::new(&folder);
    let text = fs::read_to_string(folder.join("config.yaml")).expect("it is there");
    let environment: Environment = env::vars().collect();
    let config = Config::parse(&text, "test", &environment).expect("it is right");
    let notes = Arc::new(Notes(folder.join("notes")));
    let running = Daemon::new(config)
        .consumer("App", notes)
        .start()
        .expect("it starts");
    println!("\n  listening  on {}", running.addresses()[0]);
    loop {
        thread::park();
    }
}

/// Starts that server.
fn own_server(folder: &Folder) -> (Program, Address) {
    let mut command = Command::new(env::current_exe().expect("it is known"));
    command.args([
        "--exact",
        "queue::killed::a_server_of_its_own",
        "--ignored",
        "--nocapture",
    ]);
    let mut command = prepare(folder, command);
    command
        .env(OWN_SERVER, folder.path(""))
        .stdin(Stdio::null());
    let program = Program::spawn(command);
    let line = program.stdout.wait("listening", 1).remove(0);
    let address = line.trim_start_matches("  listening  on ");
    let address = Address::Tcp(address.parse().expect("it is an address"));
    (program, address)
}

/// Mail that was acknowledged before a kill -9 is handed over after it, with the same keys.
#[test]
fn what_waits_outlasts_a_kill() {
    const LETTERS: usize = 30;
    for durability in ["full", "journal"] {
        let folder = Folder::new();
        let maildir =
            format!("maildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: {durability}}}");
        fs::write(folder.path("config.yaml"), configuration(&usual(&maildir)))
            .expect("it can be written");
        fs::create_dir(folder.path("notes")).expect("it can be made");
        let (program, address) = own_server(&folder);
        let mut client = Client::greeted(&address);
        for _ in 0..LETTERS {
            deliver(&mut client, &[BOB]);
        }
        let notes = || {
            fs::read_dir(folder.path("notes"))
                .expect("it is there")
                .count()
        };
        eventually("some are under way", || notes() == 4);
        program.signal(Signal::KILL);
        program.end();
        let before = notes();
        fs::write(folder.path("notes/up"), "").expect("it can be written");
        let (_program, _) = own_server(&folder);
        eventually("all are handed over", || {
            folder.letters("app").is_empty() && notes() > LETTERS
        });
        // Each has one name: those that were under way came with the same key.
        assert_eq!((before, notes()), (4, LETTERS + 1), "{durability}");
        assert_eq!(folder.files("example.org/bob/new").len(), LETTERS);
    }
}
