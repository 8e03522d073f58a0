//! A file of which a crash leaves what it likes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// Numbers that look random, the same again from the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let end = u64::try_from(end).unwrap();
        usize::try_from((mixed ^ mixed >> 27) % end).unwrap()
    }
}

/// What was written to a place since it was synced.
#[derive(Clone)]
struct Version {
    octets: Vec<u8>,
    /// Not if a sync has failed: then the next one does not write it either.
    is_dirty: bool,
}

/// A file: what is in its place is what the kernel shows.
pub(super) struct Image {
    pub(super) durable: Vec<u8>,
    /// By sector.
    versions: BTreeMap<usize, Vec<Version>>,
}

impl Image {
    pub(super) fn of(path: &Path) -> Self {
        let (durable, versions) = (fs::read(path).unwrap(), BTreeMap::new());
        Self { durable, versions }
    }

    pub(super) fn write(&mut self, octets: &[u8], offset: u64) {
        let first = usize::try_from(offset).unwrap() / SECTOR;
        for (sector, part) in (first..).zip(octets.chunks(SECTOR)) {
            let mut octets = self.newest(sector).to_vec();
            octets[..part.len()].copy_from_slice(part);
            let versions = self.versions.entry(sector).or_default();
            let is_dirty = true;
            versions.push(Version { octets, is_dirty });
        }
    }

    fn newest(&self, sector: usize) -> &[u8] {
        let versions = self.versions.get(&sector);
        let newest = versions.and_then(|versions| versions.last());
        newest.map_or_else(|| self.durable(sector), |it| &it.octets)
    }

    fn durable(&self, sector: usize) -> &[u8] {
        &self.durable[sector * SECTOR..][..SECTOR]
    }

    pub(super) fn sync(&mut self, is_well: bool) {
        for (sector, mut versions) in std::mem::take(&mut self.versions) {
            match versions.last() {
                Some(newest) if is_well && newest.is_dirty => {
                    self.durable[sector * SECTOR..][..SECTOR].copy_from_slice(&newest.octets);
                }
                _ => {
                    for version in &mut versions {
                        version.is_dirty = false;
                    }
                    self.versions.insert(sector, versions);
                }
            }
        }
    }

    /// What is there when the power comes back.
    pub(super) fn cut(&mut self, dice: &mut Dice) {
        let (way, all) = (dice.below(4), dice.below(2) * usize::MAX);
        let mut of_block = BTreeMap::new();
        for (sector, versions) in std::mem::take(&mut self.versions) {
            let mut any = || dice.below(versions.len() + 1);
            let number = match way {
                0 => all.min(versions.len()),
                // Blocks are not torn.
                1 => *of_block.entry(sector / 8).or_insert_with(any),
                _ => any(),
            };
            if let Some(index) = number.min(versions.len()).checked_sub(1) {
                let octets = &versions[index].octets;
                self.durable[sector * SECTOR..][..SECTOR].copy_from_slice(octets);
            }
        }
    }
}
