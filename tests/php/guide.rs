//! `docs/php.md`, as a person follows it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use maiasaura::fastcgi::{Answer, Body, Bridge, Endpoint, Settings};
use tempfile::TempDir;

use crate::fpm::{self, Fpm, is_root};
use crate::house::{crlf, eventually};
use crate::letter::{hand, message};
use crate::service::Service;

const MAIASAURA: &str = env!("CARGO_BIN_EXE_maiasaura");
const GLOBAL: &str = "[global]\nerror_log = FOLDER/fpm.log\ninclude = FOLDER/pool.d/*.conf\n";

/// The page and the place where it is followed: a folder instead of the whole machine.
struct Walk {
    page: String,
    folder: TempDir,
    port: u16,
}

impl Walk {
    fn new() -> Self {
        let folder = TempDir::with_prefix("maiasaura-guide-").expect("a temporary folder");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("it is ours");
        for name in ["pool.d", "run"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self {
            page: file("docs/php.md"),
            folder,
            port: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Text with places and the port as they are here. Who is not root is everybody at once.
    fn here(&self, text: &str) -> String {
        let folder = self.folder.path().display();
        let text = text
            .replace("/srv/mailapp", &format!("{folder}/mailapp"))
            .replace("/etc/php/8.2/fpm/pool.d", &format!("{folder}/pool.d"))
            .replace("/run/php", &format!("{folder}/run"))
            .replace("127.0.0.1:2525", &format!("127.0.0.1:{}", self.port))
            .replace("sudo ", "");
        if is_root() {
            text
        } else {
            text.replace("-o www-data -g www-data ", "")
        }
    }

    /// The lines of all blocks of shell commands in the first section.
    fn commands(&self) -> Vec<String> {
        let (_, section) = self
            .page
            .split_once("## Five minutes\n")
            .expect("the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let blocks = blocks(section, "sh");
        let lines = blocks.iter().flat_map(|block| block.lines());
        lines.map(str::to_owned).collect()
    }

    fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", &self.here(line)]);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.output().expect("a shell")
    }

    #[track_caller]
    fn runs(&self, line: &str) -> Vec<u8> {
        let output = self.shell(line);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {complaint}");
        output.stdout
    }

    /// What `systemctl reload` does: the pools in the folder are there.
    fn reload(&self) -> Service {
        let pool = self.path("pool.d/mailapp.conf");
        let text = fs::read_to_string(&pool).expect("the pool");
        fs::write(&pool, self.here(&text)).expect("the pool");
        let global = GLOBAL.replace("FOLDER", &self.folder.path().display().to_string());
        fs::write(self.path("fpm.conf"), global).expect("a file");
        let mut command = Command::new(fpm::binary());
        command.args(["-F", "-y"]).arg(self.path("fpm.conf"));
        let service = Service::start("fpm", &mut command, self.folder.path());
        let socket = self.path("run/mailapp.sock");
        eventually("the pool listens", || socket.exists());
        service
    }

    /// The receiver, on a port of its own.
    fn receive(&mut self, configuration: &str) -> Service {
        let yaml = self.here(&file(configuration));
        let path = self.path("mailapp.yaml");
        fs::write(&path, yaml).expect("a file");
        let mut command = Command::new(MAIASAURA);
        command.args(["serve", "--listen", "127.0.0.1:0", "-c"]);
        command.arg(path).current_dir(self.folder.path());
        let mut service = Service::start("maiasaura", &mut command, self.folder.path());
        let line = service.line(&["listening  on 127.0.0.1:"]);
        let (_, port) = line.rsplit_once(':').expect("a port");
        self.port = port.parse().expect("a number");
        // Whom this configuration has mail for.
        let tried = service.line(&["try it"]);
        assert!(tried.contains("--mail-rcpt you@example.org "), "{tried}");
        service
    }
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of code in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn five_minutes_are_enough() {
    let mut walk = Walk::new();
    let (mut services, mut received, mut refused) = (Vec::new(), 0, 0);
    for line in walk.commands() {
        if line.starts_with("sudo apt-get install") {
            // `tests/run` has done that.
        } else if line.starts_with("sudo systemctl reload php") {
            services.push(walk.reload());
        } else if let Some((_, configuration)) = line.split_once("cargo run --release -- -c ") {
            services.push(walk.receive(configuration));
        } else if line.contains("nobody@example.org") {
            let output = walk.shell(&line);
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(complaint.contains("550"), "{complaint}");
            refused += 1;
        } else if line.contains("*.eml") {
            let read = String::from_utf8(walk.runs(&line)).expect("text");
            assert!(
                read.ends_with("Subject: hello\r\n\r\nIt works.\r\n"),
                "{read}"
            );
            received += 1;
        } else {
            walk.runs(&line);
            // Again, as the page says.
            if line.contains("curl smtp:") {
                walk.runs(&line);
            }
        }
    }
    assert_eq!((services.len(), received, refused), (2, 1, 1));
    let inbox = fs::read_dir(walk.path("mailapp/inbox")).expect("the inbox");
    assert_eq!(inbox.count(), 1, "the same mail again is one file still");
}

#[test]
fn the_page_shows_the_files_as_they_are() {
    let page = file("docs/php.md");
    assert_eq!(blocks(&page, "ini"), [file("examples/php/mailapp.conf")]);
    assert_eq!(blocks(&page, "yaml"), [file("examples/php/mailapp.yaml")]);
}

/// Each row of the last table is something that happens, and each of these has a row.
#[test]
fn troubles_are_worded_as_the_log_has_them() {
    let page = file("docs/php.md");
    let (_, section) = page.split_once("| the log says |").expect("the table");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut rows: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert!(rows.len() >= 12, "{rows:?}");
    for why in troubles() {
        let found = rows.iter().position(|row| why.contains(row));
        let found = found.unwrap_or_else(|| panic!("no row for: {why}"));
        rows.swap_remove(found);
    }
    assert_eq!(rows, Vec::<&str>::new());
}

/// What the log says of these.
fn troubles() -> Vec<String> {
    let fpm = Fpm::with("request_terminate_timeout = 2s");
    let mail = crlf(&message());
    let hand_to = |settings: Settings| match hand(&Bridge::new(settings), &mail) {
        Answer::Later { why, .. } => why,
        answer => panic!("{answer:?}"),
    };
    let scripts = [
        ("script.txt", "<?php echo 'SAVED';"),
        ("silent.php", "<?php"),
        ("secret.php", "<?php http_response_code(401);"),
        ("broken.php", "<?php http_response_code(500);"),
        ("slow.php", "<?php sleep(60);"),
    ];
    for (name, script) in scripts {
        fpm.write(name, script);
    }
    let mut troubles: Vec<_> = ["missing.php", "slow.php"]
        .into_iter()
        .chain(scripts[..4].iter().map(|(name, _)| *name))
        .map(|name| hand_to(fpm.settings(name)))
        .collect();
    let mut impatient = fpm.settings("slow.php");
    impatient.timeout = Duration::from_millis(200);
    troubles.push(hand_to(impatient));
    let mut nowhere = fpm.settings("silent.php");
    nowhere.endpoint = Endpoint::Unix(fpm.path("no.sock"));
    troubles.push(hand_to(nowhere));
    let mut left_behind = fpm.settings("silent.php");
    let socket = fpm.path("left.sock");
    drop(UnixListener::bind(&socket).expect("the folder is ours"));
    left_behind.endpoint = Endpoint::Unix(socket);
    troubles.push(hand_to(left_behind));
    let mut misspelt = fpm.settings("absent.php");
    fpm.write("absent.php", "<?php http_response_code(404);");
    misspelt.save.uri = Some("/api/webhook/mail".into());
    troubles.push(hand_to(misspelt));
    let strict = "php_admin_value[post_max_size] = 1\nphp_admin_flag[log_errors] = on";
    let strict = Fpm::with(strict);
    let mut dropped = strict.settings("saved.php");
    dropped.body = Body::Guerrilla;
    troubles.push(hand_to(dropped));
    // Root may connect to everything; what the system says to others is known.
    let denied = std::io::Error::from_raw_os_error(13);
    troubles.push(format!("cannot connect to unix:/run/php/x.sock: {denied}"));
    troubles
}
