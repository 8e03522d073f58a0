//! From settings to [`Recipients`]: everything that can be wrong is found here.

use std::collections::BTreeMap;

use super::Recipients;
use super::hosts::Hosts;
use super::names::{ByAddress, Key, Names, postmaster_at};
use super::pattern::HostPatterns;
use super::settings::{SettingError, Settings, Subaddress, User, Users};
use super::syntax::RESERVED_NAMES;
use super::template::Template;
use super::users::{Directory, Home};
use crate::smtp::address::Mailbox;

pub(super) const NOT_AN_ADDRESS: &str = "is not an address; write it as user@example.org";
const NOT_OURS: &str =
    "is at a host that is not among recipients.hosts; add that host there, or take this away";

/// What is needed to read the rest.
struct Loader {
    hosts: Hosts,
    names: Names,
}

/// Checks and compiles the settings.
pub(super) fn recipients(settings: &Settings) -> Result<Recipients, SettingError> {
    let at_own_name = postmaster_at(&settings.hostname).map_err(|_| {
        let message = "is not a host name; say which name this machine has in the DNS";
        SettingError::new("hostname", &settings.hostname, message)
    })?;
    let loader = Loader {
        hosts: Hosts::new(
            HostPatterns::new(&settings.hosts)?,
            at_own_name.domain().clone(),
        ),
        names: Names {
            case_sensitive: settings.case_sensitive,
            delimiters: delimiters(&settings.subaddress)?,
        },
    };
    let postmaster = match &settings.postmaster {
        Some(text) => loader.ours("recipients.postmaster", text)?,
        None => at_own_name.clone(),
    };
    let mut recipients = Recipients {
        path: loader.template("maildir.path", &settings.path, None)?,
        users: loader.users(&settings.users)?,
        aliases: loader.aliases(&settings.aliases)?,
        folder: settings.subaddress.folder,
        postmaster,
        last_resort: None,
        catch_all: None,
        source: None,
        hosts: loader.hosts,
        names: loader.names,
    };
    recipients.check(settings, &at_own_name)?;
    Ok(recipients)
}

fn delimiters(subaddress: &Subaddress) -> Result<String, SettingError> {
    let delimiters = &subaddress.delimiters;
    let is_mark = |c: char| c.is_ascii_punctuation() && !matches!(c, '@' | '"' | '\\');
    if delimiters.chars().all(is_mark) {
        return Ok(delimiters.clone());
    }
    let message = "must consist of punctuation marks such as + or -, without @, \" and \\";
    Err(SettingError::new(
        "recipients.subaddress.delimiters",
        delimiters,
        message,
    ))
}

impl Loader {
    /// Reads an address whose host is ours.
    fn ours(&self, key: &str, text: &str) -> Result<Mailbox, SettingError> {
        let address = self
            .names
            .address(text)
            .map_err(|_| SettingError::new(key, text, NOT_AN_ADDRESS))?;
        match self.hosts.find(&address) {
            Some(_) => Ok(address),
            None => Err(SettingError::new(key, text, NOT_OURS)),
        }
    }

    /// Reads a user or an address whose host is ours.
    fn key(&self, key: &str, text: &str) -> Result<Key, SettingError> {
        let read = self.names.key(text).map_err(|_| {
            let message =
                "is neither a user such as alice nor an address such as alice@example.org";
            SettingError::new(key, text, message)
        })?;
        match &read {
            Key::At(address) if self.hosts.find(address).is_none() => {
                Err(SettingError::new(key, text, NOT_OURS))
            }
            _ => Ok(read),
        }
    }

