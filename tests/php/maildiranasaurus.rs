//! `examples/maildiranasaurus`, as its README says.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::client::Client;
use crate::fpm::{self, is_root};
use crate::house::eventually;
use crate::process::PROGRAM;
use crate::service::Service;

const README: &str = include_str!("../../examples/maildiranasaurus/README.md");
const CONFIGURATION: &str = include_str!("../../examples/maildiranasaurus/maildiranasaurus.yaml");
const POOL: &str = "examples/maildiranasaurus/php-fpm.conf";
const SCRIPTS: [&str; 3] = ["Inbox.php", "guerrilla/save.php", "guerrilla/validate.php"];
const MAIL: &[u8] = b"Subject: hello\r\n\r\nIt works.\r\n";
const SENDER: &str = "me@localhost";
const YOU: &str = "you@example.org";

/// The machine of a person who follows the README: a folder.
struct Desk {
    folder: TempDir,
    port: u16,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::with_prefix("maiasaura-example-").expect("a temporary folder");
        Self { folder, port: 0 }
    }

    /// With the application in it, as the README makes it.
    fn furnished() -> Self {
        let desk = Self::new();
        for name in ["inbox", "maildirs"] {
            fs::create_dir_all(desk.app().join(name)).expect("a folder");
        }
        for script in SCRIPTS {
            let from = package().join("examples/php").join(script);
            let name = from.file_name().expect("its name");
            fs::copy(&from, desk.app().join(name)).expect("a copy");
        }
        desk
    }

    fn app(&self) -> PathBuf {
        self.folder.path().join("mailapp")
    }

    fn shell(&self, line: &str) -> Output {
        let line = line.replace("127.0.0.1:2525", &format!("127.0.0.1:{}", self.port));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(package());
        command
            .env("HOME", self.folder.path())
            .env("APP", self.app());
        command.output().expect("a shell")
    }

    #[track_caller]
    fn runs(&self, line: &str) -> String {
        let output = self.shell(line);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn php(&self) -> Service {
        let mut command = Command::new(fpm::binary());
        command.args(["-F", "-n", "-p"]).arg(self.app());
        command.arg("-y").arg(package().join(POOL));
        if is_root() {
            command.arg("-R");
        }
        let service = Service::start("fpm", &mut command, self.folder.path());
        let socket = self.app().join("php.sock");
        eventually("PHP-FPM listens", || UnixStream::connect(&socket).is_ok());
        service
    }

    /// The program with this configuration, on a port of its own.
    fn receiver(&mut self, yaml: &str) -> Service {
        let file = self.folder.path().join("maildiranasaurus.yaml");
        fs::write(&file, yaml.replace("127.0.0.1:2525", "127.0.0.1:0")).expect("a file");
        let mut command = Command::new(program());
        command.args(["serve", "-c"]).arg(file);
        command
            .env("APP", self.app())
            .current_dir(self.folder.path());
        let mut service = Service::start("maildiranasaurus", &mut command, self.folder.path());
        let line = service.line(&["listening on 127.0.0.1:"]);
        let (_, port) = line.rsplit_once(':').expect("a port");
        self.port = port.parse().expect("a number");
        service
    }

    fn client(&self) -> Client {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], self.port));
        Client::greeted(&maiasaura::server::Address::Tcp(address))
    }

    fn count(&self, folder: &str) -> usize {
        let entries = fs::read_dir(self.app().join(folder));
        entries.map_or(0, Iterator::count)
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example lies beside the folder of this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("it lies in deps/");
    let path = profile.join("examples/maildiranasaurus");
    let shown = path.display();
    assert!(path.exists(), "{shown}: run `cargo build --examples`");
    path
}

/// The lines of the shell commands in a section.
fn commands(section: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(section).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).collect()
}

