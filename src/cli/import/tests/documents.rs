//! What may be in files: values that are right for some keys and wrong for most.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

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
pub(super) fn section(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let entry = (prop::sample::select(keys), value());
    let entries = prop::collection::vec(entry, 0..8);
    entries.prop_map(|entries| {
        let owned = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        owned.collect()
    })
}

pub(super) const FLAT: &[&str] = &[
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
    "GSMTP_MAIL_EXPIRE_SECONDS",
    "MYSQL_HOST",
    "MYSQL_USER",
    "MYSQL_PASS",
    "MYSQL_DB",
    "GM_MAIL_TABLE",
    "NGINX_AUTH_ENABLED",
    "PID_FILE",
    "gm_max_clients",
    "OTHER",
];
pub(super) const TOP: &[&str] = &[
    "allowed_hosts",
    "log_file",
    "log_level",
    "pid_file",
    "verbose",
    "mail_table",
    "mysql_host",
    "mysql_user",
    "mysql_pass",
    "mysql_db",
    "redis_interface",
    "redis_expire_seconds",
    "dashboard",
    "save_workers_size",
    "backend_name",
    "save_process",
    "maildir_path",
    "other",
    "servers",
    "backend_config",
];
pub(super) const SERVER: &[&str] = &[
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
    "xclient_on",
    "proxyon",
    "backend",
    "other",
];
pub(super) const TLS: &[&str] = &[
    "start_tls_on",
    "tls_always_on",
    "private_key_file",
    "public_key_file",
    "protocols",
    "ciphers",
    "curves",
    "prefer_server_cipher_suites",
    "client_auth_type",
    "root_cas_file",
    "other",
];
pub(super) const BACKEND: &[&str] = &[
    "save_process",
    "validate_process",
    "save_processors",
    "validate_processors",
    "process_stack",
    "process_line",
    "Save_Process",
    "maildir_path",
    "maildir_user_map",
    "fcgi_connection_type",
    "fcgi_connection_address",
    "fcgi_script_filename_save",
    "fcgi_script_filename_validate",
    "wildcard_hosts",
    "gw_save_timeout",
    "gw_val_rcpt_timeout",
    "save_timeout",
    "val_rcpt_timeout",
    "log_received_mails",
    "primary_mail_host",
    "mail_table",
    "mysql_mail_table",
    "mysql_host",
    "mysql_user",
    "mysql_pass",
    "mysql_db",
    "sql_dsn",
    "sql_driver",
    "sql_max_open_conns",
    "sql_max_idle_conns",
    "redis_interface",
    "redis_expire_seconds",
    "other",
];

pub(super) fn typed() -> impl Strategy<Value = Value> {
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

/// What a key may have; nothing is a key that is not there.
fn one_of(values: &[Value]) -> impl Strategy<Value = Option<Value>> + use<> {
    prop::option::weighted(0.8, prop::sample::select(values.to_vec()))
}

/// Those that are there.
fn object<const N: usize>(entries: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let entries = entries
        .into_iter()
        .map(|(key, value)| Some((key.to_owned(), value?)));
    entries.flatten().collect()
}

const ADDRESSES: [&str; 13] = [
    "127.0.0.1:3306",
    ":3306",
    "db:port",
    "tcp(127.0.0.1:3306)",
    "h:70000",
    "h:0",
    "h",
    "::1",
    "[::1]:1",
    "my_db:1",
    "/run/my.sock",
    "a b:1",
    "",
];

/// Names of data sources.
fn sources() -> Vec<Value> {
    let more = [
        "u:p@/d?readTimeout=1000h&a",
        "u@unix(a)/d",
        "u@x(a)/d",
        "@/d",
    ];
    let more = more.map(str::to_owned);
    let sources = ADDRESSES.map(|address| format!("u:p@tcp({address})/d?tls=x&readTimeout=9s"));
    sources.into_iter().chain(more).map(Value::from).collect()
}

/// What processors that write to databases are told.
fn told_of_databases() -> impl Strategy<Value = Map<String, Value>> {
    let addresses = ADDRESSES.map(Value::from);
    let tables = ["new_mail", "db.t", "𝒳", &"т".repeat(64), "a b", "1"].map(Value::from);
    let times = ["1s", "5s", "10s", "11s", "24h", "0s", "x"].map(Value::from);
    let numbers = [0, 1, 1000, 1001, 864_000_001, u64::MAX].map(Value::from);
    let numbers = [&numbers[..], &[json!(1e30), json!(-1), json!("x")]].concat();
    let chains = ["sql", "redis", "Redis|MailDir|MySQL", "GuerrillaDbRedis"].map(Value::from);
    let values = (
        one_of(&addresses),
        one_of(&sources()),
        one_of(&addresses),
        one_of(&tables),
        one_of(&times),
        one_of(&numbers),
        one_of(&numbers),
        one_of(&chains),
    );
    values.prop_map(|(host, dsn, redis, table, time, expire, count, chain)| {
        object([
            ("mysql_host", host),
            ("mysql_user", Some(json!("u"))),
            ("mysql_db", Some(json!("d"))),
            ("sql_dsn", dsn),
            ("redis_interface", redis),
            ("mail_table", table),
            ("gw_save_timeout", time),
            ("redis_expire_seconds", expire),
            ("sql_max_open_conns", count),
            ("save_process", chain),
        ])
    })
}

/// Databases that are told in full, and wrongly in one way or another.
pub(super) fn databases() -> impl Strategy<Value = Value> {
    (told_of_databases(), any::<bool>()).prop_map(|(mut keys, is_old)| {
        let mut top = object([("allowed_hosts", Some(json!(["example.org"])))]);
        if is_old {
            top.append(&mut keys);
        } else {
            top.insert("backend_config".to_owned(), Value::Object(keys));
        }
        Value::Object(top)
    })
}

/// Flags and files of TLS: on, off, or not there.
fn flags_and_files() -> impl Strategy<Value = Map<String, Value>> {
    let flags = [
        json!(true),
        json!(false),
        json!(false),
        json!("N"),
        Value::Null,
    ];
    let files = [
        json!("/etc/ssl/a.pem"),
        json!("/etc/ssl/a.pem"),
        json!(""),
        json!(7),
    ];
    let values = (
        one_of(&flags),
        one_of(&flags),
        one_of(&files),
        one_of(&files),
    );
    values.prop_map(|(starttls, always, certificate, key)| {
        object([
            ("start_tls_on", starttls),
            ("tls_always_on", always),
            ("public_key_file", certificate),
            ("private_key_file", key),
        ])
    })
}

/// The same keys of TLS in every form of the file.
pub(super) fn encryption() -> impl Strategy<Value = Value> {
    let more = prop::option::of(section(TLS));
    let forms = (any::<bool>(), any::<bool>());
    (flags_and_files(), more, forms).prop_map(|(keys, more, (is_inside, is_old))| {
        let mut server = object([
            ("is_enabled", Some(json!(true))),
            ("listen_interface", Some(json!("127.0.0.1:2525"))),
        ]);
        let mut tls = more.unwrap_or_default();
        let place = if is_inside { &mut tls } else { &mut server };
        place.extend(keys);
        if !tls.is_empty() {
            server.insert("tls".to_owned(), Value::Object(tls));
        }
        let mut top = object([("servers", Some(json!([server])))]);
        if is_old {
            top.insert("mail_table".to_owned(), json!("new_mail"));
        }
        Value::Object(top)
    })
}

pub(super) const INI: &[&str] = &[
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
