//! Host patterns: what matches, which wins, what it costs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::recipients::{HostMatch, HostPatterns};
use crate::smtp::address::Domain;

fn compile<S: AsRef<str>>(patterns: &[S]) -> HostPatterns {
    let patterns: Vec<String> = patterns.iter().map(|s| s.as_ref().to_owned()).collect();
    HostPatterns::new(&patterns).unwrap()
}

fn find<'a>(patterns: &'a HostPatterns, host: &str) -> Option<HostMatch<'a>> {
    patterns.find(&Domain::parse(host).unwrap())
}

fn winner<'a>(patterns: &'a HostPatterns, host: &str) -> Option<&'a str> {
    find(patterns, host).map(|found| found.pattern)
}

#[test]
fn truth_table_of_go_guerrilla() {
    let patterns = compile(&[
        "spam4.me",
        "grr.la",
        "newhost.com",
        "example.*",
        "*.test",
        "wild*.card",
        "multiple*wild*cards.*",
    ]);
    for (host, ours) in [
        ("spam4.me", true),
        ("dont.match", false),
        ("example.com", true),
        ("another.example.com", false),
        ("anything.test", true),
        ("wild.card", true),
        ("wild.card.com", false),
        ("multipleXwildXcards.com", true),
    ] {
        assert_eq!(find(&patterns, host).is_some(), ours, "{host}");
    }
}

#[test]
fn one_pattern_and_one_host() {
    for (pattern, host, ours) in [
        ("example.org", "example.org", true),
        ("Example.ORG", "example.org", true),
        ("  example.org ", "example.org", true),
        ("example.org", "x.example.org", false),
        ("*.wild.example", "x.wild.example", true),
        ("*.WILD.example", "x.wild.example", true),
        ("*.wild.example", "x.y.wild.example", true),
        ("*.wild.example", "wild.example", false),
        ("*.wild.example", "xwild.example", false),
        ("*.wild.example", "x.wild.example.evil.test", false),
        ("*wild.example", "wild.example", true),
        ("*wild.example", "a.b.xwild.example", true),
        ("mx?.example", "mx1.example", true),
        ("mx?.example", "mx.example", false),
        ("mx?example", "mx.example", true),
        ("**.example", "a.example", true),
        ("?", "a", true),
        ("?", "ab", false),
        ("*", "anything.at.all", true),
        (".", "anything.at.all", true),
        ("*", "[192.0.2.1]", true),
        ("*.1", "[192.0.2.1]", false),
        ("[192.0.2.1]", "[192.0.2.1]", true),
        ("[192.0.2.1]", "[192.0.2.2]", false),
        ("[::FFFF:C0A8:1]", "[192.168.0.1]", true),
        ("[::1]", "[IPv6:0:0::1]", true),
        ("[IPv6:2001:DB8::1]", "[IPv6:2001:db8:0::1]", true),
        ("b\u{fc}cher.test", "xn--bcher-kva.test", true),
        ("B\u{dc}CHER.*", "xn--bcher-kva.test", true),
        ("*.b\u{fc}cher.test", "b\u{fc}cher.b\u{fc}cher.test", true),
        ("{name}.example", "a.example", true),
        ("{name}.example", "a.b.example", false),
        ("x{name}.example", "x.example", false),
    ] {
        let patterns = compile(&[pattern]);
        assert_eq!(
            find(&patterns, host).is_some(),
            ours,
            "{pattern} and {host}"
        );
    }
}

