//! The file with all keys, and the recipes.

use std::fs;
use std::path::Path;

use super::{complaint, parse};
use crate::config::{
    Config, DEFAULTS, Environment, FastcgiConfig, MysqlConfig, PhpAddress, RedisConfig,
};
use crate::recipients::Recipients;

#[test]
fn the_file_holds_the_defaults() {
    assert_eq!(parse(DEFAULTS), Ok(Config::default()));
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "~",
        "limits:\n",
        "limits: {}\nlog: {}\n",
        "\u{feff}",
    ] {
        assert_eq!(parse(text), Ok(Config::default()), "{text:?}");
    }
}

/// The keys of a section, from what is said about one that is not there; `{}` is where that goes.
fn keys(section: &str) -> Vec<String> {
    let said = complaint(&section.replace("{}", "{no-such-key: 0}"), &[]);
    let (_, known) = said
        .split_once("known keys: ")
        .unwrap_or_else(|| panic!("{said}"));
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_file_has_every_key() {
    let sections = [
        "{}",
        "listeners: [{}]",
        "auth_http: {}",
        "metrics: {}",
        "listeners: [{tls: {}}]",
        "listeners: [{log: {}}]",
        "tls: {}",
        "tls: {certificates: [{}]}",
        "tls: {acme: {}}",
        "auth: {}",
        "smtp: {}",
        "recipients: {}",
        "recipients: {users: {alice: {}}}",
        "recipients: {answers: {}}",
        "recipients: {subaddress: {}}",
        "maildir: {}",
        "wildcard: {}",
        "fastcgi: {}",
        "fastcgi: {validate: {}}",
        "mysql: {}",
        "redis: {}",
        "stream: {}",
        "header: {}",
        "debugger: {}",
        "compressor: {}",
        "spool: {}",
        "limits: {}",
        "timeouts: {}",
        "log: {}",
    ];
    let is_key = |key: &str| {
        let named = |line: &str| {
            line.trim_start_matches(['#', ' ', '-'])
                .starts_with(&format!("{key}:"))
        };
        DEFAULTS.lines().any(named)
    };
    for key in sections.into_iter().flat_map(keys) {
        assert!(is_key(&key), "{key}");
    }
}

#[test]
fn recipes_work() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/recipes");
    let environment: Environment = [("STATE_DIRECTORY", "/var/lib/maiasaura")]
        .into_iter()
        .collect();
    let mut recipes = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let config = Config::parse(&text, &path.display().to_string(), &environment);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let recipients = Recipients::new(&config.recipients());
        recipients.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_ne!(config, Config::default());
        recipes += 1;
    }
    assert_eq!(recipes, 10);
}

/// What is commented out in the file is the section with its defaults.
#[test]
fn the_section_for_php_holds_its_defaults() {
    let (_, section) = DEFAULTS.split_once("\n# fastcgi:").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let text = format!("fastcgi:{}", section.replace("\n# ", "\n"));
    let config = parse(&text).unwrap();
    let defaults = FastcgiConfig {
        address: Some(PhpAddress::Unix("/run/php/php-fpm.sock".into())),
        script: Some("/app/receive.php".into()),
        ..FastcgiConfig::default()
    };
    assert_eq!(config.fastcgi, Some(defaults));
}

#[test]
fn the_section_for_mysql_holds_its_defaults() {
    let (_, section) = DEFAULTS.split_once("\n# mysql:").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let text = format!("mysql:{}", section.replace("\n# ", "\n"));
    let config = parse(&text).unwrap();
    assert_eq!(config.mysql, Some(MysqlConfig::default()));
}

/// The same for Redis.
#[test]
fn the_section_for_redis_holds_its_defaults() {
    let (_, section) = DEFAULTS.split_once("\n# redis:").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let text = format!("redis:{}", section.replace("\n# ", "\n"));
    let config = parse(&text).unwrap();
    let defaults = RedisConfig {
        address: vec!["127.0.0.1:6379".into()],
        ..RedisConfig::default()
    };
    assert_eq!(config.redis, Some(defaults));
}

/// The table of processors in README.md.
#[test]
fn the_readme_has_every_key_of_a_processor() {
    let readme = include_str!("../../../README.md");
    for (processor, sections) in [
        ("Header", &["header: {}"][..]),
        ("Debugger", &["debugger: {}"]),
        ("Compressor", &["compressor: {}"]),
        ("Wildcard", &["wildcard: {}"]),
        (
            "MailDir",
            &[
                "maildir: {}",
                "recipients: {users: {alice: {}}}",
                "recipients: {subaddress: {}}",
            ],
        ),
        ("MySQL", &["mysql: {}"]),
        (
            "FastCGI",
            &["fastcgi: {}", "fastcgi: {validate: {}}", "spool: {}"],
        ),
        ("Redis", &["redis: {}"]),
        ("Stream", &["stream: {}"]),
    ] {
        let start = format!("| {processor} |");
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row for {processor}"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<&str> = row.split(|c| !is_word(c)).collect();
        for key in sections.iter().flat_map(|section| keys(section)) {
            assert!(words.contains(&key.as_str()), "{processor}: {key}");
        }
    }
}
