//! What those are told who have subscribed.

use maiasaura::events::{ConfigChange, Event, ListenerChange, ServerChange, Subscriber};

use crate::client::{Client, PATIENCE};
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
            "server_change:timeout HERE",
            "server_change:max_clients HERE 7",
            "config_change:new_config limits.connections timeouts.data",
        ],
    ),
    (
        "recipients: {hosts: [a.test, b.test]}\nlimits: {connections: 7}\ntimeouts: {data: 50s}\nlisteners: [{address: '127.0.0.1:0', hostname: x.test}, {address: 'unix:${FOLDER}/s'}]",
        &[
            "server_change:new_server unix:FOLDER/s",
            "server_change:start_server unix:FOLDER/s",
            "server_change:update_config HERE hostname",
            "config_change:new_config listeners",
        ],
    ),
    (
        "limits: {connections: 7}\ntimeouts: {data: 50s}\nrecipients: {hosts: [a.test, b.test]}",
        &[
            "server_change:stop_server unix:FOLDER/s",
            "server_change:remove_server unix:FOLDER/s",
            "server_change:update_config HERE hostname",
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
            "server_change:tls_config HERE",
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
    let here = house.address().to_string();
    let events = house.running().subscribe(100);
    for (yaml, expected) in TOLD {
        let _ = house.reload(yaml);
        assert_eq!(
            told(&events),
            with_places(expected, &house, &here),
            "{yaml}"
        );
    }
}

/// As clients know the places; `HERE` is the first listener.
fn with_places(expected: &[&str], house: &House, here: &str) -> Vec<String> {
    let folder = house.folder.path("").display().to_string();
    let named = expected
        .iter()
        .map(|event| event.replace("FOLDER/", &folder));
    named.map(|event| event.replace("HERE", here)).collect()
}

/// Listeners that are written the same, with port 0: `HERE` and `THERE`.
const ALIKE: [(&str, &[&str]); 6] = [
    (
        "listeners: [{address: '127.0.0.1:0', hostname: x.test}, {address: '127.0.0.1:0', hostname: y.test}]",
        &[
            "server_change:update_config HERE hostname",
            "server_change:update_config THERE hostname",
        ],
    ),
    (
        "listeners: [{address: '127.0.0.1:0', hostname: x.test}, {address: '127.0.0.1:0', hostname: y.test, enabled: false}]",
        &[
            "server_change:stop_server THERE",
            "server_change:update_config THERE enabled",
        ],
    ),
    (
        "listeners: [{address: '127.0.0.1:0', hostname: z.test}, {address: '127.0.0.1:0', hostname: z.test, enabled: false}]",
        &[
            "server_change:update_config HERE hostname",
            // Nobody can come to it, and where clients once could is forgotten.
            "server_change:update_config 127.0.0.1:0 hostname",
        ],
    ),
    (
        "listeners: [{address: 'HERE', hostname: z.test}, {address: '127.0.0.1:0', hostname: z.test, enabled: false}]",
        &["server_change:update_config HERE address"],
    ),
    ("listeners: [{address: 'HERE', hostname: z.test}]", &[]),
    (
        "listeners: [{address: 'unix:${FOLDER}/s'}]",
        &[
            "server_change:stop_server HERE",
            "server_change:remove_server HERE",
            "server_change:new_server unix:FOLDER/s",
            "server_change:start_server unix:FOLDER/s",
        ],
    ),
];

#[test]
fn a_listener_is_called_as_clients_know_it() {
    let two = "listeners: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0'}]";
    let mut house = House::new(two);
    let [here, there] = [0, 1].map(|index: usize| house.addresses()[index].to_string());
    let events = house.running().subscribe(100);
    for (yaml, expected) in ALIKE {
        house.reload(&yaml.replace("HERE", &here)).expect(yaml);
        let mut expected = with_places(expected, &house, "HERE");
        expected.push("config_change:new_config listeners".into());
        for event in &mut expected {
            *event = event.replace("THERE", &there).replace("HERE", &here);
        }
        assert_eq!(told(&events), expected, "{yaml}");
    }
    let mut client = Client::greeted(house.address());
    client.wants("QUIT", "221 ");
    let Some(Event::Connected(peer)) = events.wait(PATIENCE) else {
        panic!("somebody has connected");
    };
    assert_eq!(*peer.listener, house.address().to_string());
}
