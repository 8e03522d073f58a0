//! The examples: the receiver takes what the client sends.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::house::{Folder, Stored};
use crate::process::{Ended, Program, prepare};

/// An example lies beside the folder of this test, where `cargo test` has built it.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("it lies in deps/");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{}: run `cargo build --examples`",
        path.display()
    );
    path
}

fn start(folder: &Folder, name: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new(example(name));
    command.args(arguments);
    let mut command = prepare(folder, command);
    command.stdin(Stdio::piped());
    Program::spawn(command)
}

/// Hands a message to the client.
fn send(folder: &Folder, arguments: &[&str], message: &[u8]) -> Ended {
    let mut client = start(folder, "client", arguments);
    let mut stdin = client.stdin();
    stdin.write_all(message).expect("the client reads it");
    drop(stdin);
    client.end()
}

#[test]
fn a_message_from_example_to_example() {
    let folder = Folder::new();
    let mut receiver = start(&folder, "receiver", &["127.0.0.1:0"]);
    let line = receiver.stdout.wait("listening on ", 1).remove(0);
    let address = line.trim_start_matches("listening on ");
    let address = address.trim_end_matches(", press Enter to stop");
    let message = b"Subject: hello\n\n.\nIt works.\n";
    let sent = send(
        &folder,
        &[address, "me@localhost", "you@localhost"],
        message,
    );
    assert_eq!(sent.code, Some(0), "{sent:#?}");
    assert!(
        sent.stdout[0].starts_with("250 2.0.0 Ok: queued as "),
        "{sent:#?}"
    );
    let new = fs::read_dir(folder.path("maildirs/localhost/you/new"));
    let entries: Vec<_> = new.expect("it is made").map_while(Result::ok).collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(Stored::read(&entries[0].path()).content, message);

    let refused = send(
        &folder,
        &[address, "me@localhost", "you@example.com"],
        message,
    );
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused.stderr.join("\n").contains("550 5.7.1 "),
        "{refused:#?}"
    );

    receiver
        .stdin()
        .write_all(b"\n")
        .expect("the receiver waits for it");
    assert_eq!(receiver.end().code, Some(0));
}

/// A processor of one's own keeps a register, if it can.
#[test]
fn a_processor_of_ones_own() {
    let folder = Folder::new();
    let yaml = include_str!("../../examples/processor.yaml");
    let yaml = format!("{yaml}listeners: [{{address: \"127.0.0.1:0\"}}]\n");
    fs::write(folder.path("mine.yaml"), &yaml).expect("it can be written");
    let mut receiver = start(&folder, "processor", &["mine.yaml"]);
    let line = receiver.stdout.wait("listening on ", 1).remove(0);
    let address = line.trim_start_matches("listening on ");
    let address = address.trim_end_matches(", press Enter to stop");
    let message = b"Subject: =?utf-8?q?h=C3=A9?=\n\nIt works.\n";
    let sent = send(
        &folder,
        &[address, "me@localhost", "you@localhost"],
        message,
    );
    assert_eq!(sent.code, Some(0), "{sent:#?}");
    receiver.stdin().write_all(b"\n").expect("it waits for it");
    assert_eq!(receiver.end().code, Some(0));
    let register = fs::read_to_string(folder.path("register.txt")).expect("it was written");
    let size = message.len() + 3;
    let rest = format!(" me@localhost you@localhost {size} \"hé\"\n");
    assert!(register.ends_with(&rest), "{register}");

    let wrong = yaml.replace("./register.txt", "./no/register.txt");
    fs::write(folder.path("mine.yaml"), wrong).expect("it can be written");
    let ended = start(&folder, "processor", &["mine.yaml"]).end();
    assert_eq!(ended.code, Some(1));
    let said = ended.stderr.join("\n");
    assert!(
        said.contains("Register cannot start: ./no/register.txt: No such file"),
        "{said}"
    );
}
