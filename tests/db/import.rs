//! A configuration of go-guerrilla, imported and run against its own table.

use std::fs;

use crate::guerrilla::TABLE;
use crate::house::Folder;
use crate::mariadb::Server;
use crate::process::{Program, command, run};
use crate::rows::{send, unhex};
use flate2::read::ZlibDecoder;
use std::io::Read as _;

#[test]
fn a_configuration_of_go_guerrilla_goes_on_with_its_table() {
    for chain in [
        "HeadersParser|Header|Hasher|Compressor|Sql",
        "HeadersParser|Header|Hasher|MySQL",
    ] {
        let database = Server::shared().database();
        database.sql(TABLE);
        let (name, socket) = (&database.name, database.server.socket());
        let old = serde_json::json!({
            "allowed_hosts": ["example.org"],
            "backend_config": {
                "save_process": chain,
                "save_workers_size": 3,
                "primary_mail_host": "example.org",
                "mail_table": "new_mail",
                "sql_driver": "mysql",
                "sql_dsn": format!("{name}:secret-of-{name}@unix({})/{name}?readTimeout=10s", socket.display()),
                "sql_max_open_conns": 3,
                "sql_max_idle_conns": 2,
            },
            "servers": [{"is_enabled": true, "host_name": "mx.example.org", "listen_interface": "127.0.0.1:0"}],
        });
        let folder = Folder::new();
        fs::write(folder.path("old.json"), old.to_string()).expect("a file");
        let imported = run(&folder, &["import", "old.json"], b"");
        assert_eq!(imported.code, Some(0), "{imported:#?}");
        assert!(
            !imported.stderr.concat().contains("secret-of"),
            "{imported:#?}"
        );
        // The address of MySQL is not one where the program listens.
        let yaml = imported
            .stdout
            .join("\n")
            .replace("  address: \"unix", "  \"address\": \"unix");
        let yaml = format!("{yaml}\nmaildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\"}}\n");
        let program = Program::serve(&folder, &yaml);
        let mut client = program.client();
        let mail = b"To: list@example.org\r\nSubject: hello\r\nMessage-Id: <1@x.example>\r\nContent-Type: text/plain\r\n\r\nbody\r\n";
        let reply = send(&mut client, &["bob@example.org", "carol@example.org"], mail);
        assert!(reply.starts_with("250 "), "{reply}");
        let body = if chain.contains("Compressor") {
            "gzip"
        } else {
            ""
        };
        let rows = database.sql(
            "SELECT `to`, `from`, subject, body, spam_score, LENGTH(hash), content_type, recipient, has_attach, ip_addr \
             FROM new_mail ORDER BY mail_id",
        );
        let row = |who: &str| {
            format!(
                "list@example.org\ts@example.net\thello\t{body}\t0\t32\ttext/plain\t{who}@example.org\t0\t127.0.0.1"
            )
        };
        assert_eq!(rows, [row("bob"), row("carol")].join("\n"));
        for stored in database.sql("SELECT HEX(mail) FROM new_mail").lines() {
            let mut octets = unhex(stored);
            if body == "gzip" {
                let packed = std::mem::take(&mut octets);
                ZlibDecoder::new(&*packed)
                    .read_to_end(&mut octets)
                    .expect("a zlib stream");
            }
            assert!(octets.ends_with(mail), "the whole message, in every row");
        }
        assert_eq!(folder.mail_count(), 0, "its mail was in its table only");
        program.stop();
        let mut check = command(&folder, &["-c", "config.yaml", "check"]);
        let said = check.output().expect("it can be run");
        assert!(said.status.success(), "{said:?}");
    }
}
