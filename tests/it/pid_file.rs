//! The pid file: there while the program runs, and against a second instance.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::Signal;

use crate::house::{Folder, configuration, eventually, mode};
use crate::process::{Program, command, configure};

const YAML: &str = "pid_file: \"${FOLDER}/run/pid\"";

fn folder() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("run")).expect("a folder can be made");
    folder
}

#[test]
fn it_is_there_while_the_program_runs() {
    let folder = folder();
    let program = Program::serve(&folder, YAML);
    let path = folder.path("run/pid");
    let text = fs::read_to_string(&path).expect("it is there");
    assert_eq!(text, format!("{}\n", program.pid().as_raw_pid()));
    assert_eq!(mode(&path), 0o644);
    program.stop();
    let left: Vec<_> = fs::read_dir(folder.path("run"))
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn it_is_removed_by_who_ends_at_once_too() {
    let folder = folder();
    let program = Program::serve(&folder, YAML);
    let mut client = program.client();
    client.begin("s@example.net", &["bob@example.org"]);
    program.signal(Signal::TERM);
    program.stderr.wait("stopping", 1);
    program.signal(Signal::TERM);
    assert_eq!(program.end().code, Some(1));
    assert!(!folder.path("run/pid").exists());
}

#[test]
fn a_second_instance_does_not_start() {
    let folder = folder();
    let first = Program::serve(&folder, YAML);
    let path = folder.path("run/pid");
    let before = fs::metadata(&path).expect("it is there").ino();
    let second = Program::spawn(command(&folder, &["-c", "config.yaml"])).end();
    assert_eq!(second.code, Some(69), "{second:#?}");
    let pid = first.pid().as_raw_pid();
    let said = format!("is held by a maiasaura that runs, with pid {pid}: stop it");
    assert!(second.complaint().contains(&said), "{second:#?}");
    assert_eq!(fs::metadata(&path).expect("it is there").ino(), before);
    let checked = Program::spawn(command(&folder, &["-c", "config.yaml", "check"])).end();
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert!(
        checked
            .stdout
            .iter()
            .any(|line| line.starts_with("warn  pid file: "))
    );
    first.client().wants("NOOP", "250 ");
    first.stop();
}

#[test]
fn what_a_killed_one_has_left_is_replaced() {
    let folder = folder();
    let first = Program::serve(&folder, YAML);
    let old = first.pid().as_raw_pid();
    first.signal(Signal::KILL);
    first.end();
    let path = folder.path("run/pid");
    assert!(path.exists());
    let second = Program::serve(&folder, YAML);
    second.stderr.wait(
        &format!("was replaced file={} pid={old}", path.display()),
        1,
    );
    let text = fs::read_to_string(&path).expect("it is there");
    assert_eq!(text, format!("{}\n", second.pid().as_raw_pid()));
    second.stop();
}

/// Whoever has removed it and written another knows why.
#[test]
fn that_of_another_is_left_alone() {
    let folder = folder();
    let program = Program::serve(&folder, YAML);
    let path = folder.path("run/pid");
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, "1\n").expect("it can be written");
    program.stop();
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "1\n");
}

#[test]
fn a_file_that_cannot_be_written_is_complained_about() {
    for (yaml, mend) in [
        ("pid_file: \"${FOLDER}/no/pid\"", "mkdir -p "),
        (
            "pid_file: \"${FOLDER}/config.yaml\"",
            "remove it if nobody needs it",
        ),
        ("pid_file: \"${FOLDER}/run/\"", "write one, such as /run/"),
    ] {
        let folder = folder();
        configure(&folder, yaml);
        for arguments in [&["-c", "config.yaml"][..], &["-c", "config.yaml", "check"]] {
            let ended = Program::spawn(command(&folder, arguments)).end();
            assert_eq!(ended.code, Some(78), "{ended:#?}");
            let all = [ended.stdout, ended.stderr].concat().join("\n");
            assert!(all.contains(mend), "{all}");
            assert!(
                arguments.len() > 2 || all.contains("config.yaml:1:11: pid_file: "),
                "{all}"
            );
        }
        let text = fs::read_to_string(folder.path("config.yaml")).expect("it is there");
        assert_eq!(text, configuration(yaml));
    }
}

#[test]
fn the_command_line_names_it_too() {
    let folder = folder();
    configure(&folder, YAML);
    let arguments = ["serve", "-c", "config.yaml", "--pid-file", "other.pid"];
    let program = Program::introduced(command(&folder, &arguments), YAML);
    eventually("it is there", || folder.path("other.pid").exists());
    assert!(!folder.path("run/pid").exists());
    program.stop();
    assert!(!folder.path("other.pid").exists());
}

#[test]
fn a_reload_moves_it() {
    let folder = folder();
    let program = Program::serve(&folder, YAML);
    let [old, new] = ["run/pid", "run/other"].map(|name| folder.path(name));
    let before = fs::metadata(&old).expect("it is there").ino();
    program.signal(Signal::HUP);
    program.stderr.wait("reloaded: nothing changed", 1);
    assert_eq!(fs::metadata(&old).expect("it is there").ino(), before);
    configure(&folder, "pid_file: \"${FOLDER}/no/pid\"");
    program.signal(Signal::HUP);
    program.stderr.wait("not reloaded", 1);
    assert!(old.exists());
    configure(&folder, "pid_file: \"${FOLDER}/run/other\"");
    program.signal(Signal::HUP);
    program.stderr.wait("reloaded: changed: pid_file", 1);
    assert!(new.exists() && !old.exists());
    program.stop();
    assert!(!new.exists());
}

/// Here it is a mistake in the file, with its place.
#[test]
fn a_reload_cannot_take_that_of_another() {
    let folder = folder();
    let held = folder.path("run/held");
    let _held = maiasaura::daemon::PidFile::write(&held).expect("it is nobody's");
    let program = Program::serve(&folder, "threads: 2");
    configure(&folder, "threads: 2\npid_file: \"${FOLDER}/run/held\"");
    program.signal(Signal::HUP);
    let said = program.stderr.wait("not reloaded", 1).remove(0);
    assert!(said.contains("config.yaml:2:11: pid_file: "), "{said}");
    program.stop();
}
