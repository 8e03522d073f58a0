//! What README.md and the other pages name is there: files, commands with their options, keys.

use std::fs;
use std::path::Path;

use maiasaura::config::{Config, Environment};

/// The pages that people read, from the folder of the project.
const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "benches/README.md",
    "docs/monitoring.md",
    "docs/mta.md",
    "docs/php.md",
    "docs/proxy.md",
    "docs/scale.md",
    "examples/maildiranasaurus/README.md",
    "maildirs/README.md",
];

/// Folders of the project, which pages name files of.
const FOLDERS: [&str; 7] = [
    "benches/",
    "config/",
    "dist/",
    "docs/",
    "examples/",
    "src/",
    "tests/",
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> impl Iterator<Item = (&'static str, String)> {
    let read = |page| fs::read_to_string(project().join(page)).expect(page);
    PAGES.iter().map(move |page| (*page, read(*page)))
}

/// What stands between backticks, and the lines of blocks.
struct Code {
    words: Vec<String>,
    /// The language of each block, and the block.
    blocks: Vec<(String, String)>,
}

impl Code {
    fn of(page: &str) -> Self {
        let (mut prose, mut blocks) = (String::new(), Vec::new());
        for (number, part) in page.split("```").enumerate() {
            if number % 2 == 0 {
                prose.push_str(part);
            } else {
                let (language, block) = part.split_once('\n').expect("a block has lines");
                blocks.push((language.to_owned(), block.to_owned()));
            }
        }
        let words = prose.split('`').skip(1).step_by(2);
        let words = words.map(|word| word.replace('\n', " ")).collect();
        Self { words, blocks }
    }

    /// Each line of code.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let blocks = self.blocks.iter().flat_map(|(_, block)| block.lines());
        self.words.iter().map(String::as_str).chain(blocks)
    }
}

/// The part of a link behind `#`, as it is made of a heading.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase())
        .map(|line| line.chars().filter(is_kept).collect::<String>())
        .map(|line| line.replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (name, page) in pages() {
        let links = page.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let mut path = project().join(name);
            if !file.is_empty() {
                path = path.parent().expect("it is in a folder").join(file);
            }
            assert!(path.exists(), "{name}: {link}");
            if !anchor.is_empty() {
                let there = fs::read_to_string(&path).expect("it is a page");
                assert!(
                    anchors(&there).contains(&anchor.to_owned()),
                    "{name}: {link}"
                );
            }
        }
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_./-*<>{}$".contains(c);
    for (name, page) in pages() {
        for word in page.split(|c| !is_part(c)) {
            let word = word.trim_end_matches(['.', '*']);
            if FOLDERS.iter().any(|folder| word.starts_with(folder)) {
                assert!(project().join(word).exists(), "{name}: {word}");
            }
        }
    }
}

/// Each is shown with the command that runs it.
#[test]
fn every_example_is_shown() {
    let pages: Vec<_> = pages().map(|(_, page)| page).collect();
    let entries = fs::read_dir(project().join("examples")).expect("the folder");
    for path in entries.map_while(Result::ok).map(|entry| entry.path()) {
        let is_program = path.extension().is_some_and(|end| end == "rs");
        if is_program || path.join("main.rs").exists() {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let command = format!("--example {name} ");
            assert!(pages.iter().any(|page| page.contains(&command)), "{name}");
        }
    }
}

/// Keys that are named in full.
#[test]
fn every_key_is_one() {
    let all = include_str!("../../config/maiasaura.yaml");
    let is_key = |key: &str| {
        let start = format!("{}:", key.trim_end_matches("[]"));
        let mut lines = all
            .lines()
            .map(|line| line.trim_start_matches(['#', ' ', '-']));
        lines.any(|line| line.starts_with(&start))
    };
    let is_section = |key: &str| {
        let start = format!("{}:", key.trim_end_matches("[]"));
        all.lines().any(|line| line.starts_with(&start))
    };
    let mut count = 0;
    for (name, page) in pages() {
        for word in Code::of(&page).words {
            let is_part = |c: char| c.is_ascii_lowercase() || "_.[]".contains(c);
            let mut parts = word.split('.');
            let section = parts.next().unwrap_or_default();
            let is_file = [".php", ".rs"].iter().any(|end| word.ends_with(end));
            let is_path = word.contains('.') && word.chars().all(is_part) && !is_file;
            if !is_path || !is_section(section) {
                continue;
            }
            count += 1;
            for part in parts {
                assert!(is_key(part), "{name}: {word}");
            }
        }
    }
    assert!(count > 50, "{count} keys");
}

