//! The processors of this crate, as the configuration has them.

use std::sync::Arc;

use crate::chain::Registry;
use crate::config::Config;
use crate::disks::Disks;
use crate::maildir::Store;
use crate::processor::{Compressor, Debugger, Hasher, Header, HeadersParser, MailDir, Wildcard};
use crate::recipients::HostPatterns;

/// The processors of this crate, with their settings.
pub(super) fn registry(config: &Config, store: &Arc<Store>, disks: &Arc<Disks>) -> Registry {
    let mut registry = Registry::default();
    let hops = config.limits.hops;
    registry.add("HeadersParser", || Ok(Arc::new(HeadersParser::default())));
    registry.add("Hasher", || Ok(Arc::new(Hasher)));
    let delivered_to_host = config.delivered_to_host();
    registry.add("Header", move || {
        let header = Header::new(hops).delivered_to_host(delivered_to_host.clone());
        Ok(Arc::new(header))
    });
    let shown_at = super::logging::level(config.debugger.level).to_level();
    registry.add("Debugger", move || {
        Ok(Arc::new(
            shown_at.map_or_else(Debugger::default, Debugger::at),
        ))
    });
    let level = config.compressor.level;
    registry.add("Compressor", move || Ok(Arc::new(Compressor::new(level))));
    let hosts = config.wildcard_hosts();
    registry.add("Wildcard", move || {
        let hosts = hosts
            .as_ref()
            .ok_or("wildcard.hosts is missing: the list of host patterns that Wildcard accepts")?;
        let patterns =
            HostPatterns::new(hosts).map_err(|error| format!("wildcard.hosts: {error}"))?;
        Ok(Arc::new(Wildcard::new(patterns)))
    });
    let (store, disks) = (Arc::clone(store), Arc::clone(disks));
    let line_ends = config.line_ends();
    let max_folders = config.recipients.subaddress.max_folders;
    let single_instance = config.maildir.single_instance;
    registry.add("MailDir", move || {
        let (store, disks) = (Arc::clone(&store), Arc::clone(&disks));
        let processor = MailDir::new(store, disks, line_ends, max_folders);
        Ok(Arc::new(processor.single_instance(single_instance)))
    });
    registry
}
