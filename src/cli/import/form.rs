//! Which configuration a text is.

use std::fmt;

use super::ledger::Ledger;
use super::{Unreadable, flat, ini, json};

/// The forms that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 2012 to 2016.
    Flat,
    /// 1.4 and 1.5.
    Typed,
    /// 1.6, its forks and MailDiranasaurus.
    Current,
    /// 2.0, which never was.
    Planned,
    /// gleez/smtpd.
    Gleez,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flat => "go-guerrilla 1.1 to 1.3, the flat form of 2012 to 2016",
            Self::Typed => "go-guerrilla 1.4 or 1.5, the form of 2016",
            Self::Current => "go-guerrilla 1.6 or MailDiranasaurus",
            Self::Planned => "go-guerrilla 2.0 as it was planned; it was never released",
            Self::Gleez => "gleez/smtpd",
        })
    }
}

/// Sections of ours that no other program has.
const OURS: [&str; 9] = [
    "hostname:",
    "listeners:",
    "recipients:",
    "maildir:",
    "limits:",
    "timeouts:",
    "validate:",
    "save:",
    "fastcgi:",
];
/// Keys at the top of typed forms.
const TYPED: [&str; 8] = [
    "servers",
    "allowed_hosts",
    "backend_config",
    "primary_mail_host",
    "log_file",
    "log_level",
    "pid_file",
    "backend",
];
const INI: [&str; 5] = ["smtp.", "logging.", "pop3.", "web.", "datastore."];

/// Reads a text in whichever form it is.
pub(super) fn read(text: &str) -> Result<(Form, Ledger), Unreadable> {
    let is_comment = |line: &str| {
        ["#", ";", "//", "/*"]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.clone().find(|line| !is_comment(line)) else {
        return Err(unknown("there is nothing in it to import"));
    };
    if first.starts_with('{') {
        let ledger = json::read(text)?;
        return Ok((of_json(&ledger)?, ledger));
    }
    if text
        .lines()
        .any(|line| OURS.iter().any(|key| line.starts_with(key)))
    {
        return Err(unknown(
            "this is a configuration of maiasaura already; to look at it: maiasaura -c FILE check",
        ));
    }
    if lines.any(|line| line.starts_with('[') && line.ends_with(']')) {
        let ledger = ini::read(text)?;
        if ledger.any(|key| INI.iter().any(|section| key.starts_with(section))) {
            return Ok((Form::Gleez, ledger));
        }
    }
    Err(unknown(
        "this is neither JSON as go-guerrilla and MailDiranasaurus have it, which begins with {, \
         nor INI as gleez/smtpd has it, with a section [smtp]",
    ))
}

fn of_json(ledger: &Ledger) -> Result<Form, Unreadable> {
    if ledger.is_empty() {
        return Err(unknown("there is nothing in it to import"));
    }
    if ledger.any(flat::is_one_of_these) {
        return Ok(Form::Flat);
    }
    let is_in = |key: &str, name: &str| {
        let rest = key.get(name.len()..);
        let starts = key
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name));
        starts && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if !ledger.any(|key| TYPED.iter().any(|name| is_in(key, name))) {
        return Err(unknown(
            "this is JSON, but no configuration of go-guerrilla: none of its keys, such as \
             servers or allowed_hosts, is there",
        ));
    }
    if ledger.any(|key| is_in(key, "backend")) {
        return Ok(Form::Planned);
    }
    let is_typed = |key: &str| {
        key.starts_with("mysql_")
            || [
                "mail_table",
                "redis_interface",
                "save_workers_size",
                "verbose",
            ]
            .contains(&key)
    };
    if ledger.any(is_typed) && !ledger.any(|key| is_in(key, "backend_config")) {
        return Ok(Form::Typed);
    }
    Ok(Form::Current)
}

fn unknown(message: &str) -> Unreadable {
    Unreadable {
        place: None,
        message: message.to_owned(),
    }
}
