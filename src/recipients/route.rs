//! The way from an address to its Maildirs.

use std::collections::HashSet;

use super::explain::{Step, UserRule};
use super::hosts::Ours;
use super::names::is_postmaster;
use super::template::Values;
use super::users::Home;
use super::{DetailFolder, Recipients, encoding};
use crate::envelope::Destination;
use crate::failure::Failure;
use crate::maildir::Location;
use crate::smtp::address::{ForwardPath, Mailbox};
use crate::smtp::reply;

/// Where one address leads that is no alias.
enum Settled {
    Here(Box<Destination>),
    /// To the postmaster.
    Elsewhere(Mailbox),
}

impl Recipients {
    /// Follows aliases until only mailboxes are left: at least one, each once.
    pub(super) fn route(
        &self,
        path: &ForwardPath,
        steps: &mut Vec<Step>,
    ) -> Result<Vec<Destination>, Failure> {
        let mut pending = vec![self.start(path, steps)];
        let mut seen = HashSet::new();
        let mut taken = HashSet::new();
        let mut found = Vec::new();
        while let Some(address) = pending.pop() {
            if !seen.insert(address.clone()) {
                continue;
            }
            let host = self.host(&address, steps)?;
            if let Some((itself, targets)) = self.alias(&address) {
                steps.push(Step::Alias {
                    address: itself.clone(),
                    targets: targets.to_vec(),
                });
                let others = targets.iter().filter(|target| **target != itself);
                pending.extend(others.rev().cloned());
                if !targets.contains(&itself) {
                    continue;
                }
            }
            match self.settle(&address, &host, steps)? {
                Settled::Elsewhere(other) => pending.push(other),
                Settled::Here(here) => {
                    if taken.insert((here.mailbox.clone(), here.location.clone())) {
                        found.push(*here);
                    }
                }
            }
        }
        if found.is_empty() {
            return Err(Failure::new(reply::LOCAL_FAULT, "leads only to itself"));
        }
        Ok(found)
    }

    fn start(&self, path: &ForwardPath, steps: &mut Vec<Step>) -> Mailbox {
        match path {
            ForwardPath::Mailbox(mailbox) => self.names.fold(mailbox),
            ForwardPath::Postmaster => {
                steps.push(Step::Postmaster(self.postmaster.clone()));
                self.postmaster.clone()
            }
        }
    }

