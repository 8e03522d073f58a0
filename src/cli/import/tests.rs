//! Files that nobody would write: whatever they say, the result is a configuration, and every key
//! is somewhere in it.

mod documents;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::documents::{
    BACKEND, FLAT, INI, SERVER, TLS, TOP, databases, encryption, section, typed,
};
use super::convert;

/// Reads the result, which must have every key in it, and returns it.
fn holds(document: &Value) -> Result<String, TestCaseError> {
    let imported = match convert("test", &document.to_string()) {
        Ok(imported) => imported,
        Err(fault) => return Err(TestCaseError::fail(fault.message)),
    };
    for key in keys(document) {
        prop_assert!(imported.yaml.contains(&key), "{key}: {}", imported.yaml);
    }
    prop_assert!(imported.remarks.iter().all(|line| !line.contains('\n')));
    Ok(imported.yaml)
}

/// The innermost keys.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(entries) => {
            let inner = |(key, value): (&String, &Value)| match value {
                Value::Object(entries) if !entries.is_empty() => keys(value),
                Value::Array(values) if values.iter().any(Value::is_object) => keys(value),
                _ => vec![key.clone()],
            };
            entries.iter().flat_map(inner).collect()
        }
        Value::Array(values) => values.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_flat_file_says(mut entries in section(FLAT)) {
        entries.insert("GM_MAIL_TABLE".to_owned(), json!("new_mail"));
        holds(&Value::Object(entries))?;
    }

    #[test]
    fn whatever_a_typed_file_says(document in typed()) {
        holds(&document)?;
    }

    #[test]
    fn whatever_is_said_of_databases(document in databases()) {
        let yaml = holds(&document)?;
        // Each of these keys is known, and where it belongs.
        for wrong in ["no such key", "not in this place"] {
            prop_assert!(!yaml.contains(wrong), "{yaml}");
        }
    }

    #[test]
    fn whatever_is_said_of_tls(document in encryption()) {
        holds(&document)?;
    }

    #[test]
    fn whatever_an_ini_file_says(
        entries in prop::collection::vec((prop::sample::select(INI), "[ -~]{0,12}"), 0..10),
    ) {
        let lines = entries.iter().map(|(key, value)| format!("{key} = {value}\n"));
        let text = "[smtp]\n".to_owned() + &lines.collect::<String>() + "[pop3]\nx = 1\n";
        match convert("test", &text) {
            Ok(imported) => for (key, _) in entries {
                prop_assert!(imported.yaml.contains(key), "{key}: {}", imported.yaml);
            },
            Err(fault) => prop_assert_eq!(fault.exit, super::Exit::DataErr, "{}", fault.message),
        }
    }
}

/// Or it would not be seen that the value of one of them ends in a fault of ours.
#[test]
fn every_key_that_is_read_has_values_tried() {
    let tried = [FLAT, TOP, SERVER, TLS, BACKEND].concat();
    for key in super::READ {
        assert!(tried.contains(&key), "{key}");
    }
}
