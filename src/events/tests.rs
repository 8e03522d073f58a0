//! Who hears what.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

fn changed(host: &str) -> Event {
    Event::ConfigChange(ConfigChange::AllowedHosts {
        hosts: vec![host.to_owned()],
    })
}

/// The host that an event tells of.
fn host(event: &Event) -> String {
    match event {
        Event::ConfigChange(ConfigChange::AllowedHosts { hosts }) => hosts.concat(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_is_not_even_made_when_nobody_listens() {
    let events = Events::default();
    events.tell(|| panic!("it is made"));
    let subscription = events.observe(|_| {});
    assert!(events.are_heard());
    events.unsubscribe(&subscription);
    events.tell(|| panic!("it is made"));
}

#[test]
fn observers_hear_all_in_order_until_they_have_enough() {
    let events = Events::default();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&heard);
    let subscription = events.observe(move |event| notes.lock().unwrap().push(host(event)));
    for number in 0..3 {
        events.clone().tell(|| changed(&number.to_string()));
    }
    events.unsubscribe(&subscription);
    events.tell(|| changed("3"));
    assert_eq!(*heard.lock().unwrap(), ["0", "1", "2"]);
}

#[test]
fn a_panic_in_one_is_no_matter_to_the_others() {
    let events = Events::default();
    let count = Arc::new(AtomicUsize::new(0));
    events.observe(|event| panic!("at {}", event.topic()));
    let counter = Arc::clone(&count);
    events.observe(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    for _ in 0..2 {
        events.tell(|| changed("x"));
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn who_reads_slowly_misses_events_and_is_told_how_many() {
    let events = Events::default();
    let slow = events.subscribe(2);
    for number in 0..5 {
        events.tell(|| changed(&number.to_string()));
    }
    assert_eq!(slow.missed(), 3);
    let first = slow.try_next().map(|event| host(&event));
    assert_eq!(first.as_deref(), Some("0"));
    events.tell(|| changed("5"));
    let rest: Vec<String> = std::iter::from_fn(|| slow.try_next())
        .map(|event| host(&event))
        .collect();
    assert_eq!((rest, slow.missed()), (vec!["1".into(), "5".into()], 3));
}

#[test]
fn a_channel_ends_with_either_side() {
    let events = Events::default();
    let subscriber = events.subscribe(0);
    drop(events.subscribe(1));
    events.tell(|| changed("x"));
    assert_eq!(format!("{events:?}"), "Events { observers: 1 }");
    let reader = thread::spawn(move || {
        let first = smol::block_on(subscriber.next()).map(|event| host(&event));
        (first, smol::block_on(subscriber.next()).is_none())
    });
    // The thread waits without an end for the second one.
    let (first, ended) = {
        drop(events);
        reader.join().unwrap()
    };
    assert_eq!((first.as_deref(), ended), (Some("x"), true));
}

/// Who hears an event may do with the events whatever may be done with them.
#[test]
fn an_observer_may_tell_and_subscribe() {
    let events = Events::default();
    let (inner, depth) = (events.clone(), AtomicUsize::new(0));
    events.observe(move |_| {
        if depth.fetch_add(1, Ordering::Relaxed) == 0 {
            inner.tell(|| changed("again"));
            let subscriber = inner.subscribe(1);
            inner.tell(|| changed("third"));
            assert_eq!(
                subscriber.try_next().map(|event| host(&event)).as_deref(),
                Some("third")
            );
        }
    });
    events.tell(|| changed("once"));
}

#[test]
fn changes_have_the_names_that_go_guerrilla_gave_them() {
    let listener = |change| {
        Event::ServerChange(ServerChange {
            listener: "127.0.0.1:25".to_owned(),
            change,
        })
    };
    let keys = Vec::new;
    let (target, level) = (|| "stderr".to_owned(), "info".to_owned());
    let topics = [
        Event::ConfigChange(ConfigChange::NewConfig { keys: keys() }),
        changed("x"),
        Event::ConfigChange(ConfigChange::PidFile { path: None }),
        Event::ConfigChange(ConfigChange::LogFile { target: target() }),
        Event::ConfigChange(ConfigChange::ReopenLogFile),
        Event::ConfigChange(ConfigChange::LogLevel { level }),
        Event::ConfigChange(ConfigChange::BackendConfig { keys: keys() }),
        listener(ListenerChange::New),
        listener(ListenerChange::Removed),
        listener(ListenerChange::Updated { keys: keys() }),
        listener(ListenerChange::Started),
        listener(ListenerChange::Stopped),
        listener(ListenerChange::LogFile { target: target() }),
        listener(ListenerChange::ReopenLogFile),
        listener(ListenerChange::Timeout),
        listener(ListenerChange::MaxClients { connections: 1 }),
        listener(ListenerChange::TlsConfig),
    ];
    let topics = topics.each_ref().map(Event::topic);
    let names = "config_change: new_config allowed_hosts pid_file log_file reopen_log_file log_level \
         backend_config server_change: new_server remove_server update_config start_server \
         stop_server new_log_file reopen_log_file timeout max_clients tls_config";
    let mut prefix = "";
    let mut expected = Vec::new();
    for name in names.split_whitespace() {
        if name.ends_with(':') {
            prefix = name;
        } else {
            expected.push(format!("{prefix}{name}"));
        }
    }
    assert_eq!(topics.to_vec(), expected);
}
