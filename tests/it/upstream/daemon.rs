//! The daemon: its configuration, its start and its end.

use super::{BOB, MAIL, SENDER, complaint};
use crate::client::mail_data;
use crate::house::{Folder, House};
use crate::process::{Program, configure, shell};

/// Upstream: unknown keys are ignored, and bad values become defaults.
#[test]
fn what_is_not_understood_is_refused() {
    for (yaml, said) in [
        ("allowed_hosts: [a.test]", "unknown key \"allowed_hosts\""),
        ("backend_config: {}", "unknown key \"backend_config\""),
        (
            "listeners: [{listen_interface: \"127.0.0.1:0\"}]",
            "unknown key \"listen_interface\"",
        ),
        (
            "timeouts: {delivery: soon}",
            "timeouts.delivery: \"soon\" is not a time",
        ),
        (
            "limits: {connections: many}",
            "limits.connections: expected a whole number",
        ),
        ("log: {level: loud}", "log.level: unknown word \"loud\""),
        (
            "save: HeadersParser|Headr|MailDir",
            "did you mean \"Header\"",
        ),
    ] {
        let complaint = complaint(yaml);
        assert!(complaint.contains(said), "{complaint}");
    }
}

/// Upstream: of two servers with one address the second is ignored.
#[test]
fn an_address_has_one_listener() {
    let yaml = "listeners: [{address: \"127.0.0.1:2525\"}, {address: \"127.0.0.1:2525\"}]";
    let said = complaint(yaml);
    assert!(
        said.contains("another listener has 127.0.0.1:2525 already"),
        "{said}"
    );
}

/// Upstream: the check of the limit of file descriptors runs a shell's builtin as a program: never.
#[test]
fn too_few_descriptors_are_noticed() {
    let folder = Folder::new();
    configure(&folder, "");
    let few = shell(
        &folder,
        "ulimit -n 100; exec \"$@\"",
        &["-c", "config.yaml"],
    );
    let program = Program::introduced(few, "");
    program.stderr.wait("few file descriptors", 1);
    program.stop();
}

/// Upstream: an idle client hears of the end only when it says something.
#[test]
fn the_end_is_said_at_once() {
    let mut house = House::new("");
    let mut idle = house.client();
    let mut busy = house.client();
    busy.begin(SENDER, &[BOB]);
    std::thread::scope(|scope| {
        scope.spawn(|| house.close());
        idle.hears("421 4.3.2 ");
        idle.is_left();
        busy.send(&mail_data(MAIL));
        busy.hears("250 2.0.0 ");
        busy.hears("421 4.3.2 ");
    });
    assert_eq!(house.folder.mail_count(), 1);
}
