//! What the settings say, and where an address leads by them.

mod paths;
mod patterns;
mod refused;
mod rules;
mod source;

use std::collections::BTreeMap;

use super::*;
use crate::smtp::address::ForwardPath;
use crate::smtp::reply::Reply;

/// Any user at a few hosts.
fn settings() -> Settings {
    Settings {
        hosts: strings(&["example.org", "*.wild.example", "[192.0.2.1]"]),
        users: Users::Any,
        postmaster: None,
        aliases: BTreeMap::new(),
        catch_all: None,
        subaddress: Subaddress {
            delimiters: "+".to_owned(),
            ..Subaddress::default()
        },
        case_sensitive: false,
        path: "maildirs/{host}/{user}".to_owned(),
        hostname: "mx.example.net".to_owned(),
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// `"alice bob@example.org"`: those users.
fn list(users: &str) -> Users {
    Users::List(users.split_whitespace().map(str::to_owned).collect())
}

/// `"info = a@x b@x; sales = info@x"`.
fn aliases(text: &str) -> BTreeMap<String, Vec<String>> {
    text.split(';')
        .map(|alias| alias.split_once('=').unwrap())
        .map(|(key, targets)| {
            let targets = targets.split_whitespace().map(str::to_owned).collect();
            (key.trim().to_owned(), targets)
        })
        .collect()
}

fn path(address: &str) -> ForwardPath {
    let text = format!("<{address}>");
    match ForwardPath::parse(&text) {
        Ok((path, "")) => path,
        _ => panic!("not an address: {address}"),
    }
}

/// Where mail for `address` goes: `root|a/b .folder`, `!` for a Maildir that
/// must exist, ` else ` before who stands in, ` & ` between several.
fn leads(recipients: &Recipients, address: &str) -> Result<String, Reply> {
    match recipients.resolve(&path(address)) {
        Ok(recipient) => {
            let all = recipient.destinations.iter().map(describe);
            Ok(all.collect::<Vec<_>>().join(" & "))
        }
        Err(failure) => {
            assert!(failure.cause.is_some(), "{address}: {failure}");
            Err(failure.reply)
        }
    }
}

fn describe(destination: &Destination) -> String {
    let location = &destination.location;
    let folder = location.folder.as_ref();
    let otherwise = destination.otherwise.as_ref();
    [
        if location.create { "" } else { "!" }.to_owned(),
        format!("{}|", location.root.display()),
        location.components.join("/"),
        folder.map_or(String::new(), |folder| format!(" .{folder}")),
        otherwise.map_or(String::new(), |other| format!(" else {}", describe(other))),
    ]
    .concat()
}

/// Loads `settings` and holds every address against what it should lead to.
fn check(settings: &Settings, table: &[(&str, &str)]) {
    let recipients = Recipients::new(settings).unwrap();
    for (address, expected) in table {
        let found = match leads(&recipients, address) {
            Ok(found) => found,
            Err(reply) => reply.code().to_string() + " " + &reply.status().unwrap(),
        };
        // What all have in common is left out, so that the tables stay readable.
        let found = found.replace("maildirs|", "");
        assert_eq!(found, *expected, "{address}");
    }
}

const FOREIGN: &str = "550 5.7.1";
const UNKNOWN: &str = "550 5.1.1";