#[test]
fn ten_minutes_are_enough() {
    let mut desk = Desk::new();
    let (mut php, mut receiver) = (None, None);
    let (mut read, mut refused, mut signals) = (0, 0, 0);
    for line in commands("## Ten minutes") {
        if line.starts_with("sudo apt-get") || line.starts_with("export APP=") {
            // `tests/run` has done the one, and the desk has the other.
        } else if line.starts_with("php-fpm") {
            assert!(line.ends_with(&format!("-p $APP -y $PWD/{POOL}")), "{line}");
            php = Some(desk.php());
        } else if line.starts_with("cargo run") {
            receiver = Some(desk.receiver(CONFIGURATION));
        } else if line.contains("carol@") || line.contains("bob@") {
            let output = desk.shell(line);
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && complaint.contains("550"),
                "{complaint}"
            );
            refused += 1;
        } else if line.starts_with("cat ") {
            let text = desk.runs(line).replace('\r', "");
            assert!(text.ends_with("Subject: hello\n\nIt works.\n"), "{text}");
            read += 1;
        } else if line.starts_with("kill -") {
            desk.runs(line);
            let receiver = receiver.as_mut().expect("it runs");
            if line.contains("HUP") {
                receiver.line(&["INFO", "reloaded: "]);
            } else if line.contains("TERM") {
                assert!(receiver.end().success(), "{}", receiver.said());
            }
            signals += 1;
        } else {
            desk.runs(line);
        }
    }
    assert_eq!((read, refused, signals), (2, 2, 3));
    assert_eq!(
        (desk.count("maildirs/you/new"), desk.count("inbox")),
        (1, 1)
    );
    assert!(!desk.app().join("maildiranasaurus.pid").exists());
    let said = receiver.expect("it ran").said();
    assert!(
        said.contains("listening on") && said.contains("shutting down"),
        "{said}"
    );
    assert!(
        said.contains("DEBUG") && said.contains("field=Subject"),
        "{said}"
    );
    assert!(php.expect("it ran").stop().success());
}

/// The old configuration, with its wrong keys, through `import`.
#[test]
fn an_old_configuration_runs() {
    let mut desk = Desk::furnished();
    let app = desk.app().display().to_string();
    let old = include_str!("../import/maildiranasaurus.conf")
        .replace("/home/[user]/Maildir", &format!("{app}/maildirs/[user]"))
        .replace("/srv/app/", &format!("{app}/"))
        .replace("/run/php/php-fpm.sock", &format!("{app}/php.sock"))
        .replace("/var/run/", &format!("{app}/"))
        .replace("alice=1001:1001", "you=-1:-1")
        .replace("bob=1002:1002,", "");
    let file = desk.folder.path().join("maildiranasaurus.conf");
    fs::write(&file, old).expect("a file");
    for line in commands("## An hour") {
        let (_, arguments) = line.split_once("cargo run --release -- ").expect("ours");
        let folder = desk.folder.path().display();
        let line = format!("cd {folder} && {PROGRAM} {arguments}");
        if arguments.starts_with("check") {
            let _php = desk.php();
            let said = desk.runs(&line);
            assert!(said.contains("ok    pid file "), "{said}");
        } else {
            desk.runs(&line);
        }
    }
    let yaml = fs::read_to_string(desk.folder.path().join("maildiranasaurus.yaml"));
    let _receiver = desk.receiver(&yaml.expect("it was made"));
    let deliver = |desk: &Desk| desk.client().deliver(SENDER, &[YOU], MAIL);

    // Without PHP: nothing is taken, nothing is lost.
    let mut client = desk.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants(&format!("RCPT TO:<{YOU}>"), "451 ");
    drop(client);
    let php = desk.php();
    let reply = deliver(&desk);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(
        (desk.count("maildirs/you/new"), desk.count("inbox")),
        (1, 1)
    );
    // PHP goes after it has said that it knows the recipient.
    drop(php);
    let reply = deliver(&desk);
    assert!(reply.starts_with("451 "), "{reply}");
    assert_eq!(
        (desk.count("maildirs/you/new"), desk.count("inbox")),
        (1, 1)
    );
}

#[test]
fn the_command_line_is_as_it_was() {
    let run = |arguments: &[&str]| {
        Command::new(program())
            .args(arguments)
            .output()
            .expect("it runs")
    };
    let version = run(&["version"]);
    assert!(version.status.success() && version.stdout.starts_with(b"maildiranasaurus "));
    for wrong in [
        &[][..],
        &["server"],
        &["serve", "-x", "y"],
        &["serve", "-c"],
    ] {
        let output = run(wrong);
        assert!(!output.status.success());
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("usage: "),
            "{output:?}"
        );
    }
    let missing = run(&["serve", "--config", "/nowhere/x.yaml"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no such file"));
}

/// The README is longer than the program, and what it links to is there.
#[test]
fn the_readme_is_a_guide() {
    let lines = |text: &str| text.lines().count();
    assert!(lines(README) > lines(include_str!("../../examples/maildiranasaurus/main.rs")));
    let folder = package().join("examples/maildiranasaurus");
    for link in README.split("](").skip(1) {
        let link = link.split(')').next().unwrap_or_default();
        assert!(folder.join(link).exists(), "{link}");
    }
}
