//! What the service manager is told (`sd_notify(3)`); without one, nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use super::Running;
#[cfg(feature = "redis")]
use super::RunningWorker;

/// All listeners are open: clients may come.
pub fn ready(running: &Running) {
    tell(&[NotifyState::Ready, NotifyState::Status(&receiving(running))]);
}

/// It takes mail from streams.
#[cfg(feature = "redis")]
pub fn working(running: &RunningWorker) {
    let config = running.config();
    let (stream, redis) = (&config.stream, config.redis.as_ref());
    let address = redis.map(|redis| redis.address.join(", "));
    let status = format!(
        "taking mail from {}, partitions {} of {}",
        address.unwrap_or_default(),
        stream.consume.join(","),
        stream.partitions
    );
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// It does not start, and why.
pub fn failed(reason: &str) {
    tell(&[NotifyState::Status(reason)]);
}

/// The configuration is looked at again; [`ready`] or, of a worker, the same as after its start, says when that is done.
pub fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else {
        return;
    };
    tell(&[NotifyState::Reloading, now]);
}

/// It has been asked to stop, and may take so long to finish what has begun.
pub fn stopping(patience: Duration) {
    let patience = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("finishing what has begun"),
        NotifyState::ExtendTimeoutUsec(patience),
    ]);
}

/// Gives a sign of life twice as often as the service manager asks for one (`WatchdogSec=`). It
/// comes from the threads that serve clients, so that it stops when they do.
pub fn watchdog(running: &Running) {
    if let Some(interval) = sd_notify::watchdog_enabled() {
        running.every(interval / 2, || tell(&[NotifyState::Watchdog]));
    }
}

/// The same from a worker: from the threads beside those that deliver.
#[cfg(feature = "redis")]
pub fn watchdog_of(running: &RunningWorker) {
    if let Some(interval) = sd_notify::watchdog_enabled() {
        running.every(interval / 2, || tell(&[NotifyState::Watchdog]));
    }
}

fn receiving(running: &Running) -> String {
    let addresses = running.addresses().into_iter();
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    format!("receiving on {}", addresses.join(", "))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!(error:% = error; "cannot tell the service manager");
    }
}
