//! Those who hand over what waits for applications.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{mem, ptr};

use futures_util::future::join_all;
use smol::future::or;
use smol::{Executor, Task, Timer};

use super::handing::Job;
use crate::events::Events;
use crate::health::Health;
use crate::locks::lock;
use crate::server::{Shutdown, Trigger};
use crate::spool::Worker;

/// The workers of a daemon, one for each queue that it had since it was started.
#[derive(Default)]
pub(super) struct Workers(Mutex<Vec<Post>>);

/// What workers work in.
pub(super) struct Surroundings<'a> {
    pub(super) executor: &'a Executor<'static>,
    pub(super) shutdown: &'a Shutdown,
    pub(super) events: &'a Events,
    pub(super) health: &'a Health,
}

struct Post {
    job: Job,
    stop: Trigger,
    task: Task<()>,
}

impl Workers {
    /// Sees to it that these jobs are done. A worker whose job is still the same goes on with it;
    /// where it is another, for the same queue, the next one begins when this one has finished what
    /// is under way. A queue that nobody names any more is emptied all the same: sessions that began
    /// before may still fill it.
    pub(super) fn set(&self, jobs: Vec<Job>, with: &Surroundings<'_>) {
        let mut posts = lock(&self.0);
        for job in jobs {
            let of_same_queue = |post: &Post| is_for_same_queue(&post.job, &job);
            let before = match posts.iter().position(of_same_queue) {
                Some(known) if is_same(&posts[known].job, &job) => continue,
                known => known.map(|known| posts.swap_remove(known)),
            };
            let before = before.map(|post| {
                post.stop.pull();
                post.task
            });
            posts.push(begin(job, before, with));
        }
    }

    /// Waits for what is being handed over, but only so long: what is cut off is handed over again
    /// after the next start.
    pub(super) async fn finish(&self, patience: Duration) {
        let posts = mem::take(&mut *lock(&self.0));
        let tasks = posts.into_iter().map(|post| post.task);
        let ended = async { drop(join_all(tasks).await) };
        let too_late = async {
            Timer::after(patience).await;
        };
        or(ended, too_late).await;
    }
}

fn begin(job: Job, before: Option<Task<()>>, with: &Surroundings<'_>) -> Post {
    let Job {
        queue,
        dead,
        consumer,
        settings,
    } = job.clone();
    if let Err(error) = queue.make() {
        log::error!(folder:% = queue.letters_folder().display(), error:% = error; "mail for an application will be deferred");
    }
    let part = with.health.part(&format!("queue {}", queue.name()));
    let worker = Worker::new(queue, dead, consumer, settings);
    let worker = worker.telling(with.events.clone(), part);
    let (stop, stopped) = Shutdown::new();
    let shutdown = with.shutdown.clone();
    let task = with.executor.spawn(async move {
        if let Some(before) = before {
            before.await;
        }
        let end = async move { or(shutdown.requested(), stopped.requested()).await };
        worker.run(end).await;
    });
    Post { job, stop, task }
}

fn is_for_same_queue(one: &Job, other: &Job) -> bool {
    one.queue.letters_folder() == other.queue.letters_folder()
}

fn is_same(one: &Job, other: &Job) -> bool {
    let (first, second) = (Arc::as_ptr(&one.consumer), Arc::as_ptr(&other.consumer));
    ptr::addr_eq(first, second)
        && one.settings == other.settings
        && Arc::ptr_eq(one.queue.store(), other.queue.store())
}

#[cfg(all(test, feature = "fastcgi", feature = "mysql", feature = "redis"))]
mod tests;
