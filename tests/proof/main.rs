//! The proof of the promise: a message that was answered with 250 is in the Maildir of every
//! recipient, whole, after `kill -9`, after a power cut, and whatever the kernel says on the way.
//!
//! | file | what happens to the receiver |
//! |---|---|
//! | `kill` | `kill -9` at any moment |
//! | `power` | the power is cut: what the file system had not committed is gone |
//! | `cache` | the power is cut: what the disk had only in its cache is gone as well |
//! | `calls` | each system call of a delivery fails |
//! | `between` | `kill -9` just before each system call of a delivery |
//! | `full` | disks, inodes, quotas and limits are really used up |
//! | `ill` | the syncs of a disk fail again and again |
//! | `hung` | a disk does not answer any more |
//! | `large` | a disk does not answer, and messages are too large for the memory |
//! | `gone` | Maildirs are removed, moved and replaced while mail arrives |
//! | `queue` | letters wait for an application that is down: a full disk, a power cut |
//!
//! The rest are tools: `load` sends, and writes down what was promised; `audit` compares it with
//! what is there. Every proof that can come to nothing has a control beside it: with less
//! durability the same machinery must find mail lost.
//!
//! Most of this mounts file systems and needs root: `sudo tests/run`. With `MAIASAURA_PROOF=long`
//! the loops run about twenty times as long; `tests/long` does that and writes a report.

mod audit;
mod between;
mod cache;
mod calls;
mod client;
mod full;
mod gone;
mod hung;
mod ill;
mod kill;
mod large;
mod letter;
mod load;
mod power;
mod program;
mod queue;
mod server;
mod strace;
mod volume;
