//! What stands for the endpoint for nginx in a program that was built without it. The
//! configuration refuses the section.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::Executor;

use super::StartError;
use crate::config::Config;
use crate::server::{Listener, Service, Shutdown};

pub(super) struct Endpoint;

impl Endpoint {
    #[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn bind(_: &Config, _: &[Listener]) -> Result<Self, StartError> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the other one has an address")]
    pub(super) fn address(&self) -> Option<SocketAddr> {
        None
    }

    #[expect(clippy::unused_self, reason = "the other one starts")]
    pub(super) fn start(self, _: &Arc<Service>, _: &Arc<Executor<'static>>, _: &Shutdown) {}
}
