//! `backend_config` with the keys of all processors, the same keys at the top in 1.4 and 1.5, or
//! in sections as version 2.0 was to have them.

use std::time::Duration;

use super::chain::{self, Furnished};
use super::database::{Databases, Wanted};
use super::draft::{Draft, Said};
use super::form::Form;
use super::hosts::{self, Reading};
use super::php::{self, Php};
use super::sheet::Value;
use super::{servers, users};

/// Where keys of processors are looked for.
struct Backend {
    sections: Vec<String>,
}

const STORES: &str = "HeadersParser|Hasher|Header|MailDir";

/// Another name for a chain.
struct Other {
    name: &'static str,
    /// What it was where the chain has its own name, too.
    beside: &'static str,
    /// What it was alone.
    alone: &'static str,
}

const DRAFT: &str = "as it does since go-guerrilla 1.6; this was its name in drafts of that";
const NONE: &str = "as before; this was no key";
const SAVE: [Other; 3] = [
    Other {
        name: "save_processors",
        beside: NONE,
        alone: "go-guerrilla reads save_process and did as if nothing were written",
    },
    Other {
        name: "process_stack",
        beside: DRAFT,
        alone: "save_process had this name in drafts of go-guerrilla 1.6, and nothing later reads it",
    },
    Other {
        name: "process_line",
        beside: DRAFT,
        alone: "save_process had this name in drafts of go-guerrilla 1.6, and nothing later reads it",
    },
];
const VALIDATE: [Other; 1] = [Other {
    name: "validate_processors",
    beside: NONE,
    alone: "go-guerrilla reads validate_process and did as if nothing were written",
}];

/// Everything behind the servers.
pub(super) fn import(draft: &mut Draft, form: Form) {
    servers::level(draft);
    let backend = Backend::of(draft);
    let save = backend.chain(draft, "save_process", &SAVE);
    let validate = backend.chain(draft, "validate_process", &VALIDATE);
    let is_named = |name: &str| {
        let chains = [&save, &validate];
        let mut chains = chains.into_iter().flatten();
        chains.any(|said| chain::names(&said.value, name))
    };
    let php = backend.php(draft).put(draft, is_named("FastCGI"));
    let delivery = backend.times(draft, php);
    let is_old = form == Form::Typed || Backend::is_old(draft);
    let wanted = wanted(save.as_ref(), is_old);
    let databases = Databases {
        delivery,
        ..backend.databases(draft)
    };
    let (sql, redis) = databases.put(draft, wanted);
    let furnished = Furnished {
        php,
        sql,
        redis,
        wildcard: backend.wildcard(draft),
        debugger: backend.debugger(draft, is_named("Debugger")),
    };
    match &save {
        Some(said) => chain::save(draft, said, furnished, ""),
        None if sql && redis => both_chain(draft),
        None => default_chain(draft, form),
    }
    if let Some(said) = &validate {
        chain::validate(draft, said, furnished);
    }
    backend.maildirs(draft, is_named("MailDir"));
}

/// The databases that a chain names; the oldest had both without a chain.
fn wanted(save: Option<&Said<String>>, is_old: bool) -> Wanted {
    let has = |ours: &str| save.is_some_and(|said| chain::names_database(&said.value, ours));
    Wanted {
        sql: has("MySQL"),
        redis: has("Redis"),
        both: has("GuerrillaDbRedis") || (save.is_none() && is_old),
    }
}

impl Backend {
    fn of(draft: &mut Draft) -> Self {
        let mut sections = vec!["backend_config".to_owned()];
        sections.extend(planned(draft));
        sections.push(String::new());
        Self { sections }
    }

    /// The full name of a key, if it is there.
    fn key(&self, draft: &Draft, name: &str) -> Option<String> {
        let full = |section: &String| match section.as_str() {
            "" => name.to_owned(),
            section => format!("{section}.{name}"),
        };
        let mut keys = self.sections.iter().map(full);
        keys.find(|key| draft.ledger.find(key).is_some())
    }

    fn text(&self, draft: &mut Draft, name: &str) -> Option<Said<String>> {
        let key = self.key(draft, name)?;
        draft.some_text(&key)
    }

    /// A text under either of two names. Who has both has the first one in mind.
    fn either(&self, draft: &mut Draft, [first, second]: [&str; 2]) -> Option<Said<String>> {
        let Some(said) = self.text(draft, first) else {
            return self.text(draft, second);
        };
        if let Some(key) = self.key(draft, second) {
            draft.tell_of(&key, &format!("{first} says the same, and counts"));
        }
        Some(said)
    }

    /// A chain, also under other names that it has in files.
    fn chain(&self, draft: &mut Draft, name: &str, others: &[Other]) -> Option<Said<String>> {
        let mut found = self.key(draft, name).and_then(|key| draft.text(&key));
        for other in others {
            let Some(key) = self.key(draft, other.name) else {
                continue;
            };
            if found.is_some() {
                draft.tell_of(&key, &format!("{name} counts, {}", other.beside));
                continue;
            }
            found = draft.text(&key);
            if let Some(said) = &found {
                let why = format!("{}; the result has what was meant", other.alone);
                draft.tell(&[said.from], why);
            }
        }
        found
    }

    fn php(&self, draft: &mut Draft) -> Php {
        Php {
            connection: self.text(draft, "fcgi_connection_type"),
            address: self.text(draft, "fcgi_connection_address"),
            save: self.text(draft, "fcgi_script_filename_save"),
            validate: self.text(draft, "fcgi_script_filename_validate"),
        }
    }

