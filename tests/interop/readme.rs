//! The commands of README.md, as they are written there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::maildir::Maildir;
use crate::mutt;
use crate::program::{MAIASAURA, program, succeed};
use crate::receiver::folder;
use crate::service::Service;

/// The section that begins with the receiver running.
const SECTION: &str = "## A first mail\n";

#[test]
fn the_first_mail_is_sent_and_read_as_the_readme_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let [send, read] = &commands(&readme)[..] else {
        panic!("two blocks of commands below {SECTION}");
    };
    let folder = folder();
    let (_service, port) = receiver(folder.path());
    let names = ["curl", "swaks", "python3", "php"];
    assert_eq!(send.len(), names.len(), "{send:?}");
    for (line, name) in send.iter().zip(names) {
        assert!(line.contains(name), "{line}");
        program(name);
        shell(folder.path(), &elsewhere(line, port));
    }
    let maildir = Maildir(folder.path().join("maildirs/localhost/you"));
    let messages = maildir.messages();
    assert_eq!(messages.len(), 4);

    let [cat, mutt] = &read[..] else {
        panic!("cat and mutt: {read:?}");
    };
    let stored: Vec<_> = messages
        .iter()
        .map(|message| message.octets.as_slice())
        .collect();
    assert_eq!(shell(folder.path(), cat), stored.concat());
    assert_eq!(
        mutt::print(folder.path(), mutt).len(),
        stored.concat().len()
    );
    let works = |octets: &&&[u8]| String::from_utf8_lossy(octets).ends_with("\n\nIt works.\n");
    assert_eq!(
        stored.iter().filter(works).count(),
        3,
        "those that say that it works"
    );
}

/// The receiver with the configuration that comes with it, on a port of its own.
fn receiver(folder: &Path) -> (Service, u16) {
    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/maiasaura.yaml");
    let mut command = Command::new(MAIASAURA);
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg("-c")
        .arg(configuration);
    let mut service = Service::start("maiasaura", command.current_dir(folder), folder);
    let line = service.line(&["listening  on 127.0.0.1:"]);
    let (_, port) = line.rsplit_once(':').expect("a port");
    (service, port.parse().expect("a number"))
}

/// The lines of each block of shell commands in the section.
fn commands(readme: &str) -> Vec<Vec<&str>> {
    let (_, section) = readme.split_once(SECTION).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    blocks.map(|block| block.lines().collect()).collect()
}

/// The same command for the port that the receiver has here.
fn elsewhere(line: &str, port: u16) -> String {
    let moved = line.replace("127.0.0.1:2525", &format!("127.0.0.1:{port}"));
    let moved = moved.replace("\"127.0.0.1\", 2525", &format!("\"127.0.0.1\", {port}"));
    assert!(moved != line && !moved.contains("2525, "), "{moved}");
    moved
}

fn shell(folder: &Path, line: &str) -> Vec<u8> {
    succeed(program("sh").current_dir(folder).args(["-c", line]))
}
