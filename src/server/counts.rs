//! What is counted over all configurations: who is here counts, whichever of them it began with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread;

use smol::lock::Semaphore;

use super::limits::Places;
use super::logins::Refused;
use crate::envelope::Ids;

/// Counts that a server goes on with when its configuration is changed. Limits, which a
/// configuration sets, share them.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Connections.
    pub(super) places: Arc<Mutex<Places>>,
    /// Octets of mail.
    pub(super) in_flight: Arc<AtomicU64>,
    /// Threads that wait for a client on the spot.
    pub(super) lingering: Arc<AtomicUsize>,
    /// Refused logins.
    pub(super) refused: Arc<Mutex<HashMap<IpAddr, Refused>>>,
    /// Checks of passwords that are under way.
    pub(super) checks: Arc<Semaphore>,
    /// Names for messages.
    pub ids: Arc<Ids>,
}

impl Default for Counts {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            places: Arc::default(),
            in_flight: Arc::default(),
            lingering: Arc::default(),
            refused: Arc::default(),
            checks: Arc::new(Semaphore::new(cores)),
            ids: Arc::default(),
        }
    }
}
