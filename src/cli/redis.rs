//! Is Redis there, and as mail needs it?

use super::say;
use crate::config::Config;
use crate::redis::{Client, Facts};

/// How much is wrong with Redis, said line by line; none where the configuration has none.
pub(super) fn faults(config: &Config) -> u32 {
    if config.redis.is_none() {
        return 0;
    }
    let client = config.redis_settings().and_then(Client::new);
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            say(&format!("FAULT {error}"));
            return 1;
        }
    };
    let mut faults = 0;
    for (address, facts) in client.facts() {
        match facts {
            Err(fault) => {
                say(&format!("FAULT {fault}"));
                faults += 1;
            }
            Ok(facts) => faults += node(config, &address, &facts),
        }
    }
    faults
}

/// What one Redis tells.
fn node(config: &Config, address: &str, facts: &Facts) -> u32 {
    let version = facts.info("redis_version").unwrap_or("of no version");
    let mut found = Found { address, faults: 0 };
    let is_cluster = facts.info("cluster_enabled") == Some("1");
    let has_cluster = config.redis.as_ref().is_some_and(|redis| redis.cluster);
    if is_cluster && !has_cluster {
        found.fault("it is a node of a cluster; write redis: {cluster: true}");
    }
    if has_cluster && !is_cluster {
        found.fault("it is no node of a cluster; write redis: {cluster: false}");
    }
    if !has_cluster && facts.info("role") == Some("slave") {
        let master = facts.info("master_host").unwrap_or("?");
        let port = facts.info("master_port").unwrap_or("?");
        found.fault(&format!(
            "it is a replica, which takes nothing; write its master: redis: {{address: \"{master}:{port}\"}}"
        ));
    }
    if facts.info("loading") == Some("1") {
        found.warn("it is reading its files, and answers nobody until then");
    }
    bulk(config, facts, &mut found);
    let is_durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
    if is_durable || is_named(config, "Stream") {
        durability(facts, &mut found, is_durable);
        eviction(facts, &mut found);
    }
    if has_cluster && facts.config("cluster-require-full-coverage") == Some("yes") {
        found.warn(
            "while one node is away the others take nothing, either; mend it with: redis-cli config set \
             cluster-require-full-coverage no",
        );
    }
    if is_named(config, "Stream") {
        stream(config, facts, &mut found);
    }
    if found.faults == 0 {
        say(&format!("ok    Redis at {address}: version {version}"));
    }
    found.faults
}

/// Says what is found at one address, and counts.
struct Found<'a> {
    address: &'a str,
    faults: u32,
}

impl Found<'_> {
    fn fault(&mut self, what: &str) {
        self.faults += 1;
        say(&format!("FAULT Redis at {}: {what}", self.address));
    }

    fn warn(&self, what: &str) {
        say(&format!("warn  Redis at {}: {what}", self.address));
    }
}

/// A message is one argument of a command.
fn bulk(config: &Config, facts: &Facts, found: &mut Found<'_>) {
    let most = facts.config("proto-max-bulk-len");
    let most = most.and_then(|most| most.parse::<u64>().ok());
    // The trace fields come on top.
    let needed = config.limits.message_size.octets().saturating_add(100_000);
    if let Some(most) = most.filter(|most| *most < needed) {
        found.fault(&format!(
            "it takes {most} octets at once, and messages may have {needed} with their trace fields; mend \
             it with: redis-cli config set proto-max-bulk-len {needed}"
        ));
    }
}

fn durability(facts: &Facts, found: &mut Found<'_>, is_promised: bool) {
    match (facts.syncs_always(), is_promised) {
        (Some(true), _) => {}
        (Some(false), true) => found.fault(
            "redis.durable promises what it does not keep: mail that was promised is lost when its machine \
             stops; mend it with: redis-cli config set appendonly yes; redis-cli config set appendfsync \
             always; and the same in its configuration",
        ),
        (Some(false), false) => found.warn(
            "what is in its streams may be lost when its machine stops; write appendonly yes and appendfsync \
             always into its configuration",
        ),
        (None, _) => found.warn(
            "it does not tell whether it syncs (CONFIG GET is not allowed); appendonly has to be yes and \
             appendfsync always",
        ),
    }
}

/// Whatever it throws away is mail, or what tells mail that was delivered from mail that was not.
fn eviction(facts: &Facts, found: &mut Found<'_>) {
    let known = |name, line| facts.config(name).or_else(|| facts.info(line));
    let policy = known("maxmemory-policy", "maxmemory_policy").unwrap_or("noeviction");
    let is_limited = known("maxmemory", "maxmemory").is_some_and(|most| most != "0");
    if is_limited && policy != "noeviction" {
        found.fault(&format!(
            "it throws mail away when its memory is full (maxmemory-policy {policy}); mend it with: redis-cli \
             config set maxmemory-policy noeviction"
        ));
    }
}

fn stream(config: &Config, facts: &Facts, found: &mut Found<'_>) {
    let version = facts.info("redis_version").unwrap_or("0");
    if !is_at_least(version, (6, 2)) {
        found.fault("streams need Redis 6.2 or later (XAUTOCLAIM)");
    }
    if config.stream.waitaof && !is_at_least(version, (7, 2)) {
        found.fault(
            "stream.waitaof needs Redis 7.2 or later; leave it out, and write appendfsync always into the \
             configuration of Redis, which then syncs before it answers",
        );
    }
    let replicas = facts.info("connected_slaves");
    let replicas = replicas.and_then(|count| count.parse::<u32>().ok());
    let wanted = config.stream.replicas;
    if replicas.is_some_and(|replicas| replicas < wanted) {
        let replicas = replicas.unwrap_or_default();
        found.fault(&format!(
            "stream.replicas is {wanted}, and it has {replicas}: no mail could be taken"
        ));
    }
}

fn is_at_least(version: &str, least: (u32, u32)) -> bool {
    let mut numbers = version
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let major = numbers.next().unwrap_or_default();
    (major, numbers.next().unwrap_or_default()) >= least
}

fn is_named(config: &Config, processor: &str) -> bool {
    let mut save = config.save.iter();
    save.any(|name| name.trim().eq_ignore_ascii_case(processor))
}
