//! What PHP is told, beside what it would have to be told.

use std::path::PathBuf;

use super::super::say;
use super::probe::Found;
use crate::config::{Acknowledge, BodyForm, Config, FastcgiConfig};

const MIB: u64 = 1 << 20;
/// What PHP needs for itself.
const OWN: u64 = 8 * MIB;
/// Attachments that a message may well have.
const ATTACHMENTS: u64 = 100;

/// Compares the two, and says what is to be done.
pub(super) struct Advice<'a> {
    pub(super) config: &'a Config,
    pub(super) section: &'a FastcgiConfig,
    pub(super) found: &'a Found,
    /// Those that were looked for, the scripts first.
    pub(super) paths: &'a [PathBuf],
}

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Mail would be lost to PHP; else it is only to be known.
    is_fault: bool,
    text: String,
}

impl Advice<'_> {
    /// Says it, and how many faults there are.
    pub(super) fn give(&self) -> u32 {
        let findings = self.findings();
        if findings.is_empty() {
            let (version, script) = (&self.found.version, self.paths[0].display());
            say(&format!("ok    PHP {version} for {script}"));
        }
        for finding in &findings {
            let mark = if finding.is_fault { "FAULT" } else { "warn " };
            say(&format!("{mark} PHP: {}", finding.text));
        }
        let faults = findings.iter().filter(|finding| finding.is_fault).count();
        u32::try_from(faults).unwrap_or(u32::MAX)
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.paths();
        findings.extend(self.owner());
        findings.extend(self.post());
        findings.extend(self.uploads());
        findings.extend(self.memory());
        findings.extend(self.time());
        findings.extend(self.errors());
        findings
    }

    /// The scripts must be there, and whatever else PHP is to read.
    fn paths(&self) -> Vec<Finding> {
        let user = self.found.uid;
        let user = user.map_or(String::new(), |uid| format!(", which runs as uid {uid}"));
        let within = match self.ini("open_basedir") {
            "" => String::new(),
            folders => format!("; it may look into {folders} only (open_basedir)"),
        };
        let each = self.paths.iter().zip(&self.found.seen);
        each.filter_map(|(path, seen)| {
            let what = match (seen.exists, seen.readable) {
                (true, true) => return None,
                (true, false) => "cannot be read",
                (false, _) => "is not seen",
            };
            let path = path.display();
            Some(fault(format!("{path} {what} by PHP{user}{within}")))
        })
        .collect()
    }

    /// PHP that reads the files itself is somebody who may.
    fn owner(&self) -> Option<Finding> {
        let uid = self.found.uid.filter(|uid| *uid != 0)?;
        let own = rustix::process::geteuid().as_raw();
        let mode = self.config.maildir.file_mode;
        let is_shut = self.section.body == BodyForm::Path && uid != own && mode & 0o044 == 0;
        is_shut.then(|| {
            warn(format!(
                "it runs as uid {uid}, we as {own}, and maildir.file_mode is {mode:04o}: it may not \
                 be able to read a message; run its pool as the owner of the Maildirs, or write \
                 another body, such as raw"
            ))
        })
    }

    /// A form that is too large comes empty, and PHP says 200; a message that is read from
    /// php://input comes, but so does a warning.
    fn post(&self) -> Option<Finding> {
        let limit = octets(self.ini("post_max_size"))?;
        let (largest, sent) = (self.largest(), self.sent());
        if limit >= sent {
            return None;
        }
        let shown = self.ini("post_max_size");
        let line = format!("write in php.ini: post_max_size = {}", rounded(sent));
        let by_word = self.section.acknowledgement == Acknowledge::Required;
        Some(if self.is_form() {
            fault(format!(
                "post_max_size is {shown}: a message of {largest} would come empty; {line}"
            ))
        } else if by_word && self.shows_errors() {
            fault(format!(
                "post_max_size is {shown}, and display_errors is on: the warning about a larger \
                 message would spoil the answer; {line}"
            ))
        } else if self.section.uri.is_some() {
            fault(format!(
                "post_max_size is {shown}: a framework may refuse larger messages for good, as \
                 Laravel does with 413; {line}, or lower limits.message_size"
            ))
        } else {
            warn(format!(
                "post_max_size is {shown}: larger messages come, and PHP logs a warning; {line}"
            ))
        })
    }

    /// Attachments that are too large, or too many, are left out.
    fn uploads(&self) -> Vec<Finding> {
        use BodyForm::{Mailgun, Multipart, Sendgrid};
        if !matches!(self.section.body, Multipart | Sendgrid | Mailgun) {
            return Vec::new();
        }
        if !is_on(self.ini("file_uploads")) {
            let text = "file_uploads is off: no attachment would come; write in php.ini: \
                        file_uploads = On";
            return vec![fault(text.into())];
        }
        let mut findings = Vec::new();
        let limit = self.ini("upload_max_filesize");
        let size = self.config.limits.message_size.octets();
        if octets(limit).is_some_and(|limit| limit < size) {
            findings.push(fault(format!(
                "upload_max_filesize is {limit}: larger attachments would be left out; write in \
                 php.ini: upload_max_filesize = {}",
                rounded(size)
            )));
        }
        let most = self.ini("max_file_uploads");
        if most.parse::<u64>().is_ok_and(|most| most < ATTACHMENTS) {
            findings.push(warn(format!(
                "max_file_uploads is {most}: of more attachments the rest would be left out; \
                 write in php.ini: max_file_uploads = {ATTACHMENTS}"
            )));
        }
        findings
    }

    /// What has to be in memory at once.
    fn memory(&self) -> Option<Finding> {
        use BodyForm::{Guerrilla, Json, Path, Postal, Postmark, Raw};
        let need = match self.section.body {
            Path => return None,
            Raw => self.sent() + OWN,
            // The text, and what it is made into.
            Json | Postmark | Postal | Guerrilla => 2 * self.sent() + OWN,
            // Attachments are in files.
            _ => self.config.limits.message_size.octets() + OWN,
        };
        let shown = self.ini("memory_limit");
        let limit = octets(shown)?;
        let (largest, least) = (self.largest(), rounded(need));
        (limit < need).then(|| {
            warn(format!(
                "memory_limit is {shown}: a message of {largest} may not fit, and would be tried \
                 in vain; write in php.ini: memory_limit = {least}"
            ))
        })
    }

    /// Two attempts at one message at the same time are not what anybody wants.
    fn time(&self) -> Option<Finding> {
        let shown = self.ini("max_execution_time");
        let ours = self.section.timeout;
        let limit = shown.parse::<u64>().ok().filter(|limit| *limit > 0);
        let is_longer = limit.is_none_or(|limit| limit > ours.get().as_secs());
        is_longer.then(|| {
            let shown = if limit.is_none() { "unlimited" } else { shown };
            warn(format!(
                "max_execution_time is {shown}, longer than fastcgi.timeout ({ours}): PHP may be \
                 at a message still when it is tried again; write in php.ini: max_execution_time \
                 = {}",
                ours.get().as_secs()
            ))
        })
    }

    fn errors(&self) -> Option<Finding> {
        let line = "write in php.ini: display_errors = Off";
        let by_status = self.section.acknowledgement == Acknowledge::Status;
        self.shows_errors().then(|| {
            if by_status {
                fault(format!(
                    "display_errors is on: PHP says 200 after an error, which counts as success \
                     (fastcgi.acknowledgement: status); {line}"
                ))
            } else {
                warn(format!(
                    "display_errors is on: a warning before the answer spoils it; {line}"
                ))
            }
        })
    }

    fn ini(&self, name: &str) -> &str {
        self.found.ini.get(name).map_or("", String::as_str)
    }

    fn shows_errors(&self) -> bool {
        let value = self.ini("display_errors");
        is_on(value) && !value.eq_ignore_ascii_case("stderr")
    }

    fn largest(&self) -> String {
        self.config.limits.message_size.to_string()
    }

    fn is_form(&self) -> bool {
        use BodyForm::{Guerrilla, Mailgun, Multipart, Sendgrid};
        matches!(
            self.section.body,
            Guerrilla | Mailgun | Multipart | Sendgrid
        )
    }

    /// The octets that the largest message may become.
    fn sent(&self) -> u64 {
        use BodyForm::{Guerrilla, Json, Path, Postal, Postmark};
        let size = self.config.limits.message_size.octets();
        match self.section.body {
            Path => 0,
            Guerrilla => size.saturating_mul(3),
            Json | Postal | Postmark => size.saturating_mul(4) / 3 + MIB,
            _ => size + MIB,
        }
    }
}

