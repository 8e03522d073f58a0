//! A Postfix with folders and a port of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::doors::Door;
use crate::mta::{Mta, Way, folder_of, shown};
use crate::program::{program, succeed};
use crate::receiver::folder;
use crate::service::free_port;

/// What every Postfix here has in main.cf.
const MAIN: &str = "
compatibility_level = 3.6
queue_directory = FOLDER/queue
data_directory = FOLDER/data
maillog_file = FOLDER/log
maillog_file_prefixes = FOLDER
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
message_size_limit = 104857600
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtputf8_enable = yes
virtual_alias_maps = inline:{ {info@example.org = good@example.org} }
queue_run_delay = 1s
minimal_backoff_time = 2s
maximal_backoff_time = 2s
smtpd_client_connection_count_limit = 0
transport_retry_time = 1s
default_destination_concurrency_failed_cohort_limit = 0
";

/// And in master.cf: nothing in a chroot.
const MASTER: &str = "
127.0.0.1:PORT inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// It says how far it trusts.
const TLS_LOG: &str = "smtp_tls_loglevel = 1\nlmtp_tls_loglevel = 1\n";

pub struct Postfix {
    folder: TempDir,
    port: u16,
}

impl Postfix {
    pub fn start(way: &Way) -> Self {
        let folder = folder();
        let block = |title: &str| way.block(title, folder.path());
        let (main, master) = match way {
            Way::Unix(_) => (block("main.cf lmtp unix"), String::new()),
            Way::Inet(_) => (block("main.cf lmtp inet"), String::new()),
            Way::Pipe(_) => (block("main.cf pipe"), block("master.cf pipe")),
            Way::Secure(to) => (
                block(&format!("main.cf {}", to.door.title())) + TLS_LOG,
                String::new(),
            ),
            Way::Relay(port) => (format!("relayhost = [127.0.0.1]:{port}\n"), String::new()),
        };
        let password = matches!(way, Way::Secure(to) if to.door == Door::Login);
        let password = password.then(|| ("sasl_passwd", block("sasl_passwd")));
        Self::with(folder, &main, &master, password)
    }

    /// One with these lines in `main.cf` that looks into this table: its name in /etc/postfix, and what is in it.
    pub fn looking_into(main: &str, table: Option<(&str, String)>) -> Self {
        let folder = folder();
        let etc = folder.path().join("etc").display().to_string();
        Self::with(folder, &main.replace("/etc/postfix", &etc), "", table)
    }

    fn with(folder: TempDir, main: &str, master: &str, table: Option<(&str, String)>) -> Self {
        let postfix = Self {
            folder,
            port: free_port(),
        };
        let place = postfix.folder.path();
        for name in ["etc", "queue"] {
            fs::create_dir(place.join(name)).expect("a folder");
        }
        folder_of("postfix", &place.join("data"));
        if let Some((name, table)) = table {
            fs::write(postfix.etc().join(name), table).expect("a file");
        }
        let here = MAIN.replace("FOLDER", &place.display().to_string());
        fs::write(place.join("etc/main.cf"), here + main).expect("a file");
        let here = MASTER.replace("PORT", &postfix.port.to_string());
        fs::write(place.join("etc/master.cf"), here + master).expect("a file");
        let mut start = postfix.command("postfix");
        succeed(start.arg("start"));
        postfix
    }

    fn command(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg("-c").arg(self.etc());
        command
    }

    fn etc(&self) -> PathBuf {
        self.folder.path().join("etc")
    }
}

impl Mta for Postfix {
    fn port(&self) -> u16 {
        self.port
    }

    fn queue(&self) -> String {
        shown(self.command("postqueue").arg("-p"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = shown(self.command("postfix").arg("abort"));
    }
}
