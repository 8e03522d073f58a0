//! What stands for the figures in a program that was built without them. The configuration refuses
//! the section.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::Executor;

use super::StartError;
use super::generation::{Generation, Parts};
use crate::config::Config;
use crate::server::{Listener, Service, Shutdown};

#[derive(Default)]
pub(super) struct Figures;

pub(super) struct FiguresPlan;

#[expect(clippy::unused_self, reason = "as the real one")]
impl Figures {
    #[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn plan(&self, _: &Config) -> Result<FiguresPlan, StartError> {
        Ok(FiguresPlan)
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        None
    }

    #[expect(clippy::unused_async, reason = "the other one waits")]
    pub(super) async fn carry_out(
        &mut self,
        _: FiguresPlan,
        _: (&Generation, &Parts),
        _: (&Arc<Service>, &[Listener]),
        _: (&Arc<Executor<'static>>, &Shutdown),
    ) {
    }
}
