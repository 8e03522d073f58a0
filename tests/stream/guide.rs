//! `docs/scale.md`, as a person follows it: in a folder instead of the project's, on free ports.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::house::{Folder, eventually};
use crate::process::PROGRAM;
use crate::service::{Service, free_port};

/// What the page calls the program.
const CARGO: &str = "cargo run --release --features redis --";

/// The page, and where it is followed.
struct Walk {
    folder: Folder,
    services: Vec<Service>,
    /// Texts of the page, and what they are here.
    here: Vec<(String, String)>,
}

impl Walk {
    fn new() -> Self {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("examples/scale")).expect("a folder");
        let here = vec![
            (CARGO.to_owned(), PROGRAM.to_owned()),
            ("6390".to_owned(), free_port().to_string()),
        ];
        let walk = Self {
            folder,
            services: Vec::new(),
            here,
        };
        for name in ["redis.conf", "scale.yaml"] {
            let name = format!("examples/scale/{name}");
            fs::write(walk.folder.path(&name), walk.here(&file(&name))).expect("a file");
        }
        walk
    }

    fn here(&self, text: &str) -> String {
        let texts = self.here.iter();
        texts.fold(text.to_owned(), |text, (there, here)| {
            text.replace(there, here)
        })
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.folder.path(""));
        command
    }

    /// Starts what does not end by itself, and waits until it says this.
    fn start(&mut self, line: &str, said: &str) -> String {
        let line = format!("exec {}", self.here(line));
        // A variable before `exec` is none of the command's.
        let line = match line.split_once("MAIASAURA__") {
            Some((_, rest)) => format!("exec env MAIASAURA__{rest}"),
            None => line,
        };
        let name = format!("service-{}", self.services.len());
        let folder = self.folder.path("");
        let mut service = Service::start(&name, &mut self.shell(&line), &folder);
        let line = service.line(&[said]);
        self.services.push(service);
        line
    }

    fn runs(&self, line: &str) -> String {
        let output: Output = self.shell(&self.here(line)).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {output:?}");
        said
    }

    /// What is in the folder now and was not, apart from `target` and what the services said.
    fn litter(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path("")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        let is_known = |name: &String| {
            ["examples", "target"].contains(&&**name) || name.starts_with("service-")
        };
        names.filter(|name| !is_known(name)).collect()
    }

    /// A receiver takes a free port in place of that of the page.
    fn receive(&mut self, line: &str) {
        let (_, address) = line.rsplit_once(' ').expect("an address");
        let free = line.replace(address, "127.0.0.1:0");
        let said = self.start(&free, "listening  on 127.0.0.1:");
        let (_, port) = said.rsplit_once(':').expect("a port");
        self.here
            .push((address.to_owned(), format!("127.0.0.1:{port}")));
    }
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The first block of code in this language.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let start = format!("```{language}\n");
    let (_, rest) = page.split_once(&start).expect("a block");
    rest.split("```").next().unwrap_or_default()
}

#[test]
fn three_receivers_and_two_workers() {
    let page = file("docs/scale.md");
    let mut walk = Walk::new();
    let (mut mails, mut receivers, mut workers) = (0, 0, 0);
    for line in block(&page, "sh").lines() {
        if line.starts_with("sudo apt-get install") {
            // `tests/run` has done that.
        } else if line.starts_with("mkdir ") {
            walk.runs(line);
        } else if line.starts_with("redis-server ") {
            walk.start(line, "Ready to accept connections");
        } else if line.contains("-- serve ") {
            walk.receive(line);
            receivers += 1;
        } else if line.contains("-- work ") {
            walk.start(line, "  delivers ");
            workers += 1;
        } else if line.contains("curl smtp:") {
            walk.runs(line);
            mails += 1;
        } else if line.ends_with(" list") {
            // Workers need a moment.
            eventually("all is delivered", || {
                walk.runs(line).ends_with("0 waiting, 0 dead\n")
            });
        } else if line.starts_with("cat ") {
            let read = walk.runs(line);
            assert!(
                read.contains("Subject: one\n") && read.contains("Subject: three\n"),
                "{read}"
            );
            assert!(!read.contains("Subject: two"), "{read}");
        } else {
            let said = walk.runs(line);
            assert!(said.contains("ok    Redis at "), "{line}: {said}");
        }
    }
    assert_eq!((receivers, workers, mails), (3, 2, 3));
    let homes = ["node-a", "node-b"].map(|node| {
        let node = walk.folder.path("target/scale").join(node);
        node.join("example.org/alice").exists()
    });
    assert_eq!(
        homes.iter().filter(|home| **home).count(),
        1,
        "a mailbox has one home"
    );
    assert_eq!(
        walk.litter(),
        [""; 0],
        "what was made is where git does not see it"
    );
}

#[test]
fn the_page_shows_the_file_as_it_is() {
    let page = file("docs/scale.md");
    assert_eq!(block(&page, "yaml"), file("examples/scale/scale.yaml"));
}
