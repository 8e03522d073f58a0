//! What stands for the figures in a program that was built without them. The configuration refuses
//! the section.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::Executor;

use super::{Daemon, StartError};
use crate::disks::Disks;
use crate::server::{Listener, Service, Shutdown};

pub(super) struct Figures;

impl Figures {
    #[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn bind(_: &Daemon) -> Result<Self, StartError> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the other one has an address")]
    pub(super) fn address(&self) -> Option<SocketAddr> {
        None
    }

    #[expect(clippy::unused_self, reason = "the other one starts")]
    pub(super) fn start(
        self,
        _: &Daemon,
        _: (&Arc<Service>, &Arc<Disks>, &[Listener]),
        _: &Arc<Executor<'static>>,
        _: &Shutdown,
    ) {
    }
}
