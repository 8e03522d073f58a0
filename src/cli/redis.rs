//! Is Redis there, and as mail needs it?

use super::say;
use crate::config::Config;
use crate::redis::{Client, Endpoint, Facts, Settings};

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
    for (endpoint, facts) in client.facts() {
        match facts {
            Err(fault) => {
                say(&format!("FAULT {fault}"));
                faults += 1;
            }
            Ok(facts) => {
                let found = Found {
                    address: endpoint.to_string(),
                    set: setting(client.settings(), endpoint),
                    faults: 0,
                };
                faults += node(config, found, &facts);
            }
        }
    }
    faults
}

/// The command that sets a key of this Redis, without its name and value; it asks for the password.
fn setting(settings: &Settings, endpoint: &Endpoint) -> String {
    let place = match endpoint {
        Endpoint::Unix(path) => format!("-s {}", path.display()),
        Endpoint::Tcp(host, port) if settings.tls.is_some() => format!("-h {host} -p {port} --tls"),
        Endpoint::Tcp(host, port) => format!("-h {host} -p {port}"),
    };
    let user = settings.user.as_ref().map(|user| format!("--user {user}"));
    let password = settings.password.as_ref().map(|_| "--askpass".to_owned());
    let options: Vec<String> = [Some(place), user, password]
        .into_iter()
        .flatten()
        .collect();
    format!("redis-cli {} config set", options.join(" "))
}

/// What one Redis tells.
fn node(config: &Config, mut found: Found, facts: &Facts) -> u32 {
    let version = facts.info("redis_version").unwrap_or("of no version");
    shape(config, facts, &mut found);
    if facts.info("loading") == Some("1") {
        found.warn("it is reading its files, and answers nobody until then");
    }
    bulk(config, facts, &mut found);
    let is_durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
    if is_durable || is_named(config, "Stream") {
        durability(facts, &mut found, is_durable);
        eviction(facts, &mut found);
    }
    let has_cluster = config.redis.as_ref().is_some_and(|redis| redis.cluster);
    if has_cluster && facts.config("cluster-require-full-coverage") == Some("yes") {
        let set = &found.set;
        found.warn(&format!(
            "while one node is away the others take nothing, either; mend it with: {set} \
             cluster-require-full-coverage no"
        ));
    }
    if is_named(config, "Stream") {
        stream(config, facts, &mut found);
    }
    if found.faults == 0 {
        let address = &found.address;
        say(&format!("ok    Redis at {address}: version {version}"));
    }
    found.faults
}

/// Whether it is a node of a cluster, or a replica, and whether the configuration says so.
fn shape(config: &Config, facts: &Facts, found: &mut Found) {
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
}

/// Says what is found at one address, and counts.
struct Found {
    address: String,
    /// What a key of its configuration is set with.
    set: String,
    faults: u32,
}

impl Found {
    fn fault(&mut self, what: &str) {
        self.faults += 1;
        say(&format!("FAULT Redis at {}: {what}", self.address));
    }

    fn warn(&self, what: &str) {
        say(&format!("warn  Redis at {}: {what}", self.address));
    }
}

/// A message is one argument of a command.
fn bulk(config: &Config, facts: &Facts, found: &mut Found) {
    let most = facts.config("proto-max-bulk-len");
    let most = most.and_then(|most| most.parse::<u64>().ok());
    // The trace fields come on top.
    let needed = config.limits.message_size.octets().saturating_add(100_000);
    if let Some(most) = most.filter(|most| *most < needed) {
        let set = &found.set;
        found.fault(&format!(
            "it takes {most} octets at once, and messages may have {needed} with their trace fields; mend \
             it with: {set} proto-max-bulk-len {needed}"
        ));
    }
}

fn durability(facts: &Facts, found: &mut Found, is_promised: bool) {
    let set = &found.set;
    match (facts.syncs_always(), is_promised) {
        (Some(true), _) => {}
        (Some(false), true) => found.fault(&format!(
            "redis.durable promises what it does not keep: mail that was promised is lost when its machine \
             stops; mend it with: {set} appendonly yes; {set} appendfsync always; and the same in its configuration"
        )),
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
fn eviction(facts: &Facts, found: &mut Found) {
    let known = |name, line| facts.config(name).or_else(|| facts.info(line));
    let policy = known("maxmemory-policy", "maxmemory_policy").unwrap_or("noeviction");
    let is_limited = known("maxmemory", "maxmemory").is_some_and(|most| most != "0");
    if is_limited && policy != "noeviction" {
        let set = &found.set;
        found.fault(&format!(
            "it throws mail away when its memory is full (maxmemory-policy {policy}); mend it with: {set} \
             maxmemory-policy noeviction"
        ));
    }
}

fn stream(config: &Config, facts: &Facts, found: &mut Found) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Tls;

    #[test]
    fn commands_lead_to_the_redis_that_is_meant() {
        let tcp = |host: &str| Endpoint::Tcp(host.into(), 6390);
        let plain = |endpoint: Endpoint| Settings::at(endpoint);
        let guarded = |endpoint| Settings {
            tls: Some(Tls::default()),
            user: Some("mail".into()),
            password: Some("tops3cret".into()),
            ..Settings::at(endpoint)
        };
        for (settings, command) in [
            (plain(tcp("::1")), "redis-cli -h ::1 -p 6390 config set"),
            (
                plain(Endpoint::Unix("/run/redis/s".into())),
                "redis-cli -s /run/redis/s config set",
            ),
            (
                guarded(tcp("redis.example.org")),
                "redis-cli -h redis.example.org -p 6390 --tls --user mail --askpass config set",
            ),
        ] {
            assert_eq!(setting(&settings, &settings.endpoints[0]), command);
        }
    }
}