fn fault(text: String) -> Finding {
    Finding {
        is_fault: true,
        text,
    }
}

fn warn(text: String) -> Finding {
    Finding {
        is_fault: false,
        text,
    }
}

/// A switch of php.ini.
fn is_on(value: &str) -> bool {
    let off = ["", "0", "off", "no", "false", "none"];
    !off.contains(&value.to_ascii_lowercase().as_str())
}

/// A size of php.ini; none where there is no limit.
fn octets(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit.trim() {
        "k" => 1 << 10,
        "m" => MIB,
        "g" => 1 << 30,
        _ => 1,
    };
    Some(number.saturating_mul(unit))
}

/// A size for php.ini that is no smaller.
fn rounded(octets: u64) -> String {
    format!("{}M", octets.div_ceil(MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_php_reads_them() {
        for (text, size) in [
            ("8M", Some(8 << 20)),
            ("128m", Some(128 << 20)),
            ("1G", Some(1 << 30)),
            ("512K", Some(512 << 10)),
            ("100", Some(100)),
            ("0", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(octets(text), size, "{text}");
        }
        assert_eq!(
            (rounded(25_000_000), rounded(MIB)),
            ("24M".into(), "1M".into())
        );
        let on = ["1", "On", "stdout", "", "0", "Off", "no"].map(is_on);
        assert_eq!(on, [true, true, true, false, false, false, false]);
    }
}
