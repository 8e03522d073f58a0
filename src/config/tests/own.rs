//! Sections of processors that are not of this crate.

use crate::config::{Config, Environment, Source, source};

/// What a processor wants to be told. It does not say that unknown keys are none of its.
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Mine {
    table: String,
    #[serde(default = "three")]
    tries: u32,
    #[serde(default)]
    inner: Inner,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    list: Vec<u8>,
}

fn three() -> u32 {
    3
}

fn read(text: &str, variables: &[(&str, &str)]) -> (Config, Source) {
    let environment: Environment = variables.iter().copied().collect();
    source::read(text, "m.yaml", &environment).unwrap_or_else(|error| panic!("{error}"))
}

fn section(text: &str, variables: &[(&str, &str)]) -> Result<Mine, String> {
    let (config, source) = read(text, variables);
    source
        .section(&config, "Mine")
        .map_err(|error| error.to_string())
}

#[test]
fn a_section_is_read_as_the_type_of_its_processor() {
    let own = |tries, list: &[u8]| Mine {
        table: "letters".into(),
        tries,
        inner: Inner { list: list.into() },
    };
    for (text, expected) in [
        ("processors: {Mine: {table: letters}}", own(3, &[])),
        (
            "processors: {mine: {table: letters, tries: 5}}",
            own(5, &[]),
        ),
        (
            "processors:\n  Other: {x: 1}\n  Mine:\n    inner:\n      list: [1, 2]\n    table: letters\n",
            own(3, &[1, 2]),
        ),
    ] {
        assert_eq!(section(text, &[]).as_ref(), Ok(&expected), "{text}");
    }
    let variables = [
        ("MAIASAURA__PROCESSORS__MINE__TRIES", "7"),
        ("NAME", "letters"),
    ];
    let text = "processors: {Mine: {table: \"${NAME}\"}}";
    assert_eq!(section(text, &variables), Ok(own(7, &[])));
}

#[test]
fn mistakes_in_it_have_their_lines() {
    const KNOWN: &str = "known keys: table, tries, inner";
    for (text, said) in [
        (
            "processors:\n  Mine:\n    table: x\n    trise: 1\n",
            format!(
                ":4:5: processors.Mine: unknown key \"trise\"; did you mean \"tries\"? {KNOWN}"
            ),
        ),
        (
            "processors:\n  Mine:\n    table: x\n    inner: {\"no\": 1}\n",
            ":4:13: processors.Mine.inner: unknown key \"no\"; known keys: list".to_owned(),
        ),
        (
            "processors:\n  Mine: {table: x, tries: many}\n",
            ":2:27: processors.Mine.tries: expected a whole number, 0 or more, found \"many\""
                .to_owned(),
        ),
        (
            "processors:\n  Mine: {tries: 1}\n",
            ":2:9: processors.Mine: the key \"table\" is missing; write it".to_owned(),
        ),
        (
            "processors: {Mine: }\n",
            ":1:20: processors.Mine: the key \"table\" is missing; write it".to_owned(),
        ),
        (
            "threads: 1\n",
            ": processors.Mine: the key \"table\" is missing; write it".to_owned(),
        ),
        (
            "processors: {Mine: letters}\n",
            ":1:20: processors.Mine: expected a section of keys, found \"letters\"".to_owned(),
        ),
    ] {
        let found = section(text, &[]).expect_err(text);
        assert_eq!(found, format!("m.yaml{said}"), "{text}");
    }
    let variables = [("MAIASAURA__PROCESSORS__MINE__TRIES", "many")];
    assert_eq!(
        section("processors: {Mine: {table: x}}", &variables).expect_err("it is wrong"),
        "MAIASAURA__PROCESSORS__MINE__TRIES: processors.Mine.tries: expected a whole number, 0 or more, \
         found \"many\""
    );
}

#[test]
fn a_type_without_names_takes_what_there_is() {
    let (config, source) = read("processors: {Any: {a: 1, b: [x]}, None: }", &[]);
    let any: std::collections::BTreeMap<String, serde_json::Value> =
        source.section(&config, "Any").expect("it is read");
    assert_eq!(any.len(), 2);
    let none: std::collections::BTreeMap<String, String> =
        source.section(&config, "None").expect("it is read");
    assert!(none.is_empty());
}
