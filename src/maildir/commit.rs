//! From staged to committed: all copies of a message, or none.

use std::collections::HashSet;
use std::io;

use super::Names;
use super::bundle::{Packed, Written};
use super::flush::Flush;
use super::handle::sync_folder;
use super::lane::Lanes;
use super::staged::{Staged, State};
use super::threads::in_threads;

/// What is larger than this is awaited apart: others shall not wait for it in their batch.
const LARGE: u64 = 256 * 1024;

/// Makes visible what is in `tmp/`: in company where one sync is enough for many folders.
pub(super) fn publish(staged: &mut Vec<Staged>, lanes: &Lanes, names: &Names) -> io::Result<()> {
    match sole_lane(staged) {
        Some(device) => {
            finish(staged.iter_mut().filter(|one| one.octets > LARGE))?;
            lanes.of(device).commit(staged, names)
        }
        None => publish_alone(staged, names),
    }
}

/// Makes files durable.
fn finish<'a>(staged: impl Iterator<Item = &'a mut Staged>) -> io::Result<()> {
    let files: Vec<_> = staged.filter_map(|one| one.file.take()).collect();
    let outcomes = in_threads(files, |open| open.file.finish());
    outcomes.into_iter().collect()
}

/// The device that all messages are on, if the commits there go together.
fn sole_lane(staged: &[Staged]) -> Option<u64> {
    let is_waiting = |one: &&Staged| one.state == State::Tmp || one.is_packed();
    let mut waiting = staged.iter().filter(is_waiting);
    let first = waiting.next()?;
    let device = first.maildir.identity.0;
    let shares = |one: &Staged| {
        one.sync && one.maildir.flush == Flush::WriteBack && one.maildir.identity.0 == device
    };
    (shares(first) && waiting.all(shares)).then_some(device)
}

/// Goes through the steps for the copies of one message, on any file system and on several: each
/// step is done for all before the next one begins.
fn publish_alone(staged: &mut [Staged], names: &Names) -> io::Result<()> {
    let mut bundles = Vec::new();
    while let Some(next) = staged.iter().find_map(Staged::bundles).cloned() {
        let packed = staged.iter_mut().filter_map(|one| one.packed_for(&next));
        bundles.extend(next.write(&mut packed.collect::<Vec<&mut Packed>>())?);
    }
    finish(staged.iter_mut())?;
    // The sync of a folder may be that of another disk.
    bundles.iter().try_for_each(Written::sync)?;
    staged.iter_mut().try_for_each(|one| one.link(names))?;
    sync_folders(staged)?;
    bundles.iter().try_for_each(Written::show)?;
    bundles.into_iter().for_each(Written::close);
    staged.iter_mut().for_each(Staged::shown);
    Ok(())
}

/// Removes what a failed commit has left. All of this is best effort, the error is already on its
/// way.
pub(super) fn withdraw(staged: &mut [Staged]) {
    for one in staged.iter_mut() {
        if matches!(one.state, State::Tmp | State::Held) {
            let _ = one.withdraw();
        }
    }
    for one in staged.iter_mut() {
        if matches!(one.state, State::Linked | State::Recorded) {
            let _ = one.revoke();
        }
    }
}

/// Syncs every distinct `new/` of the linked messages once.
fn sync_folders(staged: &[Staged]) -> io::Result<()> {
    let mut seen = HashSet::new();
    let folders: Vec<_> = staged
        .iter()
        .filter(|one| one.sync && one.state == State::Linked && seen.insert(one.maildir.identity))
        .map(|one| &one.maildir.new)
        .collect();
    in_threads(folders, |folder| Ok(sync_folder(folder)?))
        .into_iter()
        .collect()
}
