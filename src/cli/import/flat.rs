//! The flat form of 2012 to 2016: capital keys, all values texts.

use super::backend;
use super::database::{Databases, Wanted};
use super::doors::{self, Tls};
use super::draft::{Draft, Said};
use super::hosts::{self, Reading};
use super::log;
use super::server::{self, Server};
use super::sheet::{Entry, Value};

/// Whether a key is one of this form.
pub(super) fn is_one_of_these(key: &str) -> bool {
    let starts = |start: &&str| {
        let first = key.get(..start.len());
        first.is_some_and(|first| first.eq_ignore_ascii_case(start))
    };
    // In small letters these are keys of 1.4 as well.
    key.starts_with("MYSQL_") || ["GM_", "GSMTP_", "GSTMP_", "NGINX_AUTH"].iter().any(starts)
}

/// The whole file.
pub(super) fn import(draft: &mut Draft) {
    if let Some(said) = draft.list("GM_ALLOWED_HOSTS") {
        hosts::put(draft, "recipients.hosts", &said, Reading::Names);
    }
    let mut server = Server {
        address: address(draft),
        otherwise: "0.0.0.0:25",
        is_enabled: true,
        hostname: draft.some_text("GSMTP_HOST_NAME"),
        max_size: draft.count("GSMTP_MAX_SIZE"),
        timeout: draft.count("GSMTP_TIMEOUT"),
        max_clients: draft.count("GM_MAX_CLIENTS"),
        ..Server::default()
    };
    server.doors.extend(tls(draft));
    server.doors.extend(nginx(draft));
    server::put(draft, vec![server]);
    if let Some(said) = draft.some_text("GSMTP_LOG_FILE") {
        log::file(draft, &said);
    }
    log::pid_file(draft, "PID_FILE");
    databases(draft);
}

/// There was no chain; all of it went to MySQL and Redis.
fn databases(draft: &mut Draft) {
    let databases = Databases {
        host: draft.some_text("MYSQL_HOST"),
        user: draft.some_text("MYSQL_USER"),
        password: draft.some_text("MYSQL_PASS"),
        database: draft.some_text("MYSQL_DB"),
        table: draft.some_text("GM_MAIL_TABLE"),
        expire: draft.count("GSMTP_MAIL_EXPIRE_SECONDS"),
        ..Databases::default()
    };
    let wanted = Wanted {
        sql: false,
        redis: false,
        both: true,
    };
    if databases.put(draft, wanted).0 {
        return backend::both_chain(draft);
    }
    let note = "Where MySQL is is not told, or cannot be read; mail is in Maildirs.";
    let chain = Value::Word("HeadersParser|Hasher|Header|MailDir".to_owned());
    draft.put("save", chain, &[], note);
}

/// The key was misspelt in the program, and is spelt well in many a file.
fn address(draft: &mut Draft) -> Option<Said<String>> {
    let well = "GSMTP_LISTEN_INTERFACE";
    if let Some(said) = draft.some_text("GSTMP_LISTEN_INTERFACE") {
        draft.tell_of(well, "GSTMP_LISTEN_INTERFACE (sic) counts, as before");
        return Some(said);
    }
    let said = draft.some_text(well)?;
    let why = "go-guerrilla read GSTMP_LISTEN_INTERFACE (sic) and listened at 0.0.0.0:25; the \
               result has what you wrote";
    draft.tell(&[said.from], why);
    Some(said)
}

fn tls(draft: &mut Draft) -> Option<Entry> {
    let tls = Tls {
        certificate: draft.some_text("GSMTP_PUB_KEY"),
        key: draft.some_text("GSMTP_PRV_KEY"),
        ..Tls::default()
    };
    // It was always offered.
    doors::tls(draft, tls, "starttls", None)
}

/// With nginx before it, XCLIENT was believed.
fn nginx(draft: &mut Draft) -> Option<Entry> {
    let said = draft.flag("NGINX_AUTH_ENABLED").filter(|said| said.value)?;
    let (name, note) = (doors::XCLIENT, doors::FROM_EVERYBODY);
    Some(doors::believed(draft, said.from, name, note))
}
