//! What was promised, against what is there.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::client::HOST;
use crate::letter::Letter;
use crate::load::Receipt;

/// What a look into all Maildirs has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// The copies that are there and whole: user and token.
    pub whole: HashSet<(String, String)>,
    /// Copies that are there once more.
    pub twice: usize,
    /// The files that are there and not whole, and why.
    pub broken: Vec<String>,
    /// Files in the `tmp/` of all.
    pub unfinished: usize,
}

/// A comparison of findings with receipts.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Copies that were promised.
    pub promised: usize,
    /// Those of them that are not there.
    pub lost: Vec<String>,
    /// How many of those were promised before the fault.
    pub lost_before: usize,
    /// Copies that are there once more.
    pub twice: usize,
    /// Files in `new/` or `cur/` that are not whole.
    pub broken: Vec<String>,
    /// Copies that are there although they were refused.
    pub shown: Vec<String>,
}

/// Looks at every file of every Maildir below `root`; if there is no root, there is none.
pub fn look(root: &Path) -> Findings {
    let mut findings = Findings::default();
    for maildir in list(&root.join(HOST)) {
        let user = name(&maildir);
        findings.unfinished += list(&maildir.join("tmp")).len();
        for file in ["new", "cur"]
            .iter()
            .flat_map(|part| list(&maildir.join(part)))
        {
            match read(&file, &user) {
                Ok(letter) => {
                    let copy = (user.clone(), letter.token().to_string());
                    findings.twice += usize::from(!findings.whole.insert(copy));
                }
                Err(fault) => findings.broken.push(format!("{}: {fault}", file.display())),
            }
        }
    }
    findings
}

/// The entries of a folder, none if there is no such folder.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
    };
    let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
    entries.map(path).collect()
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Reads a stored message. It must have the size that its name says, begin with the trace fields,
/// and end with a letter to the last octet.
fn read(file: &Path, user: &str) -> Result<Letter, String> {
    let octets = fs::read(file).map_err(|error| error.to_string())?;
    let name = name(file);
    if !name.contains(&format!(",S={},", octets.len())) {
        return Err(format!("it has {} octets", octets.len()));
    }
    let text = String::from_utf8(octets).map_err(|_| "it is no text")?;
    let letter = Letter::of(&text).ok_or("it is no letter")?;
    let trace = text
        .strip_suffix(letter.text().as_str())
        .ok_or("it is not whole")?;
    let begins = format!("Return-Path: <sender@example.net>\nDelivered-To: {user}@{HOST}\n");
    if !trace.starts_with(&begins) || !trace.ends_with('\n') {
        return Err("its trace fields are not whole".to_string());
    }
    Ok(letter)
}

impl Findings {
    /// Whether a user has a letter.
    pub fn has(&self, user: &str, letter: &Letter) -> bool {
        self.whole
            .contains(&(user.to_string(), letter.token().to_string()))
    }

    /// Compares with what clients were told. A promise counts whenever it was made, also after the
    /// fault: whoever cannot keep it any more must not give it. What was refused after `fault` may be there: the
    /// receiver could not know any more what became of it.
    pub fn compare(self, receipts: &[Receipt], fault: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        for receipt in receipts {
            let copy = receipt.describe(fault);
            let there = self.has(&receipt.user, &receipt.letter);
            if receipt.reply.is_ok() {
                verdict.promised += 1;
                if !there {
                    verdict.lost.push(copy);
                    verdict.lost_before += usize::from(receipt.at < fault);
                }
            } else if there && receipt.at < fault {
                verdict.shown.push(copy);
            }
        }
        verdict.twice = self.twice;
        verdict.broken = self.broken;
        verdict
    }
}

impl Verdict {
    /// Panics unless every promise was kept.
    pub fn must_hold(&self, when: &str) {
        let Self {
            promised,
            lost,
            lost_before,
            broken,
            shown,
            ..
        } = self;
        assert!(
            lost.is_empty() && broken.is_empty() && shown.is_empty(),
            "{when}: of {promised} copies promised {} are lost ({lost_before} of them promised before the fault), {} files are broken, {} copies were \
             refused and are there\nlost: {lost:#?}\nbroken: {broken:#?}\nshown: {shown:#?}",
            lost.len(),
            broken.len(),
            shown.len()
        );
    }
}
