//! What is done again and again, as long as a configuration says so: Maildirs are swept, and
//! certificates looked at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smol::{Executor, Task};

use super::generation::Generation;
use super::roots;

/// Ends when it is dropped.
#[derive(Default)]
pub(super) struct Upkeep {
    /// What is swept, and when.
    plan: Option<(Vec<Vec<Arc<Path>>>, Duration)>,
    sweeps: Vec<Task<()>>,
    certificates: Option<Task<()>>,
}

impl Upkeep {
    /// Does what this configuration says.
    pub(super) fn set(&mut self, generation: &Generation, executor: &Executor<'static>) {
        let disks = generation.disks.roots().map(<[_]>::to_vec);
        let plan = (disks.collect(), generation.config.maildir.sweep_after.get());
        // A sweep begins at once; what was swept today need not be swept again.
        if self.plan.as_ref() != Some(&plan) {
            let (disks, age) = &plan;
            let disks = disks.iter().cloned();
            let sweep = |roots| executor.spawn(roots::sweep(roots, *age));
            self.sweeps = disks.map(sweep).collect();
            self.plan = Some(plan);
        }
        self.certificates = Some(executor.spawn(generation.offers.clone().keep_fresh()));
    }
}
