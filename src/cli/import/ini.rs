//! INI as gleez/smtpd reads it: `[section]`, `key = value` or `key: value`, comments with # and ;
//! and `%(other)s` for what another key of the section, or of `[DEFAULT]`, has.

use std::collections::BTreeSet;

use super::ledger::{Ledger, Value};
use super::{Place, Unreadable};

/// The section whose keys count in every other one.
pub(super) const DEFAULT: &str = "DEFAULT";
/// A value that is built of values that are built of values.
const DEEPEST: usize = 20;
/// Replacements in one file.
const MOST: usize = 10_000;

struct Line<'a> {
    number: usize,
    section: &'a str,
    key: &'a str,
    value: String,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Ledger, Unreadable> {
    let lines = lines(text)?;
    let mut ledger = Ledger::default();
    let mut filling = Filling {
        lines: &lines,
        used: BTreeSet::new(),
        steps: 0,
    };
    for line in &lines {
        let value = filling.fill(line, &line.value, 0)?;
        ledger.add(format!("{}.{}", line.section, line.key), Value::Text(value));
    }
    // What was only there for others has done its work.
    for key in filling.used {
        if let Some(id) = ledger.find(&format!("{DEFAULT}.{key}")) {
            ledger.settle(id);
        }
    }
    Ok(ledger)
}

fn lines(text: &str) -> Result<Vec<Line<'_>>, Unreadable> {
    let mut lines: Vec<Line> = Vec::new();
    let mut section = DEFAULT;
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let is_indented = line.starts_with([' ', '\t']);
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = content.strip_prefix('[') {
            let name = name.strip_suffix(']').map(str::trim);
            let name = name.filter(|name| !name.is_empty());
            section = name.ok_or_else(|| {
                unreadable(number, "this is no section; one is written as [smtp]")
            })?;
            continues = false;
        } else if let (true, true, Some(last)) = (is_indented, continues, lines.last_mut()) {
            last.value.push('\n');
            last.value.push_str(content);
        } else {
            let end = content.find(['=', ':']).filter(|end| *end > 0);
            let end =
                end.ok_or_else(|| unreadable(number, "this line has no =; write key = value"))?;
            lines.push(Line {
                number,
                section,
                key: content[..end].trim(),
                value: without_comment(&content[end + 1..]).trim().to_owned(),
            });
            continues = true;
        }
    }
    Ok(lines)
}

/// A comment after a value needs a blank before it.
fn without_comment(value: &str) -> &str {
    let ends = [" #", "\t#", " ;", "\t;"];
    let end = ends.iter().filter_map(|mark| value.find(mark)).min();
    &value[..end.unwrap_or(value.len())]
}

/// Replaces `%(name)s`.
struct Filling<'a> {
    lines: &'a [Line<'a>],
    /// The keys of the section for all that were used.
    used: BTreeSet<&'a str>,
    /// Replacements so far.
    steps: usize,
}

impl<'a> Filling<'a> {
    /// `value`, which is what `line` has or is built of.
    fn fill(&mut self, line: &Line, value: &str, depth: usize) -> Result<String, Unreadable> {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, behind)) = rest.split_once("%(") {
            out.push_str(before);
            let Some((name, behind)) = behind.split_once(")s") else {
                out.push_str("%(");
                rest = behind;
                continue;
            };
            let found = self.find(line, name)?;
            self.steps += 1;
            if depth == DEEPEST || self.steps > MOST {
                let message = format!("%({name})s leads to itself; write the value");
                return Err(unreadable(line.number, message));
            }
            out.push_str(&self.fill(line, found, depth + 1)?);
            rest = behind;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn find(&mut self, line: &Line, name: &str) -> Result<&'a str, Unreadable> {
        let in_section = |section: &str| {
            let mut lines = self.lines.iter().rev();
            lines.find(|other| other.section == section && other.key == name)
        };
        if let Some(found) = in_section(line.section) {
            return Ok(&found.value);
        }
        let found = in_section(DEFAULT).ok_or_else(|| {
            let message = format!(
                "%({name})s: neither [{}] nor [{DEFAULT}] has the key {name}; add it",
                line.section
            );
            unreadable(line.number, message)
        })?;
        self.used.insert(found.key);
        Ok(&found.value)
    }
}

fn unreadable(line: usize, message: impl Into<String>) -> Unreadable {
    Unreadable {
        place: Some(Place { line, column: 1 }),
        message: message.into(),
    }
}
