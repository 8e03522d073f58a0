//! An Exim with folders and a port of its own, out of a package that is only unpacked.
//!
//! It wants a user that its package would have made: a mount namespace shows it one. A process
//! namespace ends all of it at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::doors::Door;
use crate::mta::{Mta, Way, folder_of, shown};
use crate::program::program;
use crate::receiver::folder;
use crate::service::{Service, free_port};

/// Where `tests/run` has unpacked it.
const PROGRAM: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/exim/usr/sbin/exim4");
/// It shows its own files in place of the system's, and runs the rest.
const SHOW: &str = "mount --bind \"$1/passwd\" /etc/passwd && mount --bind \"$1/group\" /etc/group \
                    && shift && exec \"$@\"";

/// `deliver_drop_privilege`: it runs all as this user, and so what it pipes to.
const MAIN: &str = "
primary_hostname = mx.example.net
exim_path = @PROGRAM@
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege
spool_directory = FOLDER/spool
log_file_path = FOLDER/logs/%s
pid_file_path = FOLDER/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = @PORT@
disable_ipv6
smtp_accept_max = 0
message_size_limit = 100M
smtputf8_advertise_hosts = *
rfc1413_query_timeout = 0s
host_lookup =
keep_environment =
log_selector = +smtp_confirmation +tls_certificate_verified
acl_smtp_rcpt = accept
begin routers
aliases:
  driver = redirect
  data = ${if eq{$local_part}{info}{good@example.org}}
@ROUTER@
begin transports
@TRANSPORT@
begin retry
* * F,1h,1s
begin authenticators
@AUTHENTICATOR@
";

const RELAY_ROUTER: &str = "
relay:
  driver = accept
  transport = relay
";

const RELAY_TRANSPORT: &str = "
relay:
  driver = smtp
  hosts = 127.0.0.1
  port = @PORT@
  allow_localhost
";

pub struct Exim {
    folder: TempDir,
    port: u16,
    service: Service,
}

impl Exim {
    pub fn start(way: &Way) -> Self {
        assert!(
            Path::new(PROGRAM).is_file(),
            "{PROGRAM} is missing; tests/run unpacks the package exim4-daemon-light there"
        );
        let (folder, port) = (folder(), free_port());
        let place = folder.path();
        let block = |title: &str| way.block(title, place);
        let (router, transport) = match way {
            Way::Unix(_) => (block("exim router lmtp"), block("exim transport lmtp unix")),
            Way::Inet(_) => (block("exim router lmtp"), block("exim transport lmtp inet")),
            Way::Pipe(_) => (block("exim router pipe"), block("exim transport pipe")),
            Way::Secure(to) => (
                block("exim router smtp"),
                block(&format!("exim transport {}", to.door.title())),
            ),
            Way::Relay(to) => (
                RELAY_ROUTER.to_owned(),
                RELAY_TRANSPORT.replace("@PORT@", &to.to_string()),
            ),
        };
        let is_login = matches!(way, Way::Secure(to) if to.door == Door::Login);
        let authenticator = if is_login {
            block("exim authenticator")
        } else {
            String::new()
        };
        for name in ["spool", "logs"] {
            folder_of("nobody", &place.join(name));
        }
        accounts(place);
        let configuration = MAIN
            .replace("@PROGRAM@", PROGRAM)
            .replace("FOLDER", &place.display().to_string())
            .replace("@PORT@", &port.to_string())
            .replace("@ROUTER@", &router)
            .replace("@AUTHENTICATOR@", &authenticator)
            .replace(
                "@TRANSPORT@",
                &transport.replace("user = maiasaura", "user = nobody"),
            );
        fs::write(place.join("exim.conf"), configuration).expect("a file");
        let mut command = program("unshare");
        command.args(["--pid", "--fork"]);
        inside(&mut command, place).args(["-bdf", "-q1s"]);
        let mut service = Service::start("exim", &mut command, place);
        service.port(port);
        Self {
            folder,
            port,
            service,
        }
    }
}

/// Exim inside of the namespaces that `unshare` makes.
fn inside<'a>(unshare: &'a mut Command, place: &Path) -> &'a mut Command {
    unshare.args(["--mount", "--propagation", "private"]);
    unshare.args(["sh", "-c", SHOW, "sh"]).arg(place);
    unshare.args([PROGRAM, "-C"]).arg(place.join("exim.conf"))
}

/// The users of this machine and one more, who is nobody.
fn accounts(place: &Path) {
    for (name, own) in [
        ("passwd", "Debian-exim:x:65534:65534::/:/usr/sbin/nologin\n"),
        ("group", "Debian-exim:x:65534:\n"),
    ] {
        let all = fs::read_to_string(PathBuf::from("/etc").join(name)).expect("it is there");
        fs::write(place.join(name), all + own).expect("a file");
    }
}

/// `unshare` passes no signal on; its child is the first process in the namespace, and takes all
/// others along. (`--kill-child` does not last: a change of the user takes it away.)
impl Drop for Exim {
    fn drop(&mut self) {
        let pid = self.service.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        for child in pids.filter_map(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
        }
    }
}

impl Mta for Exim {
    fn port(&self) -> u16 {
        self.port
    }

    fn queue(&self) -> String {
        shown(inside(&mut program("unshare"), self.folder.path()).arg("-bp"))
    }

    fn log(&self) -> String {
        let logs = self.folder.path().join("logs");
        let read = |name| fs::read_to_string(logs.join(name)).unwrap_or_default();
        read("main") + &read("panic") + &self.service.said()
    }
}
