//! Who may hear what happens, and see what works.

use super::{Daemon, Running};
use crate::events::{Event, Events, Subscriber, Subscription};
use crate::health::Health;

impl Daemon {
    /// Calls `observer` with everything that happens, from the start on; see [`Events::observe`] for
    /// what it may do.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use maiasaura::events::Event;
    /// use maiasaura::{Config, Daemon};
    ///
    /// static DELIVERED: AtomicU64 = AtomicU64::new(0);
    ///
    /// let daemon = Daemon::new(Config::default()).observe(|event| match event {
    ///     Event::Message(message) if message.outcome.is_ok() => {
    ///         DELIVERED.fetch_add(1, Ordering::Relaxed);
    ///     }
    ///     Event::ServerChange(change) => println!("{}: {:?}", change.listener, change.change),
    ///     _ => {}
    /// });
    /// # let _ = daemon;
    /// ```
    #[must_use]
    pub fn observe(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.parts.events.observe(observer);
        self
    }

    /// Who is told what happens, and where to tell it.
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// What works, and what does not. A processor that depends on something has a line there.
    pub fn health(&self) -> &Health {
        &self.parts.health
    }
}

impl Running {
    /// A channel with what happens from now on, with room for so many events; see
    /// [`Events::subscribe`] for what becomes of more.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use maiasaura::config::Environment;
    /// use maiasaura::events::Event;
    /// use maiasaura::server::Address;
    /// use maiasaura::{Config, Daemon};
    ///
    /// let yaml = "listeners: [{address: '127.0.0.1:0'}]";
    /// let config = Config::parse(yaml, "example", &Environment::default())?;
    /// let running = Daemon::new(config).start()?;
    /// let events = running.subscribe(100);
    ///
    /// if let Address::Tcp(address) = running.addresses()[0] {
    ///     drop(std::net::TcpStream::connect(address)?);
    /// }
    /// let event = events.wait(Duration::from_secs(30)).expect("somebody has connected");
    /// assert!(matches!(event, Event::Connected(_)));
    /// assert_eq!(event.topic(), "connection:opened");
    /// running.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self, room: usize) -> Subscriber {
        self.parts.events.subscribe(room)
    }

    /// As [`Daemon::observe`], from now on, and until [`Events::unsubscribe`].
    pub fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.parts.events.observe(observer)
    }

    /// Who is told what happens, and where to tell it.
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// What works, and what does not.
    pub fn health(&self) -> &Health {
        &self.parts.health
    }
}
