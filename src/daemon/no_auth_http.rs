//! What stands for the endpoint for nginx in a program that was built without it. The
//! configuration refuses the section.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::Executor;

use super::StartError;
use crate::config::Config;
use crate::server::{Listener, Service, Shutdown};

#[derive(Default)]
pub(super) struct Endpoint;

pub(super) struct Plan;

#[expect(clippy::unused_self, reason = "as the real one")]
impl Endpoint {
    #[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn plan(&self, _: &Config, _: &[Listener]) -> Result<Plan, StartError> {
        Ok(Plan)
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        None
    }

    #[expect(clippy::unused_async, reason = "the other one waits")]
    pub(super) async fn carry_out(
        &mut self,
        _: Plan,
        _: &Arc<Service>,
        _: &Arc<Executor<'static>>,
        _: &Shutdown,
    ) {
    }
}
