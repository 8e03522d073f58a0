//! Whether all the settings together hold: every address leads somewhere.

use std::collections::{BTreeMap, HashSet};

use super::Recipients;
use super::load::NOT_AN_ADDRESS;
use super::settings::{SettingError, Settings};
use crate::envelope::Destination;
use crate::failure::Failure;
use crate::smtp::address::{ForwardPath, Mailbox};

impl Recipients {
    /// Follows what only all settings together can say, and appoints who stands in for others.
    pub(super) fn check(
        &mut self,
        settings: &Settings,
        at_own_name: &Mailbox,
    ) -> Result<(), SettingError> {
        self.refuse_loops(&settings.aliases)?;
        self.appoint_postmaster(at_own_name)?;
        self.appoint_catch_all(settings.catch_all.as_deref())?;
        self.refuse_dead_ends(&settings.aliases)
    }

    /// Every alias must come to an end.
    fn refuse_loops(&self, settings: &BTreeMap<String, Vec<String>>) -> Result<(), SettingError> {
        let mut finished = HashSet::new();
        for (text, targets) in settings {
            for (index, target) in targets.iter().enumerate() {
                let Ok(start) = self.names.address(target) else {
                    continue;
                };
                if let Some(again) = self.find_loop(start, &mut finished) {
                    let key = format!("recipients.aliases.{text}[{index}]");
                    let message =
                        format!("leads to {again}, which leads back to itself; break the loop");
                    return Err(SettingError::new(key, target, message));
                }
            }
        }
        Ok(())
    }

    /// Follows aliases depth first, without recursion, since a chain of them may be long.
    fn find_loop(&self, start: Mailbox, finished: &mut HashSet<Mailbox>) -> Option<Mailbox> {
        let mut open = HashSet::new();
        let mut pending = vec![(start, false)];
        while let Some((address, is_done)) = pending.pop() {
            if is_done {
                open.remove(&address);
                finished.insert(address);
                continue;
            }
            if finished.contains(&address) {
                continue;
            }
            if !open.insert(address.clone()) {
                return Some(address);
            }
            let targets = self.alias(&address);
            pending.push((address, true));
            if let Some((itself, targets)) = targets {
                let others = targets.iter().filter(|target| **target != itself);
                pending.extend(others.map(|target| (target.clone(), false)));
            }
        }
        None
    }

    /// Every target must have a mailbox, or mail for it would be lost.
    fn refuse_dead_ends(
        &self,
        settings: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), SettingError> {
        for (text, targets) in settings {
            for (index, target) in targets.iter().enumerate() {
                let leads_on = self
                    .names
                    .address(target)
                    .is_ok_and(|address| self.leads_on(&address));
                if !leads_on {
                    let key = format!("recipients.aliases.{text}[{index}]");
                    let message = "has no mailbox; add it to recipients.users, or take it away";
                    return Err(SettingError::new(key, target, message));
                }
            }
        }
        Ok(())
    }

    fn leads_on(&self, address: &Mailbox) -> bool {
        match self.alias(address) {
            Some((itself, targets)) if !targets.contains(&itself) => true,
            _ => self.settles(address),
        }
    }

    /// Makes sure that mail for the postmaster, also that at our own name, finds its way.
    fn appoint_postmaster(&mut self, at_own_name: &Mailbox) -> Result<(), SettingError> {
        const KEY: &str = "recipients.postmaster";
        let appointed = self.postmaster.clone();
        for address in [&appointed, at_own_name] {
            let path = ForwardPath::Mailbox(address.clone());
            if let Err(failure) = self.route(&path, &mut Vec::new()) {
                return Err(no_mailbox(KEY, address, &failure));
            }
        }
        if self.users.may_lack() {
            self.last_resort = Some(self.single(KEY, &appointed)?);
            // Once more: now it is known that this one may be made.
            self.last_resort = Some(self.single(KEY, &appointed)?);
        }
        Ok(())
    }

    fn appoint_catch_all(&mut self, text: Option<&str>) -> Result<(), SettingError> {
        const KEY: &str = "recipients.catch_all";
        let Some(text) = text else { return Ok(()) };
        let address = self
            .names
            .address(text)
            .map_err(|_| SettingError::new(KEY, text, NOT_AN_ADDRESS))?;
        self.catch_all = Some(self.single(KEY, &address)?);
        Ok(())
    }

    /// The one mailbox an address leads to.
    fn single(&self, key: &str, address: &Mailbox) -> Result<Destination, SettingError> {
        let path = ForwardPath::Mailbox(address.clone());
        let mut found = self
            .route(&path, &mut Vec::new())
            .map_err(|failure| no_mailbox(key, address, &failure))?;
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(SettingError::new(
                key,
                address.to_string(),
                "stands for several mailboxes; name one",
            )),
        }
    }
}

fn no_mailbox(key: &str, address: &Mailbox, failure: &Failure) -> SettingError {
    let cause = failure.cause.as_deref().unwrap_or("it leads nowhere");
    let message = format!("has no mailbox ({cause}); name one that has");
    SettingError::new(key, address.to_string(), message)
}
