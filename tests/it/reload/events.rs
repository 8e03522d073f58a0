//! What those are told who have subscribed.

use maiasaura::events::{ConfigChange, Event, ListenerChange, ServerChange, Subscriber};

use crate::house::House;

use super::furnished;

/// What was told so far, each with where it was about a listener.
fn told(events: &Subscriber) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        let topic = event.topic();
        told.push(match event {
            Event::ConfigChange(
                ConfigChange::NewConfig { keys } | ConfigChange::BackendConfig { keys },
            ) => format!("{topic} {}", keys.join(" ")),
            Event::ConfigChange(ConfigChange::AllowedHosts { hosts }) => {
                format!("{topic} {}", hosts.join(" "))
            }
            Event::ServerChange(ServerChange {
                listener,
                change: ListenerChange::Updated { keys },
            }) => format!("{topic} {listener} {}", keys.join(" ")),
            Event::ServerChange(ServerChange { listener, change }) => match change {
                ListenerChange::MaxClients { connections } => {
                    format!("{topic} {listener} {connections}")
                }
                _ => format!("{topic} {listener}"),
            },
            _ => topic.to_owned(),
        });
    }
    told
}

/// One reload after the other, and what each of them is told to have changed.
const TOLD: [(&str, &[&str]); 9] = [
    ("", &[]),
    (
        "recipients: {hosts: [a.test, b.test]}",
        &[
            "config_change:backend_config recipients.hosts",
            "config_change:allowed_hosts a.test b.test",
            "config_change:new_config recipients.hosts",
        ],
    ),
    (
        "recipients: {hosts: [a.test, b.test]}\nlimits: {connections: 7}\ntimeouts: {data: 50s}",
        &[
            "server_change:timeout 127.0.0.1:0",
            "server_change:max_clients 127.0.0.1:0 7",
            "config_change:new_config limits.connections timeouts.data",
        ],
    ),
    (
        "recipients: {hosts: [a.test, b.test]}\nlimits: {connections: 7}\ntimeouts: {data: 50s}\nlisteners: [{address: '127.0.0.1:0', hostname: x.test}, {address: 'unix:${FOLDER}/s'}]",
        &[
            "server_change:new_server unix:FOLDER/s",
            "server_change:start_server unix:FOLDER/s",
            "server_change:update_config 127.0.0.1:0 hostname",
            "config_change:new_config listeners",
        ],
    ),
    (
        "limits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}",
        &[
            "server_change:stop_server unix:FOLDER/s",
            "server_change:remove_server unix:FOLDER/s",
            "server_change:update_config 127.0.0.1:0 hostname",
            "config_change:new_config listeners",
        ],
    ),
    (
        "limits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}\nsave: Nobody",
        &[],
    ),
    (
        "limits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}\nsave: MailDir\nmaildir: {path: '${ROOT}/{user}', durability: none}",
        &[
            "config_change:backend_config save maildir.path maildir.durability",
            "config_change:new_config save maildir.path maildir.durability",
        ],
    ),
    (
        "tls: {certificate: '${FOLDER}/cert.pem', key: '${FOLDER}/key.pem'}\nlimits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}\nsave: MailDir\nmaildir: {path: '${ROOT}/{user}', durability: none}",
        &[
            "server_change:tls_config 127.0.0.1:0",
            "config_change:new_config tls.certificate tls.key",
        ],
    ),
    (
        "log: {level: debug, file: off}\ntls: {certificate: '${FOLDER}/cert.pem', key: '${FOLDER}/key.pem'}\nlimits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}\nsave: MailDir\nmaildir: {path: '${ROOT}/{user}', durability: none}",
        &[
            "config_change:log_file",
            "config_change:log_level",
            "config_change:new_config log.level log.file",
        ],
    ),
];

#[test]
fn each_change_is_told_and_nothing_else() {
    let mut house = House::in_folder(furnished(), "");
    let events = house.running().subscribe(100);
    for (yaml, expected) in TOLD {
        let _ = house.reload(yaml);
        let folder = house.folder.path("").display().to_string();
        let expected: Vec<String> = expected
            .iter()
            .map(|event| event.replace("FOLDER/", &folder))
            .collect();
        assert_eq!(told(&events), expected, "{yaml}");
    }
}
