//! Chains of processors, by the names that they have here.

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::Value;

/// Ours for one of theirs.
enum Link {
    /// The same.
    Same(&'static str),
    /// None; the Maildir has the mail.
    Stored(&'static str),
    /// None; why.
    Nothing(&'static str),
}

const UNASKED: &str = "it took every recipient whose name was not too long; to have a table asked, write \
                       recipients: {users: {mysql: \"SELECT 1 FROM users WHERE address = ?\"}}";

fn link(name: &str) -> Option<Link> {
    Some(match name.to_ascii_lowercase().as_str() {
        "headersparser" => Link::Same("HeadersParser"),
        "hasher" => Link::Same("Hasher"),
        "header" => Link::Same("Header"),
        "debugger" => Link::Same("Debugger"),
        "compressor" => Link::Same("Compressor"),
        "maildir" => Link::Same("MailDir"),
        "fastcgi" => Link::Same("FastCGI"),
        "wildcard" => Link::Same("Wildcard"),
        "sql" | "mysql" => Link::Same("MySQL"),
        "redis" => Link::Same("Redis"),
        "guerrillaredisdb" | "guerrilladbredis" | "guerrilla-db-redis" => {
            Link::Same("GuerrillaDbRedis")
        }
        "s3" => Link::Stored(
            "this program writes to no S3, so mail goes into Maildirs in the result; copy them \
             from there",
        ),
        "dkim" | "spf" => Link::Nothing(
            "this program verifies neither DKIM nor SPF; let a filter before it, or the \
             application behind it, do so",
        ),
        "" => Link::Nothing("a gap between two |; take it away"),
        _ => return None,
    })
}

/// Which processors the configuration has the keys for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Furnished {
    pub(super) php: bool,
    pub(super) wildcard: bool,
    pub(super) sql: bool,
    pub(super) redis: bool,
    /// Whether Debugger logs; none if that is not written down.
    pub(super) debugger: Option<bool>,
}

/// Whether a chain names a processor.
pub(super) fn names(chain: &str, processor: &str) -> bool {
    let mut names = chain.split('|');
    names.any(|name| name.trim().eq_ignore_ascii_case(processor))
}

/// Whether one of these, under any of its names, is in a chain.
pub(super) fn names_database(chain: &str, ours: &str) -> bool {
    let mut names = chain.split('|');
    names.any(|name| matches!(link(name.trim()), Some(Link::Same(link)) if link == ours))
}

/// The chain that keeps mail.
pub(super) fn save(draft: &mut Draft, said: &Said<String>, furnished: Furnished, note: &str) {
    let mut links = links(draft, said, furnished);
    if let Some(at) = links.iter().position(|link| *link == "Wildcard") {
        links.remove(at);
        let why = "Wildcard looks at recipients only; it belongs into validate";
        draft.tell(&[said.from], why);
    }
    let mut notes = vec![note.to_owned()];
    if !keeps(&links) {
        let is_database = |link: &&str| ["MySQL", "Redis", "GuerrillaDbRedis"].contains(link);
        let place = links.iter().position(is_database);
        links.insert(place.unwrap_or(links.len()), "MailDir");
        notes.push("Something must keep the mail: MailDir was added.".to_owned());
        let why = match place {
            Some(_) => {
                "Redis forgets mail, so that MailDir was added; to go without it, write \
                 redis: {durable: true}, and appendonly yes and appendfsync always for Redis"
            }
            None => {
                "nothing in this chain kept the mail that clients were told is delivered, or \
                 nothing that this program has; MailDir was added"
            }
        };
        draft.tell(&[said.from], why);
    }
    notes.retain(|note| !note.is_empty());
    // Names of processors need no quotes.
    let chain = Value::Word(links.join("|"));
    draft.put("save", chain, &[said.from], &notes.join(" "));
}

/// Whether a chain keeps mail for good.
fn keeps(links: &[&str]) -> bool {
    let place = |name| links.iter().position(|link| *link == name);
    // Behind Redis there is no message in a row.
    let is_in_rows =
        place("MySQL").is_some_and(|sql| place("Redis").is_none_or(|redis| redis > sql));
    place("MailDir").is_some() || place("FastCGI").is_some() || is_in_rows
}

/// The chain that is asked about recipients.
pub(super) fn validate(draft: &mut Draft, said: &Said<String>, furnished: Furnished) {
    let mut asked = vec!["MailDir"];
    for link in links(draft, said, furnished) {
        match link {
            "MailDir" => {}
            "FastCGI" | "Wildcard" => asked.push(link),
            "MySQL" | "Redis" | "GuerrillaDbRedis" => {
                draft.tell(&[said.from], format!("{link}: {UNASKED}"));
            }
            other => {
                let why = format!("{other} says nothing about recipients, and was left out");
                draft.tell(&[said.from], why);
            }
        }
    }
    let chain = Value::Word(asked.join("|"));
    draft.put("validate", chain, &[said.from], "");
}

fn links(draft: &mut Draft, said: &Said<String>, furnished: Furnished) -> Vec<&'static str> {
    let mut links: Vec<&'static str> = Vec::new();
    let from: [Id; 1] = [said.from];
    if said.value.is_empty() {
        return links;
    }
    for name in said.value.split('|').map(str::trim) {
        let ours = match link(name) {
            Some(Link::Same(ours)) => ours,
            Some(Link::Stored(why)) => {
                draft.tell(&from, format!("{name}: {why}"));
                "MailDir"
            }
            Some(Link::Nothing(why)) => {
                draft.tell(&from, format!("{name:?}: {why}"));
                continue;
            }
            None => {
                let why = format!(
                    "{name:?}: there is no such processor here, and it was left out; one of your \
                     own is added with the crate (Daemon::processor)"
                );
                draft.tell(&from, why);
                continue;
            }
        };
        if ours == "Debugger" && furnished.debugger == Some(false) {
            // That is told of the key that says so.
        } else if let Some(why) = unfurnished(ours, furnished) {
            draft.tell(&from, format!("{name}: {why}"));
        } else if links.contains(&ours) {
            if ours != "MailDir" {
                draft.tell(
                    &from,
                    format!("{name} is there twice; the first one counts"),
                );
            }
        } else {
            links.push(ours);
        }
    }
    links
}

fn unfurnished(link: &str, furnished: Furnished) -> Option<&'static str> {
    match link {
        "FastCGI" if !furnished.php => Some(
            "the keys that say where PHP is are missing or wrong, and it was left out; write the \
             section fastcgi, and FastCGI into the chain",
        ),
        "MySQL" if !furnished.sql => Some(
            "the keys that say where MySQL is are missing or wrong, and it was left out; write the section \
             mysql, and MySQL into save",
        ),
        "Redis" if !furnished.redis => Some(
            "the key that says where Redis is is wrong, and it was left out; write the section redis, and \
             Redis into save",
        ),
        "GuerrillaDbRedis" if !furnished.sql || !furnished.redis => Some(
            "the keys that say where MySQL and Redis are are missing or wrong, and it was left out; write \
             the sections mysql and redis, and GuerrillaDbRedis into save",
        ),
        "Wildcard" if !furnished.wildcard => Some(
            "wildcard_hosts is missing, and it was left out; write the hosts into recipients.hosts",
        ),
        _ => None,
    }
}