    fn host(&self, address: &Mailbox, steps: &mut Vec<Step>) -> Result<Ours<'_>, Failure> {
        let domain = address.domain();
        let Some(host) = self.hosts.find(address) else {
            steps.push(Step::ForeignHost(domain.clone()));
            let cause = format!("no pattern of recipients.hosts matches {domain}");
            return Err(Failure::new(reply::RELAYING_DENIED, cause));
        };
        steps.push(Step::Host {
            domain: domain.clone(),
            pattern: host.pattern.map(str::to_owned),
            captures: host.captures.clone(),
        });
        Ok(host)
    }

    /// What a folded address stands for, and in which form it does: with its
    /// detail or without. A user with exactly that name comes before an alias
    /// of the name without detail.
    pub(super) fn alias(&self, address: &Mailbox) -> Option<(Mailbox, &[Mailbox])> {
        if let Some(targets) = self.aliases.get(address) {
            return Some((address.clone(), targets));
        }
        if self.is_listed(address) {
            return None;
        }
        let (user, _) = self.divide(address);
        let targets = self.aliases.get(&user)?;
        Some((user, targets))
    }

    fn is_listed(&self, address: &Mailbox) -> bool {
        self.users
            .listed()
            .is_some_and(|homes| homes.get(address).is_some())
    }

    /// The mailbox without detail, and the detail.
    fn divide<'a>(&self, address: &'a Mailbox) -> (Mailbox, &'a str) {
        match self.names.split(address.local_part()) {
            Some((user, detail)) => (address.with_local_part(user), detail),
            None => (address.clone(), ""),
        }
    }

    /// Whether an address that is no alias leads anywhere.
    pub(super) fn settles(&self, address: &Mailbox) -> bool {
        self.hosts
            .find(address)
            .is_some_and(|host| self.settle(address, &host, &mut Vec::new()).is_ok())
    }

    /// The mailbox of an address that is no alias, or who stands in for it.
    fn settle(
        &self,
        address: &Mailbox,
        host: &Ours<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<Settled, Failure> {
        let (mailbox, detail) = if self.is_listed(address) {
            (address.clone(), "")
        } else {
            self.divide(address)
        };
        if let Some(home) = self.home(&mailbox, host) {
            steps.push(Step::User(mailbox.clone(), self.users.rule()));
            return self.destination(mailbox, detail, home, host);
        }
        if is_postmaster(mailbox.local_part()) {
            if *address != self.postmaster {
                steps.push(Step::Postmaster(self.postmaster.clone()));
                return Ok(Settled::Elsewhere(self.postmaster.clone()));
            }
            steps.push(Step::User(mailbox.clone(), UserRule::Postmaster));
            return self.destination(mailbox, detail, &Home::default(), host);
        }
        if let Some(catch_all) = &self.catch_all {
            steps.push(Step::CatchAll(catch_all.mailbox.clone()));
            return Ok(Settled::Here(Box::new(catch_all.clone())));
        }
        let cause = format!("{mailbox} is not among recipients.users, and there is no catch-all");
        steps.push(Step::UnknownUser(mailbox));
        Err(Failure::new(reply::USER_UNKNOWN, cause))
    }

    fn home(&self, mailbox: &Mailbox, host: &Ours<'_>) -> Option<&Home> {
        // "Everybody" means at the hosts of the patterns. Our own name need not be
        // one of them; its postmaster is only there because there has to be one.
        if self.users.listed().is_none() && host.pattern.is_none() {
            return None;
        }
        self.users.get(mailbox)
    }

    /// The Maildir of a mailbox, behind that of its detail if it has one.
    fn destination(
        &self,
        mailbox: Mailbox,
        detail: &str,
        home: &Home,
        host: &Ours<'_>,
    ) -> Result<Settled, Failure> {
        let path = home.path.as_ref().unwrap_or(&self.path);
        let components = path.render(&Values {
            host: &mailbox.domain().to_string(),
            user: mailbox.local_part(),
            detail,
            captures: &host.captures,
        });
        let components = components.map_err(|name| {
            let cause = format!("nothing supplies {{{name}}} of the path {}", path.text());
            Failure::new(reply::LOCAL_FAULT, cause)
        })?;
        let otherwise = self.stand_in(&mailbox);
        let inbox = Destination {
            location: Location {
                root: path.root().clone(),
                components,
                folder: None,
                owner: home.owner,
                create: !self.users.must_exist() || self.is_last_resort(&mailbox),
                quota: home.quota,
            },
            mailbox,
            captures: host.captures.clone(),
            otherwise: otherwise.cloned().map(Box::new),
        };
        Ok(Settled::Here(Box::new(self.in_folder(inbox, detail))))
    }

    fn in_folder(&self, inbox: Destination, detail: &str) -> Destination {
        if detail.is_empty() || self.folder == DetailFolder::Ignore {
            return inbox;
        }
        Destination {
            mailbox: inbox.mailbox.clone(),
            location: Location {
                folder: Some(encoding::folder(detail)),
                create: self.folder == DetailFolder::Create,
                ..inbox.location.clone()
            },
            captures: inbox.captures.clone(),
            otherwise: Some(Box::new(inbox)),
        }
    }

    /// Whether this is where the postmaster's mail must not get lost.
    pub(super) fn is_last_resort(&self, mailbox: &Mailbox) -> bool {
        self.last_resort
            .as_ref()
            .is_some_and(|last| last.mailbox == *mailbox)
    }

    /// Who takes the mail of a mailbox that must exist and does not.
    fn stand_in(&self, mailbox: &Mailbox) -> Option<&Destination> {
        if !self.users.may_lack() {
            return None;
        }
        let stand_in = if is_postmaster(mailbox.local_part()) {
            self.last_resort.as_ref()
        } else {
            self.catch_all.as_ref()
        };
        stand_in.filter(|other| other.mailbox != *mailbox)
    }
}