    /// Whether this is from when there was no chain, but one backend.
    fn is_old(draft: &Draft) -> bool {
        let name = draft.ledger.find("backend_name");
        let key = name.map(|id| draft.ledger.value(id).to_string());
        key.is_some_and(|name| name.contains("guerrilla-db-redis"))
    }

    fn databases(&self, draft: &mut Draft) -> Databases {
        let mut databases = Databases {
            table: self.either(draft, ["mail_table", "mysql_mail_table"]),
            ..Databases::default()
        };
        let mut text = |name: &str| self.text(draft, name);
        databases.host = text("mysql_host");
        databases.user = text("mysql_user");
        databases.password = text("mysql_pass");
        databases.database = text("mysql_db");
        databases.dsn = text("sql_dsn");
        databases.driver = text("sql_driver");
        databases.redis = text("redis_interface");
        databases.connections = self.count(draft, "sql_max_open_conns");
        databases.expire = self.count(draft, "redis_expire_seconds");
        databases
    }

    fn count(&self, draft: &mut Draft, name: &str) -> Option<Said<u64>> {
        let key = self.key(draft, name)?;
        draft.count(&key)
    }

    fn wildcard(&self, draft: &mut Draft) -> bool {
        let Some(key) = self.key(draft, "wildcard_hosts") else {
            return false;
        };
        if let Some(said) = draft.list(&key) {
            hosts::put(draft, "wildcard.hosts", &said, Reading::Globs);
        }
        draft.sheet.has("wildcard.hosts")
    }

    fn debugger(&self, draft: &mut Draft, is_named: bool) -> Option<bool> {
        let key = self.key(draft, "log_received_mails")?;
        let said = draft.flag(&key)?;
        let from = [said.from];
        match (is_named, said.value) {
            (true, true) => {
                let level = Value::Word("info".to_owned());
                draft.put("debugger.level", level, &from, "");
            }
            (false, _) => draft.tell(&from, "it is for Debugger, which no chain names"),
            (true, false) => draft.tell(&from, "Debugger is left out of the chain"),
        }
        Some(said.value)
    }

    /// Returns how long a client waits for a delivery.
    fn times(&self, draft: &mut Draft, php: bool) -> Option<Said<Duration>> {
        if let Some(said) = self.either(draft, ["gw_val_rcpt_timeout", "val_rcpt_timeout"]) {
            php::validate_timeout(draft, &said, php);
        }
        let said = self.either(draft, ["gw_save_timeout", "save_timeout"])?;
        php::save_timeout(draft, &said, php)
    }

    fn maildirs(&self, draft: &mut Draft, is_named: bool) {
        if let Some(said) = self.text(draft, "maildir_path") {
            users::path(draft, &said);
        }
        if let Some(said) = self.text(draft, "maildir_user_map") {
            users::map(draft, &said);
        } else if is_named {
            let note = "maildir_user_map is missing: everybody has a mailbox.";
            draft.put("recipients.users", Value::Word("any".to_owned()), &[], note);
        }
    }
}

/// What there was before there were chains.
pub(super) fn both_chain(draft: &mut Draft) {
    let note = "The message goes to Redis and what is known of it to MySQL, as before, and to a Maildir, \
                since Redis forgets.";
    let chain = Value::Word("HeadersParser|Hasher|Header|MailDir|GuerrillaDbRedis".to_owned());
    draft.put("save", chain, &[], note);
}

/// No chain is written down.
fn default_chain(draft: &mut Draft, form: Form) {
    let note = if form == Form::Typed {
        "HeadersParser, Hasher, Header and MailDir take the place of MySQL and Redis."
    } else {
        "No chain was written down. Mail is kept in Maildirs; the default of go-guerrilla kept none."
    };
    draft.put("save", Value::Word(STORES.to_owned()), &[], note);
}

/// The sections of the plan for 2.0: one gateway, and all processors.
fn planned(draft: &mut Draft) -> Vec<String> {
    let gateways = draft.ledger.names_in("backend.gateways");
    let mut wanted = Vec::new();
    for number in 0..draft.ledger.sections("servers") {
        wanted.extend(draft.some_text(&format!("servers[{number}].backend")));
    }
    let names = wanted.iter().map(|said| said.value.clone());
    let chosen = names
        .chain(["default".to_owned()])
        .find(|name| gateways.contains(name));
    let chosen = chosen.or_else(|| gateways.first().cloned());
    for said in wanted {
        let why = match &chosen {
            Some(chosen) if *chosen == said.value => {
                "there is one chain for all listeners here: that of this gateway".to_owned()
            }
            _ => "there is one chain for all listeners here; start a second maiasaura for another"
                .to_owned(),
        };
        draft.tell(&[said.from], why);
    }
    for other in gateways
        .iter()
        .filter(|name| Some(*name) != chosen.as_ref())
    {
        let ids = draft.ledger.unsettled(&format!("backend.gateways.{other}"));
        let why = "there is one chain for all listeners here; start a second maiasaura for this \
                   gateway";
        draft.tell(&ids, why);
    }
    let mut sections: Vec<String> = chosen
        .map(|name| format!("backend.gateways.{name}"))
        .into_iter()
        .collect();
    let processors = draft.ledger.names_in("backend.processors");
    sections.extend(
        processors
            .iter()
            .map(|name| format!("backend.processors.{name}")),
    );
    sections
}