#[test]
fn every_sample_is_a_configuration() {
    let environment = Environment::from_iter([("APP", "/srv/app")]);
    for (name, page) in pages() {
        for (language, block) in Code::of(&page).blocks {
            if language == "yaml" {
                let config = Config::parse(&block, name, &environment);
                // Users are those of another machine.
                let fault = config.err().map(|error| error.to_string());
                let fault = fault.filter(|fault| !fault.contains("this machine has no user"));
                assert_eq!(fault, None, "{name}:\n{block}");
            }
        }
    }
}

#[cfg(all(feature = "redis", feature = "mysql"))]
mod commands {
    use super::*;
    use crate::house::Folder;
    use crate::process::run;

    /// What `--help` says behind these words.
    fn help(words: &[&str]) -> String {
        let arguments = [words, &["--help"]].concat();
        run(&Folder::new(), &arguments, b"").stdout.join("\n")
    }

    /// The words behind the name of the program, to the end of the command.
    fn arguments(line: &str) -> Option<Vec<&str>> {
        let (_, words) = ["cargo run ", "maiasaura "].iter().find_map(|program| {
            line.split_once(program)
                .filter(|(before, _)| is_start(before))
        })?;
        let words = if line.contains("cargo run ") {
            words.split_once("-- ").map_or("", |(_, words)| words)
        } else {
            words
        };
        let is_end = |word: &&str| matches!(*word, "#" | "|" | ">" | "<" | "&&");
        let words = words.split_whitespace();
        let words: Vec<_> = words.take_while(|word| !is_end(word)).collect();
        // A service of Postfix has the name of the program, and these between its words.
        (!words.contains(&"-")).then_some(words)
    }

    /// Not where it is the name of a user.
    fn is_start(before: &str) -> bool {
        before.is_empty() || before.ends_with([' ', '/', '"']) && !before.ends_with(" -o ")
    }

    /// Whether a command of this name is listed there.
    fn lists(help: &str, command: &str) -> bool {
        let mut lines = help.lines().filter_map(|line| line.strip_prefix("  "));
        lines.any(|line| line.split(' ').next() == Some(command))
    }

    #[test]
    fn every_command_and_option_is_one() {
        let all = help(&[]);
        let mut count = 0;
        for (name, page) in pages() {
            let code = Code::of(&page);
            for words in code.lines().filter_map(arguments) {
                count += 1;
                let (["-c" | "--config", _, commands @ ..] | commands) = words.as_slice();
                let commands: Vec<_> = commands.iter().take_while(|it| !is_option(it)).collect();
                let mut known = all.clone();
                if let Some(first) = commands.first() {
                    assert!(lists(&all, first), "{name}: {words:?}");
                    known += &help(&[first]);
                    let second = commands.get(1).filter(|second| lists(&known, second));
                    known += &second.map_or(String::new(), |second| help(&[first, second]));
                }
                let known: Vec<_> = known.split(|c: char| !is_part(c)).collect();
                for option in words.iter().filter(|word| is_option(word)) {
                    let option = option.trim_matches(['[', ']', ',']);
                    assert!(known.contains(&option), "{name}: {words:?}");
                }
            }
        }
        assert!(count > 40, "{count} commands");
    }

    fn is_option(word: &str) -> bool {
        let word = word.trim_start_matches('[');
        word.starts_with('-')
            && word
                .trim_start_matches('-')
                .starts_with(char::is_alphabetic)
    }

    fn is_part(c: char) -> bool {
        c.is_ascii_alphanumeric() || c == '-'
    }
}