#[test]
fn patterns_that_are_refused() {
    for (pattern, says) in [
        ("", "empty"),
        ("   ", "empty"),
        ("a.test b.test", "blank"),
        ("*.a.test, *.b.test", "blank"),
        ("a..b", "empty label"),
        (".example.org", "empty label"),
        ("example.org.", "empty label"),
        ("*..b", "empty label"),
        ("[192.0.2.1", "without its ]"),
        ("[300.0.2.1]", "not an address literal"),
        ("[a-z].example", "without its ]"),
        ("[a-z]", "not an address literal"),
        ("x[a-z].*", "bracket inside"),
        ("{name.example", "without its }"),
        ("name}.example", "without its {"),
        ("{}.example", "name must be"),
        ("{Name}.example", "name must be"),
        ("{1a}.example", "name must be"),
        ("{a*}.example", "name must be"),
        ("{user}.example", "meaning of its own"),
        ("{host}.example", "meaning of its own"),
        ("{detail}.example", "meaning of its own"),
        ("{a}.{a}.example", "twice"),
        ("b\u{fc}*.test", "xn--"),
        ("under_score.test", "'_'"),
        ("user@example.org", "'@'"),
        ("-x.test", "not a host name"),
    ] {
        let list = vec!["example.org".to_owned(), pattern.to_owned()];
        let error = HostPatterns::new(&list).unwrap_err();
        assert_eq!((error.index, error.pattern.as_str()), (1, pattern));
        assert!(error.message.contains(says), "{pattern:?}: {error}");
    }
}

#[test]
fn the_most_specific_pattern_wins() {
    let patterns = compile(&[
        "*",
        "*.org",
        "*.example.org",
        "{tenant}.example.org",
        "mx*.example.org",
        "mx?.example.org",
        "mx1.example.org",
        "*.deep.example.org",
        "*x",
        "?x",
    ]);
    for (host, pattern) in [
        ("mx1.example.org", "mx1.example.org"),
        // Equal but for the wildcard: the earlier one.
        ("mx2.example.org", "mx*.example.org"),
        // As many literal characters, but longer.
        ("a.example.org", "{tenant}.example.org"),
        ("a.b.example.org", "*.example.org"),
        ("a.deep.example.org", "*.deep.example.org"),
        ("example.org", "*.org"),
        ("example.com", "*"),
        ("[192.0.2.1]", "*"),
        ("ax", "*x"),
    ] {
        assert_eq!(winner(&patterns, host), Some(pattern), "{host}");
    }
    assert!(patterns.matches_everything());
    assert_eq!(winner(&compile(&["?", "*"]), "a"), Some("?"));
    assert_eq!(winner(&compile(&["A.b", "a.b"]), "a.b"), Some("A.b"));
}

#[test]
fn captures_take_what_they_can() {
    for (pattern, host, expected) in [
        ("{name}.example", "a.example", "name=a"),
        ("{a}.{b}.example", "x.y.example", "a=x b=y"),
        ("{a}-{b}.example", "x-y-z.example", "a=x-y b=z"),
        ("*.{name}.example", "x.y.z.example", "name=z"),
        ("*{name}.example", "x.abc.example", "name=abc"),
        ("{name}*.example", "abc.x.example", "name=abc"),
        ("{a}{b}.example", "xyz.example", "a=xy b=z"),
        ("??{name}.example", "abcd.example", "name=cd"),
        (
            "{name}.example",
            "xn--bcher-kva.example",
            "name=xn--bcher-kva",
        ),
        ("*.example", "x.example", ""),
    ] {
        let patterns = compile(&[pattern]);
        let captures = find(&patterns, host).unwrap().captures;
        let captures: Vec<String> = captures.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(captures.join(" "), expected, "{pattern} and {host}");
    }
}

/// A hundred thousand patterns of three kinds, `count` in all.
fn many(count: usize) -> HostPatterns {
    let patterns: Vec<String> = (0..count)
        .map(|i| match i % 3 {
            0 => format!("host{i}.example"),
            1 => format!("*.zone{i}.example"),
            _ => format!("{{name}}.corp{i}.*"),
        })
        .collect();
    compile(&patterns)
}

