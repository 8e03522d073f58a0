//! Which workers go on when the configuration is another one.

use tempfile::TempDir;

use super::super::generation::{Generation, Parts};
use super::*;
use crate::config::{Config, Environment, Source};

/// Every processor that may have a queue, with one.
const ALL: &str = "
recipients: {hosts: [example.org]}
save: Hasher|Header|MailDir|FastCGI|Redis|MySQL|GuerrillaDbRedis
maildir: {path: '${ROOT}/{host}/{user}', durability: none}
compressor: {level: 6}
spool: {at_once: 4}
fastcgi: {address: 'unix:/nonexistent/php', script: /app/a.php, timeout: 20s}
redis: {address: 'unix:/nonexistent/redis', delivery: queued, prefix: 'a:', durable: false}
mysql: {address: 'unix:/nonexistent/mysql', user: u, database: d, delivery: queued, timeout: 5s}
";
const QUEUES: [&str; 4] = ["fastcgi", "redis", "mysql", "guerrilladbredis"];

fn generation(
    yaml: &str,
    folder: &TempDir,
    parts: &Parts,
    before: Option<&Generation>,
) -> Generation {
    let root = ("ROOT".to_owned(), folder.path().display().to_string());
    let environment: Environment = [root].into_iter().collect();
    let config = Config::parse(yaml, "test", &environment).expect("it can be read");
    let made = Generation::new(config, &Source::default(), parts, before);
    made.expect("it can be made").0
}

/// The queues whose worker goes on with the same job.
fn kept(before: &[Job], after: &[Job]) -> Vec<String> {
    let goes_on = |known: &Job, job: &Job| is_for_same_queue(known, job) && is_same(known, job);
    let is_kept = |job: &&Job| before.iter().any(|known| goes_on(known, job));
    let names = after.iter().filter(is_kept).map(|job| job.queue.name());
    names.map(str::to_owned).collect()
}

#[test]
fn a_worker_goes_on_unless_what_it_does_has_changed() {
    for (what, other, going_on) in [
        ("at_once: 4", "at_once: 4", &QUEUES[..]),
        ("hosts: [", "hosts: [example.com, ", &QUEUES),
        ("\nrecipients", "\nthreads: 3\nrecipients", &QUEUES),
        // That a client need not wait for it any more changes nothing for what waits.
        ("durable: false", "durable: true", &QUEUES),
        ("save: Hasher|", "save: HeadersParser|Hasher|", &QUEUES),
        ("at_once: 4", "at_once: 3", &[]),
        ("/{host}/", "/mail/{host}/", &[]),
        ("durability: none", "durability: full", &[]),
        ("a.php", "b.php", &["redis", "mysql", "guerrilladbredis"]),
        (
            "timeout: 20s",
            "timeout: 30s",
            &["redis", "mysql", "guerrilladbredis"],
        ),
        ("timeout: 5s", "timeout: 6s", &["fastcgi", "redis"]),
        ("'a:'", "'b:'", &["fastcgi", "mysql"]),
        (
            "unix:/nonexistent/redis",
            "unix:/nonexistent/other",
            &["fastcgi", "mysql"],
        ),
        ("database: d", "database: e", &["fastcgi", "redis"]),
        // Of messages that Redis is to have compressed.
        (
            "|Redis",
            "|Compressor|Redis",
            &["fastcgi", "guerrilladbredis"],
        ),
        ("level: 6", "level: 7", &["fastcgi", "redis", "mysql"]),
        // The rows do not say that Redis has the message any more.
        (
            "|Redis|MySQL",
            "|MySQL|Redis",
            &["fastcgi", "redis", "guerrilladbredis"],
        ),
    ] {
        let (folder, parts) = (TempDir::new().unwrap(), Parts::default());
        let first = generation(ALL, &folder, &parts, None);
        let before = first.jobs();
        assert_eq!(kept(&before, &before), QUEUES);
        let yaml = ALL.replacen(what, other, 1);
        let second = generation(&yaml, &folder, &parts, Some(&first));
        assert_eq!(kept(&before, &second.jobs()), going_on, "{what} -> {other}");
        // And back: what was changed once is not taken for what it was before.
        let third = generation(ALL, &folder, &parts, Some(&second));
        assert_eq!(
            kept(&second.jobs(), &third.jobs()),
            going_on,
            "{other} -> {what}"
        );
    }
}
