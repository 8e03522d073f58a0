//! What is done with the files of a log while it is used: between any two of these calls, and in the
//! middle of one, a crash can come.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::fdatasync;
use rustix::io::{pread, pwrite, pwritev, retry_on_intr};

/// Slices for one `pwritev`.
const SLICES_AT_ONCE: usize = 1024;

/// Reads until `octets` are full or the file ends, and says how many it got.
pub(super) fn read_at(file: impl AsFd, octets: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < octets.len() {
        match retry_on_intr(|| pread(&file, &mut octets[read..], offset + read as u64))? {
            0 => break,
            some => read += some,
        }
    }
    Ok(read)
}

/// Writes all `slices`, one behind the other.
pub(super) fn write_at(file: &OwnedFd, slices: &[&[u8]], offset: u64) -> io::Result<()> {
    #[cfg(test)]
    if let Some(outcome) = witness::asked(file, Some((slices, offset))) {
        return outcome;
    }
    let (mut offset, slices) = (offset, slices.iter());
    let mut slices: Vec<IoSlice<'_>> = slices.map(|slice| IoSlice::new(slice)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let some = &rest[..rest.len().min(SLICES_AT_ONCE)];
        let written = retry_on_intr(|| match some {
            [one] => pwrite(file, one, offset),
            some => pwritev(file, some, offset),
        })?;
        if written == 0 && some.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// Makes durable what was written; the sizes of files were before.
pub(super) fn sync(file: &OwnedFd) -> io::Result<()> {
    #[cfg(test)]
    if let Some(outcome) = witness::asked(file, None) {
        return outcome;
    }
    Ok(fdatasync(file)?)
}

/// Who does it instead, in tests.
#[cfg(test)]
pub(super) mod witness {
    use std::cell::RefCell;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::rc::Rc;

    /// What is to be written, and where; nothing when it is to be synced.
    type Write<'a> = Option<(&'a [&'a [u8]], u64)>;
    type Witness = dyn Fn(&OwnedFd, Write<'_>) -> io::Result<()>;

    thread_local! {
        /// The one of this thread.
        pub(in super::super) static WITNESS: RefCell<Option<Rc<Witness>>> = const { RefCell::new(None) };
    }

    pub(super) fn asked(file: &OwnedFd, write: Write<'_>) -> Option<io::Result<()>> {
        let witness = WITNESS.with_borrow(Clone::clone)?;
        Some(witness(file, write))
    }
}