    /// Reads the path of the Maildirs at every host, or of `only` one mailbox.
    fn template(
        &self,
        key: &str,
        text: &str,
        only: Option<&Mailbox>,
    ) -> Result<Template, SettingError> {
        let template =
            Template::parse(text).map_err(|message| SettingError::new(key, text, message))?;
        let supplied = only.and_then(|mailbox| self.hosts.find(mailbox));
        for capture in template.captures() {
            if RESERVED_NAMES.contains(&capture) {
                continue;
            }
            match &supplied {
                Some(host) if host.captures.contains_key(capture) => {}
                Some(_) => return Err(self.unknown_capture(key, text, capture)),
                None => self.supplied_everywhere(key, text, capture)?,
            }
        }
        Ok(template)
    }

    fn supplied_everywhere(
        &self,
        key: &str,
        text: &str,
        capture: &str,
    ) -> Result<(), SettingError> {
        let patterns = self.hosts.patterns();
        if !patterns.captures().any(|name| name == capture) {
            return Err(self.unknown_capture(key, text, capture));
        }
        let Some((index, pattern)) = patterns.lacking(capture) else {
            return Ok(());
        };
        Err(SettingError::new(
            format!("recipients.hosts[{index}]"),
            pattern,
            format!(
                "has no {{{capture}}}, which {key} needs; add it to this pattern, \
                 or take it out of {text}"
            ),
        ))
    }

    fn unknown_capture(&self, key: &str, text: &str, capture: &str) -> SettingError {
        let known = RESERVED_NAMES
            .into_iter()
            .chain(self.hosts.patterns().captures());
        let known: Vec<String> = known.map(|name| format!("{{{name}}}")).collect();
        let known = known.join(" ");
        let message = format!("names {{{capture}}}, which is not known here; known are {known}");
        SettingError::new(key, text, message)
    }

    fn users(&self, users: &Users) -> Result<Directory, SettingError> {
        let mut homes = ByAddress::new();
        match users {
            Users::Any => return Ok(Directory::Any(Home::default())),
            Users::Existing => return Ok(Directory::Existing(Home::default())),
            Users::Asked(_) => return Ok(Directory::Asked(Home::default())),
            Users::List(list) => {
                for (index, text) in list.iter().enumerate() {
                    let key = self.key(&format!("recipients.users[{index}]"), text)?;
                    homes.insert(key, Home::default());
                }
            }
            Users::Map(map) => {
                for (text, user) in map {
                    let place = format!("recipients.users.{text}");
                    let key = self.key(&place, text)?;
                    let home = self.home(&place, &key, user)?;
                    if homes.insert(key, home).is_some() {
                        return Err(named_twice(place, text));
                    }
                }
            }
        }
        Ok(Directory::Listed(homes))
    }

    fn home(&self, place: &str, key: &Key, user: &User) -> Result<Home, SettingError> {
        let only = match key {
            Key::At(mailbox) => Some(mailbox),
            Key::Everywhere(_) => None,
        };
        let path = user
            .path
            .as_ref()
            .map(|text| self.template(&format!("{place}.path"), text, only))
            .transpose()?;
        Ok(Home {
            owner: user.owner,
            quota: user.quota,
            path,
        })
    }

    fn aliases(
        &self,
        settings: &BTreeMap<String, Vec<String>>,
    ) -> Result<ByAddress<Vec<Mailbox>>, SettingError> {
        let mut aliases = ByAddress::new();
        for (text, targets) in settings {
            let place = format!("recipients.aliases.{text}");
            let key = self.key(&place, text)?;
            if targets.is_empty() {
                let message = "stands for nobody; name at least one address";
                return Err(SettingError::new(place, text, message));
            }
            let targets = targets
                .iter()
                .enumerate()
                .map(|(index, target)| self.ours(&format!("{place}[{index}]"), target))
                .collect::<Result<Vec<_>, _>>()?;
            if aliases.insert(key, targets).is_some() {
                return Err(named_twice(place, text));
            }
        }
        Ok(aliases)
    }
}

fn named_twice(place: String, text: &str) -> SettingError {
    let message = "is there twice, in another spelling; keep one of them";
    SettingError::new(place, text, message)
}
