//! How much waits in a queue, without looking into letters.

use std::io;

use super::Queue;
use super::queue::names;

/// How much waits in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Letters that wait or are under way.
    pub letters: u64,
    /// When the oldest was put there, in seconds since 1970.
    pub oldest: Option<u64>,
}

impl Queue {
    /// Counts the letters by their names.
    ///
    /// # Errors
    ///
    /// Those of the kernel. A queue that is not there is empty.
    pub fn census(&self) -> io::Result<Census> {
        let mut census = Census::default();
        census.add(&names(&self.letters_folder())?);
        for bundle in self.bundles()? {
            census.add(&self.look(&bundle, 0)?.names);
        }
        Ok(census)
    }
}

impl Census {
    fn add(&mut self, names: &[String]) {
        for time in names.iter().filter_map(|name| Queue::time(name)) {
            let time = time / 1000;
            self.letters += 1;
            self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
        }
    }
}
