//! A server that runs as a user of its own, and root who looks after its queue.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fpm::{Fpm, is_root};
use crate::house::{Folder, eventually};
use crate::process::{Ended, Program, command, configure};

/// Neither root nor who runs PHP; the user need not have a name.
const USER: u32 = 4242;

/// The server, and PHP which notes what it is given.
struct Office {
    fpm: Fpm,
    folder: Folder,
    program: Program,
}

impl Office {
    /// None where there is no other user that one could become.
    fn open() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let (fpm, folder) = (Fpm::start(), Folder::new());
        fpm.make("notes");
        give(&folder.path(""));
        let yaml = format!(
            "save: HeadersParser|Hasher|Header|MailDir|FastCGI\nspool: {{failures: 1}}\n\
             fastcgi: {{\"address\": \"unix:{}\", script: {}}}\n",
            fpm.path("php.sock").display(),
            fpm.path("notes.php").display(),
        );
        configure(&folder, &yaml);
        let mut server = command(&folder, &["-c", "config.yaml"]);
        server.uid(USER).gid(USER);
        let program = Program::introduced(server, &yaml);
        Some(Self {
            fpm,
            folder,
            program,
        })
    }

    fn deliver(&self, subject: &str) {
        let mail = format!("Subject: {subject}\r\n\r\nbody\r\n");
        let mut client = self.program.client();
        let reply = client.deliver("s@example.net", &["bob@example.org"], mail.as_bytes());
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }

    /// What `maiasaura queue` comes to when this user calls it.
    fn queue(&self, user: u32, arguments: &[&str]) -> Ended {
        let arguments = [&["-c", "config.yaml", "queue"], arguments].concat();
        let mut queue = command(&self.folder, &arguments);
        queue.uid(user).gid(user);
        Program::spawn(queue).end()
    }

    /// Whose files there are in the spool.
    fn owners(&self) -> Vec<u32> {
        let tree = self.folder.tree();
        let spool = tree.iter().filter(|path| path.contains(".spool"));
        let owner = |path: &String| Some(fs::metadata(self.folder.path(path)).ok()?.uid());
        let mut owners: Vec<_> = spool.filter_map(owner).collect();
        owners.dedup();
        owners
    }
}

fn give(path: &Path) {
    chown(path, Some(USER), Some(USER)).expect("root may do that");
}

/// What root puts back into the queue can be read by the server.
#[test]
fn root_may_replay_letters() {
    let Some(office) = Office::open() else { return };
    office.deliver("refuse");
    eventually("it is dead", || {
        office.folder.files(".spool/dead/new").len() == 1
            && office.folder.letters("fastcgi").is_empty()
    });
    office.fpm.write("notes/ready", "");
    let ended = office.queue(0, &["replay"]);
    assert_eq!(
        (ended.code, ended.stdout.join("\n").as_str()),
        (Some(0), "1 back in the queue")
    );
    eventually("it is handed over", || {
        office.folder.letters("fastcgi").is_empty()
    });
    assert_eq!(office.owners(), [USER]);
    let handed = office.program.stderr.wait("handed over", 2);
    assert!(
        handed.iter().all(|line| !line.contains("cannot be read")),
        "{handed:#?}"
    );
    let ended = office.queue(USER, &["list"]);
    assert_eq!(
        (ended.code, ended.stdout.join("\n").as_str()),
        (Some(0), "0 waiting, 0 dead")
    );
}

/// A letter that the server may not read is a fault of that letter: it is told with its file and
/// what mends it, and PHP does not count as down.
#[test]
fn a_letter_of_somebody_else_is_named() {
    let Some(office) = Office::open() else { return };
    let elsewhere = office.folder.path("theirs");
    fs::write(&elsewhere, "X-Queue-Letter: {}\r\n\r\n").expect("root may write there");
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).expect("it is ours");
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let name = format!("{}.theirs", since.expect("it is later").as_secs());
    // The queue is there when somebody looks after it.
    office.deliver("take");
    office.program.stderr.wait("handed over", 1);
    let queue = office.folder.path("maildirs/.spool/fastcgi/new");
    let file = queue.join(&name);
    fs::rename(elsewhere, &file).expect("root may do that");
    let line = office.program.stderr.wait("cannot be read", 1).remove(0);
    let remedy = format!("mend it with: chown {USER} {}", file.display());
    assert!(line.contains(&remedy), "{line}");
    office.deliver("quick");
    eventually("both are handed over", || {
        let notes = fs::read_dir(office.fpm.path("notes")).expect("it is ours");
        notes.count() == 2
    });
    let log = office.program.stderr.all().join("\n");
    assert!(!log.contains("it seems to be down"), "{log}");
    eventually("the attempt is noted", || {
        office.folder.files(".spool/fastcgi/state").len() == 1
    });
    for user in [0, USER] {
        let ended = office.queue(user, &["list"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let row = &ended.stdout[0];
        assert!(
            row.starts_with(&name) && row.contains(", 1 tried") && row.contains("denied"),
            "{row}"
        );
    }
}

/// Who is neither root nor the server is told whom to ask.
#[test]
fn others_are_told_whose_the_spool_is() {
    let Some(office) = Office::open() else { return };
    office.deliver("take");
    office.program.stderr.wait("handed over", 1);
    fs::set_permissions(office.folder.path(""), Permissions::from_mode(0o755)).expect("it is ours");
    let ended = office.queue(USER + 1, &["list"]);
    assert_eq!(ended.code, Some(74), "{ended:#?}");
    let spool = office.folder.path("maildirs/.spool");
    let wanted = format!("the spool at {}: Permission denied", spool.display());
    let complaint = ended.complaint();
    assert!(
        complaint.contains(&wanted) && complaint.contains(&format!("sudo -u '#{USER}'")),
        "{complaint}"
    );
}
