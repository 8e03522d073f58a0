//! Folders that are missing, in the way or taken away, and letters that cannot be read.

use std::fs;

use super::*;

#[test]
fn a_spool_that_cannot_be_made_takes_nothing() {
    let nest = Nest::new();
    let spool = nest.folder.path().join(".spool");
    fs::write(&spool, "in the way").unwrap();
    let error = nest.queue.put(slip("1"), &[MAIL]).unwrap_err();
    assert!(!error.to_string().is_empty());
    fs::remove_file(&spool).unwrap();
    nest.put("1");
}

#[test]
fn a_root_that_must_be_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("disk");
    let store = Arc::new(Store::new(maildir::Settings {
        require_root: true,
        ..maildir::Settings::default()
    }));
    for place in [
        Place::beside(&root.as_path().into(), true),
        Place::at(&root, true),
    ] {
        let queue = Queue::new(Arc::clone(&store), place, "app").unwrap();
        let error = queue.put(slip("1"), &[MAIL]).unwrap_err();
        assert!(error.to_string().contains("require_root"), "{error}");
        assert!(!root.exists());
    }
}

/// The folder is made anew, and its letters are found.
#[test]
fn a_queue_that_was_taken_away_is_made_anew() {
    let nest = Nest::new();
    let work = nest.work(quick(), |_, _| Answer::Delivered);
    nest.put("1");
    assert_eq!(work.next().0, "1");
    fs::rename(nest.path("app"), nest.path("elsewhere")).unwrap();
    fs::remove_dir_all(nest.path("elsewhere")).unwrap();
    eventually("it is back", || nest.path("app/new").is_dir());
    nest.put("2");
    assert_eq!(work.next().0, "2");
}

#[test]
fn garbage_is_tried_and_given_up_and_stops_nobody() {
    let nest = Nest::new();
    nest.queue.make().unwrap();
    fs::write(nest.queue.path("1.garbage"), "what is this\n").unwrap();
    let mut settings = quick();
    // Its name says that it is as old as the epoch.
    settings.schedule.give_up_after = Duration::from_hours(24);
    let work = nest.work(settings, |_, _| Answer::Delivered);
    nest.put("1");
    assert_eq!(work.next().0, "1");
    eventually("it is dead", || nest.dead.files().unwrap().len() == 1);
    let file = nest.dead.files().unwrap().remove(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("X-Queue-Reason: given up: the letter cannot be read: it is no letter"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\nwhat is this\n"), "{text}");
}

#[test]
fn a_letter_that_somebody_removes_is_forgotten() {
    let nest = Nest::new();
    let settings = Settings {
        schedule: Schedule::default(),
        ..quick()
    };
    let work = nest.work(settings, |_, _| later());
    nest.put("1");
    work.next();
    eventually("it is noted", || nest.queue.state(&nest.name()).is_some());
    nest.queue.remove(&nest.name()).unwrap();
    nest.put("2");
    assert_eq!(work.next().0, "2");
}

/// Dead letters cannot be written: the letter stays in its queue.
#[test]
fn a_letter_without_a_grave_stays() {
    let nest = Nest::new();
    nest.put("1");
    fs::write(nest.path("dead"), "in the way").unwrap();
    let mut work = nest.work(quick(), |_, _| Answer::Never { why: "no".into() });
    work.next();
    eventually("it is noted", || nest.queue.state(&nest.name()).is_some());
    work.stop();
    let state = nest.queue.state(&nest.name()).unwrap();
    assert!(
        state
            .error
            .starts_with("no; it cannot become a dead letter: "),
        "{state:?}"
    );
}
