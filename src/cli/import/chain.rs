//! Chains of processors, by the names that they have here.

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::Value;

/// Ours for one of theirs.
enum Link {
    /// The same.
    Same(&'static str),
    /// None yet; the Maildir has the mail until there is.
    Stored(&'static str),
    /// None; why.
    Nothing(&'static str),
}

const DATABASE: &str = "this program writes to no database yet, so mail goes into Maildirs in the \
                        result; give it to a script of yours with FastCGI, which may";

const UNASKED: &str = "this program asks no database about recipients yet; write who has a mailbox \
                       into recipients.users, or have a script of yours asked with FastCGI";

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
        "sql" | "mysql" | "redis" | "guerrillaredisdb" | "guerrilladbredis"
        | "guerrilla-db-redis" => Link::Stored(DATABASE),
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
    /// Whether Debugger logs; none if that is not written down.
    pub(super) debugger: Option<bool>,
}

/// Whether a chain names a processor.
pub(super) fn names(chain: &str, processor: &str) -> bool {
    let mut names = chain.split('|');
    names.any(|name| name.trim().eq_ignore_ascii_case(processor))
}

/// The chain that keeps mail.
pub(super) fn save(draft: &mut Draft, said: &Said<String>, furnished: Furnished, note: &str) {
    let mut links = links(draft, said, furnished, true);
    if let Some(at) = links.iter().position(|link| *link == "Wildcard") {
        links.remove(at);
        let why = "Wildcard looks at recipients only; it belongs into validate";
        draft.tell(&[said.from], why);
    }
    let mut notes = vec![note.to_owned()];
    if !links.contains(&"MailDir") && !links.contains(&"FastCGI") {
        links.push("MailDir");
        notes.push("Something must keep the mail: MailDir was added.".to_owned());
        let why = "nothing in this chain kept the mail that clients were told is delivered, or \
                   nothing that this program has; MailDir was added";
        draft.tell(&[said.from], why);
    }
    notes.retain(|note| !note.is_empty());
    // Names of processors need no quotes.
    let chain = Value::Word(links.join("|"));
    draft.put("save", chain, &[said.from], &notes.join(" "));
}

/// The chain that is asked about recipients.
pub(super) fn validate(draft: &mut Draft, said: &Said<String>, furnished: Furnished) {
    let mut asked = vec!["MailDir"];
    for link in links(draft, said, furnished, false) {
        match link {
            "MailDir" => {}
            "FastCGI" | "Wildcard" => asked.push(link),
            other => {
                let why = format!("{other} says nothing about recipients, and was left out");
                draft.tell(&[said.from], why);
            }
        }
    }
    let chain = Value::Word(asked.join("|"));
    draft.put("validate", chain, &[said.from], "");
}

fn links(
    draft: &mut Draft,
    said: &Said<String>,
    furnished: Furnished,
    stores: bool,
) -> Vec<&'static str> {
    let mut links: Vec<&'static str> = Vec::new();
    let from: [Id; 1] = [said.from];
    if said.value.is_empty() {
        return links;
    }
    for name in said.value.split('|').map(str::trim) {
        let ours = match link(name) {
            Some(Link::Same(ours)) => ours,
            Some(Link::Stored(why)) => {
                let why = if stores { why } else { UNASKED };
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
        "Wildcard" if !furnished.wildcard => Some(
            "wildcard_hosts is missing, and it was left out; write the hosts into recipients.hosts",
        ),
        _ => None,
    }
}
