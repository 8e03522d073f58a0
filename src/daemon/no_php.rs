//! What stands for the PHP application in a program that was built without FastCGI.

use std::sync::Arc;

use super::handing::{Consumers, Queues};
use crate::chain::Registry;
use crate::config::Config;
use crate::maildir::Store;

pub(super) struct Php;

impl Php {
    pub(super) fn new(_: &Config, _: Option<&Self>) -> Self {
        Self
    }

    pub(super) fn add_consumer(&self, _: &Config, _: &Arc<Store>, _: &mut Consumers) {}

    pub(super) fn register(&self, registry: &mut Registry, _: &Config, _: &Queues<'_>) {
        registry.add("FastCGI", || {
            Err("FastCGI is not in this build: build with `--features fastcgi`".into())
        });
    }
}
