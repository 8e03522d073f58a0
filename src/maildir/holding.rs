//! Messages that are kept in memory until the commit: they go into a log, or into a bundle.

use std::io;
use std::sync::Arc;

use super::bundle::Bundles;
use super::file::{Attributes, create, write as write_file};
use super::handle::Maildir;
use super::journal::Refusal;
use super::staged::{Held, Staged, State};
use super::{Location, Message, Store};
use crate::locks::read;

impl Store {
    /// As [`stage`](Self::stage), for a message that may go into one of `bundles`. They are on the file system of
    /// the Maildir at `location`, where it goes if it is large, or has to go into a log.
    ///
    /// # Errors
    ///
    /// As those of [`stage`](Self::stage).
    pub fn stage_bundled(
        &self,
        location: &Location,
        message: &Message<'_>,
        bundles: &Arc<Bundles>,
    ) -> io::Result<Staged> {
        location.check()?;
        let maildir = self.maildirs.get(location)?;
        if let Some(staged) = self.hold(location, message, &maildir) {
            return Ok(staged);
        }
        let Some(packed) = bundles.pack(message, self.flush(&maildir))? else {
            return self.stage(location, message);
        };
        let sizes = (message.octets(), message.crlf_size);
        let mut staged = self.in_tmp(location, maildir, packed.name(), sizes);
        (staged.state, staged.packed) = (State::Held, Some(packed));
        Ok(staged)
    }

    /// Keeps a message in memory, if there is a log for it with room.
    pub(super) fn hold(
        &self,
        location: &Location,
        message: &Message<'_>,
        maildir: &Arc<Maildir>,
    ) -> Option<Staged> {
        let journal = read(&self.journals).get(&location.root).map(Arc::clone)?;
        let (octets, crlf_octets) = (message.octets(), message.crlf_size);
        let name = self.names.next(octets, crlf_octets);
        let entry = journal.entry(location, message, name.clone(), self.settings.file_mode)?;
        Some(Staged {
            maildir: Arc::clone(maildir),
            name,
            octets,
            crlf_octets,
            owner: location.owner.unwrap_or(self.own),
            state: State::Held,
            file: None,
            sync: true,
            record: Some(Held {
                journal,
                entry,
                number: None,
            }),
            packed: None,
        })
    }

    /// Puts messages into their logs: those of one log in one record.
    pub(super) fn record(&self, staged: &mut [Staged]) -> io::Result<()> {
        let held = |one: &Staged| one.state == State::Held;
        while let Some(journal) = staged
            .iter()
            .filter(|one| held(one))
            .find_map(Staged::journal)
        {
            let copies = staged.iter_mut().filter(|one| held(one));
            let mut copies: Vec<_> = copies.filter(|one| one.is_for(&journal)).collect();
            let entries = copies.iter().filter_map(|copy| copy.entry()).collect();
            match journal.append(entries) {
                Ok(first) => {
                    for (copy, index) in copies.iter_mut().zip(0..) {
                        copy.recorded(first.plus(index));
                    }
                }
                Err(Refusal::Unknown(error)) => return Err(error),
                Err(Refusal::Unwritten) => {
                    for copy in copies {
                        self.write_out(copy)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a message that a log has no room for into `tmp/` after all.
    fn write_out(&self, staged: &mut Staged) -> io::Result<()> {
        let Some(entry) = staged.entry() else {
            return Ok(());
        };
        let attributes = Attributes {
            mode: entry.mode,
            owner: entry.location.owner.filter(|owner| *owner != self.own),
            flush: self.flush(&staged.maildir),
        };
        let file = create(&staged.maildir.tmp, &staged.name, entry.mode)?;
        staged.state = State::Tmp;
        let file = write_file(file, &[&entry.head, &entry.body.octets], None, attributes)?;
        self.keep_open(staged, file)
    }
}