#[test]
fn a_hundred_thousand_patterns_cost_what_ten_cost() {
    let (few, lots) = (many(10), many(100_000));
    for (host, pattern) in [
        ("host99999.example", Some("host99999.example")),
        ("a.b.zone99997.example", Some("*.zone99997.example")),
        ("x.corp99998.test", Some("{name}.corp99998.*")),
        ("x.corp99997.test", None),
        ("zone99997.example", None),
        ("nowhere.test", None),
    ] {
        assert_eq!(winner(&lots, host), pattern, "{host}");
    }
    assert_eq!(find(&lots, "x.corp5.test").unwrap().captures["name"], "x");
    for host in [
        "x.corp8.test",
        "x.corp8888.test",
        "a.b.c.d.e.f.nowhere.test",
    ] {
        let (cheap, dear) = (few.states_visited(host), lots.states_visited(host));
        assert!(dear <= cheap + 2 * host.len(), "{host}: {cheap}, {dear}");
        assert!(dear <= 4 * host.len(), "{host}: {dear}");
    }
}

#[test]
fn stars_do_not_multiply() {
    let labels = "a.".repeat(126) + "b";
    let texts = [
        "*.*.*.*.example",
        "{x}.*.*.*.*.a.*.example",
        "*a*a*a*a*a*a*c",
    ];
    let patterns = compile(&texts);
    assert_eq!(find(&patterns, &labels), None);
    // At worst every octet of every pattern, at each octet of the host.
    let states = patterns.states_visited(&labels);
    assert!(states <= texts.concat().len() * labels.len(), "{states}");

    let host = "a.".repeat(120) + "example";
    let patterns = compile(&["{x}.*.*.*.*.a.*{y}.example"]);
    let captures = find(&patterns, &host).unwrap().captures;
    assert_eq!((captures["x"].as_str(), captures["y"].as_str()), ("a", "a"));
}

/// The definition, without regard to cost.
fn naive(pattern: &[u8], host: &[u8]) -> bool {
    match (pattern, host) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=host.len()).any(|n| naive(rest, &host[n..])),
        ([b'{', rest @ ..], _) => {
            let end = rest.iter().position(|&octet| octet == b'}').unwrap();
            (1..=host.len())
                .take_while(|&n| host[n - 1] != b'.')
                .any(|n| naive(&rest[end + 1..], &host[n..]))
        }
        ([b'?', rest @ ..], [_, behind @ ..]) => naive(rest, behind),
        ([octet, rest @ ..], [first, behind @ ..]) => octet == first && naive(rest, behind),
        _ => false,
    }
}

/// Exact, then literal characters, then length, then place; `*` last.
fn naive_winner<'a>(patterns: &'a [String], host: &str) -> Option<&'a str> {
    let literals = |pattern: &str| {
        let without = pattern.replace("{x}", "").replace("{y}", "");
        without.replace(['*', '?'], "").len()
    };
    let rank = |&(at, pattern): &(usize, &'a String)| {
        let everything = pattern.bytes().all(|octet| octet == b'*');
        let wild = pattern.contains(['*', '?', '{']);
        let order = (!everything, !wild, literals(pattern), pattern.len());
        (order, std::cmp::Reverse(at))
    };
    let matching = patterns.iter().enumerate();
    let matching = matching.filter(|(_, pattern)| naive(pattern.as_bytes(), host.as_bytes()));
    matching
        .max_by_key(rank)
        .map(|(_, pattern)| pattern.as_str())
}

/// The pattern with what its captures took instead of them.
fn filled(pattern: &str, captures: &BTreeMap<String, String>) -> String {
    captures
        .iter()
        .fold(pattern.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn equals_the_naive_matcher(
        patterns in prop::collection::vec("(\\{x\\})?[ab*?]{1,3}(\\.[ab*?]{1,3}){0,2}(\\{y\\})?(\\.[ab]{1,2})?", 1..8),
        hosts in prop::collection::vec("[ab]{1,3}(\\.[ab]{1,2}){0,4}", 1..8),
    ) {
        let compiled = compile(&patterns);
        for host in &hosts {
            let found = find(&compiled, host);
            prop_assert_eq!(found.as_ref().map(|f| f.pattern), naive_winner(&patterns, host));
            if let Some(found) = found {
                let filled = filled(found.pattern, &found.captures);
                prop_assert_eq!(filled.find('{'), None);
                prop_assert!(naive(filled.as_bytes(), host.as_bytes()));
                prop_assert!(found.captures.values().all(|value| !value.is_empty() && !value.contains('.')));
            }
        }
    }
}
