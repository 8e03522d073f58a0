//! One timer for all the waits of a connection.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::poll_fn;

/// How far ahead the timer is set. Setting a timer wakes the reactor, which costs
/// more than the rest of a short wait; so it is left alone as long as it rings
/// before the deadline, and set anew only when it has rung.
const HORIZON: Duration = Duration::from_secs(30);

/// Ends waits at their deadlines.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: Timer,
    /// When the timer rings.
    set_for: Option<Instant>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            timer: Timer::never(),
            set_for: None,
        }
    }
}

impl Alarm {
    /// What the future comes to, or nothing if the deadline is first.
    pub async fn before<T>(
        &mut self,
        deadline: Instant,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => self.poll(context, deadline).map(|()| None),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            if self.set_for.is_none_or(|set_for| set_for > deadline) {
                let at = deadline.min(Instant::now() + HORIZON);
                self.timer.set_at(at);
                self.set_for = Some(at);
            }
            ready!(Pin::new(&mut self.timer).poll(context));
            self.set_for = None;
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_at_the_deadline_and_not_before() {
        let mut alarm = Alarm::default();
        let begun = Instant::now();
        let never = std::future::pending::<()>();
        let short = Duration::from_millis(30);
        assert_eq!(
            smol::block_on(alarm.before(begun + short * 2, async { 5 })),
            Some(5)
        );
        assert_eq!(smol::block_on(alarm.before(begun + short, never)), None);
        assert!(begun.elapsed() >= short);
        let later = Instant::now() + short;
        assert_eq!(
            smol::block_on(alarm.before(later, std::future::pending::<()>())),
            None
        );
        assert!(Instant::now() >= later);
    }
}
