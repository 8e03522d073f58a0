//! A log of their own for those who work in one place, such as the sessions of one listener.
//!
//! Who writes a line does not know which log it is for, as a processor does not know the listener
//! that a message came through. So a log is said once, [around](Logbook::around) the work, and the
//! log of the process asks for the [current](Logbook::current) one with each line.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use log::{Log, Record};

thread_local! {
    /// That of the work that this thread is doing.
    static CURRENT: RefCell<Option<Logbook>> = const { RefCell::new(None) };
}

/// Where lines go that belong together.
#[derive(Clone)]
pub struct Logbook(Arc<dyn Log>);

impl Logbook {
    /// One that is kept by `log`.
    pub fn new(log: impl Log + 'static) -> Self {
        Self(Arc::new(log))
    }

    /// The one that lines of this thread belong into now; none is the log of the process.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// The same work, of which every line goes into `book`.
    pub async fn around<F: Future>(book: Option<Self>, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let _open = book.clone().map(Open::new);
            work.as_mut().poll(context)
        })
        .await
    }

    /// Work that does not wait, of which every line goes into `book`.
    pub fn within<T>(book: Option<Self>, work: impl FnOnce() -> T) -> T {
        let _open = book.map(Open::new);
        work()
    }

    /// Work for another task, of which the lines go where those of this one go.
    pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
        Self::around(Self::current(), work)
    }

    /// Work for another thread, likewise.
    pub fn carried_over<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let book = Self::current();
        move || Self::within(book, work)
    }
}

impl Log for Logbook {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.log(record);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

impl fmt::Debug for Logbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logbook")
    }
}

/// As long as it lives, its book is the current one.
struct Open {
    before: Option<Logbook>,
}

impl Open {
    fn new(book: Logbook) -> Self {
        let before = CURRENT.replace(Some(book));
        Self { before }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;
    use crate::locks::lock;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Log for Lines {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            lock(&self.0).push(record.args().to_string());
        }

        fn flush(&self) {}
    }

    /// What the log of a process does with a line; nobody hears those without a book.
    fn write(line: &str) {
        if let Some(book) = Logbook::current() {
            book.log(&Record::builder().args(format_args!("{line}")).build());
        }
    }

    #[test]
    fn lines_go_into_the_book_that_is_around_them() {
        let (outer, inner) = (Lines::default(), Lines::default());
        let [outer_book, inner_book] =
            [&outer, &inner].map(|lines| Some(Logbook::new(lines.clone())));
        write("before");
        smol::block_on(Logbook::around(outer_book, async {
            write("1");
            smol::future::yield_now().await;
            Logbook::around(inner_book, async {
                write("2");
                smol::future::yield_now().await;
                write("3");
            })
            .await;
            Logbook::around(None, async { write("4") }).await;
        }));
        write("behind");
        assert_eq!(*lock(&outer.0), ["1", "4"]);
        assert_eq!(*lock(&inner.0), ["2", "3"]);
    }

    #[test]
    fn other_threads_and_tasks_are_given_the_book() {
        let lines = Lines::default();
        let executor = smol::Executor::new();
        let around = Logbook::around(Some(Logbook::new(lines.clone())), async {
            thread::spawn(Logbook::carried_over(|| write("thread")))
                .join()
                .expect("it does not panic");
            thread::spawn(|| write("stranger"))
                .join()
                .expect("it does not panic");
            executor
                .spawn(Logbook::carried(async { write("task") }))
                .detach();
        });
        smol::block_on(around);
        assert!(executor.try_tick());
        assert_eq!(*lock(&lines.0), ["thread", "task"]);
    }

    /// The thread of a task that has panicked goes on with others.
    #[test]
    fn a_panic_closes_the_book() {
        let book = Some(Logbook::new(Lines::default()));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            smol::block_on(Logbook::around(book, async { panic!("on purpose") }));
        }));
        assert!(panic.is_err());
        assert!(Logbook::current().is_none());
    }
}
