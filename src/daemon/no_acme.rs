//! What stands for ACME in a program that was built without it; the configuration has refused it.

use std::sync::Arc;

use smol::{Executor, Task};

use super::StartError;
use crate::config::Config;
use crate::health::Health;
use crate::server::PassedSockets;
use crate::tls::{Certificates, TlsError};

#[derive(Clone, Debug, Default)]
pub(super) struct Acme;

pub(super) type Made = Result<Acme, (String, TlsError)>;

pub(super) struct Doors;

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "as the real one"
)]
impl Acme {
    pub(super) fn new(_: &Config) -> Made {
        Ok(Self)
    }

    pub(super) fn next(&self, _: &Config, _: &Config) -> Option<Made> {
        Some(Ok(Self))
    }

    pub(super) fn is(&self, _: &Self) -> bool {
        true
    }

    pub(super) fn certificates(&self) -> Option<Arc<dyn Certificates>> {
        None
    }

    pub(super) fn doors(&self, _: &Config, _: &mut PassedSockets) -> Result<Doors, StartError> {
        Ok(Doors)
    }

    pub(super) fn start(&self, _: Doors, _: &Executor<'static>, _: &Health) -> Vec<Task<()>> {
        Vec::new()
    }
}
