//! Files that nobody would write: whatever they say, the result is a configuration, and every key
//! is somewhere in it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::convert;

/// Values that some key may have, and most may not.
fn value() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "",
        " ",
        ".",
        "*",
        "*.example.org, [1.2.3.4],mx[1-3]?.*",
        "{x}",
        "Y",
        "N",
        "-1",
        "0",
        "7",
        "99999999999999999999",
        "30s",
        "1h1m",
        "0s",
        "999h",
        "127.0.0.1:2525",
        "0.0.0.0:0",
        ":25",
        "localhost:smtp",
        "[::1]:25",
        "mx.example.org",
        "not a host",
        "a=1:1,b=2:2",
        "a=0:0,A=-1:5,+=1:1,x",
        "/a/[user]/b",
        "~/[user]",
        "~",
        "..",
        "/",
        "{user}",
        "unix",
        "tcp",
        "/run/php.sock",
        "127.0.0.1:9000",
        "/app/a.php",
        "stderr",
        "a.log",
        "logs/",
        "debug",
        "MailDir|FastCGI|wildcard|Debugger",
        "a||b|sql",
        "|",
        "default",
        "tls1.2",
        "tls1.3",
        "RequireAndVerifyClientCert",
        "/etc/ssl/a.pem",
        "${HOME}",
        "$${",
        "\u{0}",
        "\n- a: b",
        "é\u{2028}",
        "#",
        "\"",
        "'",
    ]);
    let leaf = prop_oneof![
        6 => texts.prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        2 => prop::sample::select(vec![json!(0), json!(-1), json!(1), json!(60), json!(1.5), json!(u64::MAX), json!(1e300), json!(4_294_967_296_u64)]),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A section of some of these keys.
fn section(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let entry = (prop::sample::select(keys), value());
    let entries = prop::collection::vec(entry, 0..8);
    entries.prop_map(|entries| {
        let owned = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        owned.collect()
    })
}

const FLAT: &[&str] = &[
    "GM_ALLOWED_HOSTS",
    "GM_MAX_CLIENTS",
    "GSMTP_HOST_NAME",
    "GSMTP_LOG_FILE",
    "GSMTP_MAX_SIZE",
    "GSMTP_TIMEOUT",
    "GSMTP_PRV_KEY",
    "GSMTP_PUB_KEY",
    "GSTMP_LISTEN_INTERFACE",
    "GSMTP_LISTEN_INTERFACE",
    "MYSQL_PASS",
    "NGINX_AUTH_ENABLED",
    "PID_FILE",
    "gm_max_clients",
    "OTHER",
];
const TOP: &[&str] = &[
    "allowed_hosts",
    "log_file",
    "log_level",
    "pid_file",
    "verbose",
    "mysql_db",
    "save_workers_size",
    "backend_name",
    "save_process",
    "maildir_path",
    "other",
    "servers",
    "backend_config",
];
const SERVER: &[&str] = &[
    "is_enabled",
    "host_name",
    "listen_interface",
    "max_size",
    "timeout",
    "max_clients",
    "log_file",
    "tls",
    "start_tls_on",
    "tls_always_on",
    "private_key_file",
    "public_key_file",
    "backend",
    "other",
];
const TLS: &[&str] = &[
    "start_tls_on",
    "tls_always_on",
    "private_key_file",
    "public_key_file",
    "protocols",
    "ciphers",
    "client_auth_type",
    "root_cas_file",
    "other",
];
const BACKEND: &[&str] = &[
    "save_process",
    "validate_process",
    "save_processors",
    "validate_processors",
    "maildir_path",
    "maildir_user_map",
    "fcgi_connection_type",
    "fcgi_connection_address",
    "fcgi_script_filename_save",
    "fcgi_script_filename_validate",
    "wildcard_hosts",
    "gw_save_timeout",
    "gw_val_rcpt_timeout",
    "log_received_mails",
    "primary_mail_host",
    "sql_dsn",
    "other",
];

fn typed() -> impl Strategy<Value = Value> {
    let server = (section(SERVER), prop::option::of(section(TLS))).prop_map(|(mut server, tls)| {
        if let Some(tls) = tls {
            server.insert("tls".to_owned(), Value::Object(tls));
        }
        Value::Object(server)
    });
    let servers = prop::option::of(prop::collection::vec(server, 0..3));
    let backend = prop::option::of(section(BACKEND));
    (section(TOP), servers, backend, any::<bool>()).prop_map(
        |(mut top, servers, backend, planned)| {
            top.insert("allowed_hosts".to_owned(), json!(["example.org"]));
            if let Some(servers) = servers {
                top.insert("servers".to_owned(), Value::Array(servers));
            }
            match backend {
                Some(keys) if planned => {
                    let backend = json!({"gateways": {"default": keys}});
                    top.insert("backend".to_owned(), backend);
                }
                Some(keys) => {
                    top.insert("backend_config".to_owned(), Value::Object(keys));
                }
                None => {}
            }
            Value::Object(top)
        },
    )
}

/// Reads the result, which must have every key in it.
fn holds(document: &Value) -> Result<(), TestCaseError> {
    let imported = match convert("test", &document.to_string()) {
        Ok(imported) => imported,
        Err(fault) => return Err(TestCaseError::fail(fault.message)),
    };
    for key in keys(document) {
        prop_assert!(imported.yaml.contains(&key), "{key}: {}", imported.yaml);
    }
    prop_assert!(imported.remarks.iter().all(|line| !line.contains('\n')));
    Ok(())
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

const INI: &[&str] = &[
    "ip4.address",
    "ip4.port",
    "domain",
    "allowed.hosts",
    "max.recipients",
    "max.clients",
    "max.idle.seconds",
    "max.message.bytes",
    "public.key",
    "private.key",
    "other",
];
