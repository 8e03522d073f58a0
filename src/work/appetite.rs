//! How much is taken at once, when nobody knows how large it will be.

/// Octets that may come in at once, if what comes is as large as what came.
const BUDGET: usize = 64 << 20;
/// Messages that are taken at once, at most.
const MOST: usize = 16;

/// The size of what is expected: that of the largest message of late.
#[derive(Debug)]
pub(super) struct Appetite {
    largest: usize,
    turn: usize,
    /// Partitions that were asked since something came.
    in_vain: usize,
}

impl Appetite {
    /// Careful at first: messages may have as many octets.
    pub(super) fn new(message_size: u64) -> Self {
        Self {
            largest: usize::try_from(message_size).unwrap_or(BUDGET),
            turn: 0,
            in_vain: 0,
        }
    }

    /// Which of the partitions are asked now, each for so many messages; `room` in all.
    pub(super) fn helping(&mut self, partitions: &[u16], room: usize) -> (Vec<u16>, usize) {
        let most = (BUDGET / self.largest.max(1)).clamp(1, MOST).min(room);
        if most >= partitions.len() {
            return (partitions.to_vec(), most / partitions.len().max(1));
        }
        // In turn, so that none is forgotten.
        let from = self.turn % partitions.len();
        self.turn = from + most;
        let chosen = partitions.iter().cycle().skip(from).take(most);
        (chosen.copied().collect(), 1)
    }

    /// What came from so many partitions; the memory of something large fades.
    pub(super) fn had(&mut self, asked: usize, sizes: impl Iterator<Item = usize>) {
        let largest = sizes.max();
        self.in_vain = match largest {
            Some(_) => 0,
            None => self.in_vain.saturating_add(asked),
        };
        self.largest = largest.unwrap_or_default().max(self.largest / 2);
    }

    /// Whether nothing came from any of the partitions, which are so many.
    pub(super) fn has_asked(&self, partitions: usize) -> bool {
        self.in_vain >= partitions
    }
}
