//! Logs of listeners: which lines are in which file.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::client::Client;
use crate::house::{Folder, eventually};
use crate::process::{Program, command, configure};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// The main log is standard error; three listeners, of which two share a file.
const THREE: &str = "\
listeners:
  - {address: \"127.0.0.1:0\", log: {file: \"${FOLDER}/one.log\"}}
  - {address: \"127.0.0.1:0\", log: {file: \"${FOLDER}/one.log\", level: warn}}
  - {address: \"127.0.0.1:0\"}";

fn count(path: &Path, text: &str) -> usize {
    let log = fs::read_to_string(path).unwrap_or_default();
    log.matches(text).count()
}

#[test]
fn the_lines_of_a_session_are_in_the_log_of_its_listener() {
    let folder = Folder::new();
    let program = Program::serve(&folder, THREE);
    let log = folder.path("one.log");
    for (number, address) in program.addresses().iter().enumerate() {
        let from = format!("s{number}@example.net");
        let mut client = Client::greeted(address);
        client.deliver(&from, &[BOB], MAIL);
        client.wants("MAIL FROM:<>", "250 ");
        client.wants(&format!("RCPT TO:<x{number}@not.test>"), "550 ");
        client.wants("QUIT", "221 ");
    }
    program.stderr.wait("x2@not.test", 1);
    eventually("it is told in its file", || count(&log, "x0@not.test") == 1);
    let errors = program.stop().stderr.join("\n");
    let own = fs::read_to_string(&log).expect("it is there");
    assert!(own.contains("from=s0@example.net") && own.contains("to=x0@not.test"));
    // The second one has no more than warnings.
    for other in ["s1@", "x1@", "s2@", "x2@"] {
        assert!(!own.contains(other), "{other}: {own}");
    }
    assert!(errors.contains("from=s2@example.net"), "{errors}");
    for other in ["s0@", "x0@", "s1@", "x1@"] {
        assert!(!errors.contains(other), "{other}: {errors}");
    }
    assert!(errors.contains(" INFO  started") && errors.contains(" INFO  stopped"));
}

/// Processors do not know of listeners; and an LMTP message for several is delivered by threads.
#[test]
fn what_others_say_for_a_session_is_there_too() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "listeners: [{address: \"127.0.0.1:0\", protocol: lmtp, log: {file: ./lmtp.log, level: debug}}]\n\
         save: Debugger|Header|MailDir\n\
         limits: {connections: 1}",
    );
    let mut client = program.client();
    client.deliver(SENDER, &[BOB, "alice@example.org"], MAIL);
    Client::connect(program.address()).hears("421 4.7.0 ");
    let log = folder.path("lmtp.log");
    eventually("all is told", || {
        count(&log, " DEBUG field ") == 2
            && count(&log, " status=delivered") == 1
            && count(&log, "connection refused") == 1
    });
    let errors = program.stop().stderr.join("\n");
    assert!(
        !errors.contains("DEBUG") && !errors.contains("client="),
        "{errors}"
    );
}

#[test]
fn a_listener_may_say_nothing_or_more_than_others() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "listeners: [{address: \"127.0.0.1:0\", log: {file: off}}, {address: \"127.0.0.1:0\", log: {level: debug}}]\n\
         log: {level: error}\nsave: Debugger|MailDir",
    );
    for (address, from) in program
        .addresses()
        .iter()
        .zip(["quiet@a.test", "loud@a.test"])
    {
        let reply = Client::greeted(address).deliver(from, &[BOB], MAIL);
        assert!(reply.starts_with("250 "), "{reply}");
    }
    program.stderr.wait("loud@a.test", 2);
    let errors = program.stop().stderr.join("\n");
    assert!(!errors.contains("quiet@"), "{errors}");
}

#[test]
fn all_files_are_opened_anew() {
    let folder = Folder::new();
    let program = Program::serve(&folder, &format!("{THREE}\nlog: {{file: ./main.log}}"));
    let logs = ["one.log", "main.log"].map(|name| folder.path(name));
    let addresses = [&program.addresses()[0], &program.addresses()[2]];
    let deliver = |times: usize, suffix: &str| {
        for (log, address) in logs.iter().zip(addresses) {
            Client::greeted(address).deliver(SENDER, &[BOB], MAIL);
            let log = log.with_extension(suffix);
            eventually("the message is in the log", || {
                count(&log, " message id=") == times
            });
        }
    };
    deliver(1, "log");
    for log in &logs {
        fs::rename(log, log.with_extension("old")).expect("it can be renamed");
    }
    deliver(2, "old");
    program.signal(Signal::USR1);
    eventually("there are new files", || {
        logs.iter().all(|log| log.exists())
    });
    deliver(1, "log");
    for log in &logs {
        assert_eq!(count(&log.with_extension("old"), " message id="), 2);
    }
    program.stop();
}

#[test]
fn a_file_that_cannot_be_written_is_complained_about() {
    for (yaml, place, mend) in [
        (
            "listeners: [{address: \"127.0.0.1:0\", log: {file: \"${FOLDER}/no/one.log\"}}]",
            "config.yaml:1:",
            "make the folder first: mkdir -p ",
        ),
        (
            "listeners: [{address: \"127.0.0.1:0\"}]\nlog: {file: \"${FOLDER}/maildirs\"}",
            "config.yaml:2:",
            "name a file in it",
        ),
    ] {
        let folder = Folder::new();
        fs::create_dir(folder.path("maildirs")).expect("a folder can be made");
        configure(&folder, yaml);
        let ended = Program::spawn(command(&folder, &["-c", "config.yaml"])).end();
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        let said = ended.complaint();
        assert!(said.contains(place) && said.contains(mend), "{said}");
        assert!(said.contains("log.file: cannot write "), "{said}");
        let checked = Program::spawn(command(&folder, &["-c", "config.yaml", "check"])).end();
        assert_eq!(checked.code, Some(78), "{checked:#?}");
        let faults = checked.stdout.iter();
        let faults: Vec<_> = faults
            .filter(|line| line.starts_with("FAULT log "))
            .collect();
        assert_eq!(faults.len(), 1, "{checked:#?}");
    }
}

/// Who is there goes on in the log that he began in.
#[test]
fn a_reload_gives_a_listener_another_log() {
    let folder = Folder::new();
    let yaml = |file: &str, level: &str| {
        format!(
            "listeners: [{{address: \"127.0.0.1:0\", log: {{file: ./{file}, level: {level}}}}}]"
        )
    };
    let program = Program::serve(&folder, &yaml("one.log", "info"));
    let mut old = program.client();
    configure(&folder, &yaml("no/two.log", "info"));
    program.signal(Signal::HUP);
    program
        .stderr
        .wait("listeners[0].log.file: cannot write ", 1);
    configure(&folder, &yaml("two.log", "debug"));
    program.signal(Signal::HUP);
    program.stderr.wait("reloaded: ", 1);
    program.client().deliver("new@example.net", &[BOB], MAIL);
    old.deliver("old@example.net", &[BOB], MAIL);
    let [one, two] = ["one.log", "two.log"].map(|name| folder.path(name));
    eventually("each is in its own", || {
        count(&one, " from=old@") == 1 && count(&two, " from=new@") == 1
    });
    assert_eq!(count(&one, " from=new@") + count(&two, " from=old@"), 0);
    fs::rename(&two, folder.path("two.old")).expect("it can be renamed");
    program.signal(Signal::USR1);
    eventually("there is a new file", || two.exists());
    program.stop();
}
