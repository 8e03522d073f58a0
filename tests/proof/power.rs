//! The power is cut while mail arrives.
//!
//! A file system is mounted from an image, and shut down under load with `FS_IOC_SHUTDOWN` without
//! a last flush of its journal: what was not committed to the image at that moment never gets
//! there. The receiver is killed, the image mounted again, which plays the journal back, and
//! compared with what clients were promised.
//!
//! `FS_IOC_SHUTDOWN` takes away what the file system had in memory. What it has written to the
//! image counts here even if no flush followed, as if the disk had no cache. A cut that takes the
//! cache as well is in `cache`.

use std::fmt::{self, Display, Formatter};
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::{Verdict, look};
use crate::letter::Letter;
use crate::load::Load;
use crate::program::{PROMISES, any_below, need_root, report, rounds, time, wait_for};
use crate::server::{Plan, Server};
use crate::strace::Strace;
use crate::volume::{EXT4, EXT4_FAST_COMMIT, Kind, Volume, XFS, alone, remove};

/// Clients that send at once, another number in each cycle: many make the most trouble, but each
/// commit of one takes the mail of the others along; alone, a client has only its own.
const CLIENTS: [usize; 3] = [8, 1, 2];
/// Copies that are promised before the power is cut, at least.
const WARM: usize = 20;
/// Cycles of a proof, if there is time for them.
pub const CYCLES: u32 = 15;
/// Cycles in which a control must have found what it looks for.
const CONTROL: u32 = 40;

/// What can be cut off.
pub trait Rig {
    /// What it is called in reports.
    fn name(&self) -> String;
    /// Where the Maildirs are.
    fn plan(&self, durability: &'static str) -> Plan;
    /// Cuts the power.
    fn cut(&self);
    /// Makes what is left accessible again, when the receiver is dead.
    fn recover(&mut self);
}

/// One file system that is shut down itself.
struct Plain {
    kind: Kind,
    volume: Volume,
}

impl Plain {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            volume: Volume::new(kind),
        }
    }
}

impl Rig for Plain {
    fn name(&self) -> String {
        self.kind.name.to_string()
    }

    fn plan(&self, durability: &'static str) -> Plan {
        Plan::new(&self.volume.root(), durability)
    }

    fn cut(&self) {
        self.volume.cut();
    }

    fn recover(&mut self) {
        self.volume.unmount();
        self.volume.mount();
    }
}

/// What several cycles have found.
#[derive(Debug, Default)]
pub struct Tally {
    cycles: u32,
    promised: usize,
    /// There more than once, which may be.
    twice: usize,
    /// Promised before the cut, and not there.
    lost: usize,
    /// In `new/`, and not whole.
    broken: usize,
}

/// One cycle on an empty file system: serve, cut, recover, compare.
fn cycle(rig: &mut dyn Rig, plan: &Plan, number: u32) -> Verdict {
    let mut server = Server::start(plan);
    let clients = CLIENTS[number as usize % CLIENTS.len()];
    let load = Load::start(&server, &format!("cycle-{number}"), clients);
    load.wait_for(WARM);
    thread::sleep(Duration::from_micros(any_below(150_000)));
    // Right after a promise is the worst moment: what had to come before it had no more time.
    load.wait_for_the_next();
    let cut = Instant::now();
    rig.cut();
    server.kill();
    let receipts = load.finish();
    rig.recover();
    // A receiver with a journal has to have a chance to use it.
    let mut restarted = Server::start(plan);
    let verdict = look(&plan.root).compare(&receipts, cut);
    restarted.kill();
    remove(&plan.root);
    verdict
}

/// Cuts again and again, so many cycles at most, with every durability that promises anything; each
/// promise must be kept each time. Nothing else is cut meanwhile, so the rig is made here.
pub fn survives<R: Rig>(most: u32, new: impl FnOnce() -> R) {
    need_root();
    let _alone = alone();
    let mut rig = new();
    for durability in PROMISES {
        let plan = rig.plan(durability);
        prove(&mut rig, &plan, most);
    }
}

fn prove(rig: &mut dyn Rig, plan: &Plan, most: u32) {
    let mut tally = Tally::default();
    let begun = Instant::now();
    let what = format!("power cut, {}, {}", rig.name(), plan.durability);
    while tally.cycles < rounds(most) && begun.elapsed() < time(Duration::from_secs(8)) {
        let verdict = cycle(rig, plan, tally.cycles);
        verdict.must_hold(&format!("{what}, cycle {}", tally.cycles));
        tally.add(&verdict);
    }
    report(format_args!("{what}: {tally}"));
}

/// Cuts until enough is found: a machinery that cannot see losses proves nothing.
pub fn control<R: Rig>(
    durability: &'static str,
    found: impl Fn(&Tally) -> bool,
    new: impl FnOnce() -> R,
) {
    need_root();
    let _alone = alone();
    let mut rig = new();
    let plan = rig.plan(durability);
    see(&mut rig, &plan, durability, found);
}

fn see(rig: &mut dyn Rig, plan: &Plan, how: &str, found: impl Fn(&Tally) -> bool) {
    let mut tally = Tally::default();
    let what = format!("control, power cut, {}, {how}", rig.name());
    while !found(&tally) {
        assert!(
            tally.cycles < CONTROL,
            "{what}: nothing found, so losses cannot be seen: {tally}"
        );
        tally.add(&cycle(rig, plan, tally.cycles));
    }
    report(format_args!("{what}: {tally}, as it must be"));
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.cycles += 1;
        self.promised += verdict.promised;
        self.twice += verdict.twice;
        self.lost += verdict.lost_before;
        self.broken += verdict.broken.len();
    }

    /// Whether mail was lost.
    pub fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Whether mail was shown that is not whole.
    pub fn has_broken(&self) -> bool {
        self.broken > 0
    }
}

impl Display for Tally {
    /// `tests/long` adds these numbers up.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            cycles,
            promised,
            lost,
            broken,
            twice,
        } = self;
        write!(
            f,
            "{cycles} cycles, {promised} copies promised, {lost} lost, {broken} broken, {twice} twice"
        )
    }
}

#[test]
fn mail_survives_a_power_cut_on_ext4() {
    survives(CYCLES, || Plain::new(EXT4));
}

#[test]
fn mail_survives_a_power_cut_on_ext4_with_fast_commit() {
    survives(CYCLES, || Plain::new(EXT4_FAST_COMMIT));
}

#[test]
fn mail_survives_a_power_cut_on_xfs() {
    survives(CYCLES, || Plain::new(XFS));
}

/// Without the sync of the folder, names are lost.
#[test]
fn control_without_folder_sync_mail_is_lost() {
    for kind in [EXT4, XFS] {
        control("file", Tally::has_lost, || Plain::new(kind));
    }
}

/// Without any sync, mail is lost, and on ext4 there are empty messages in `new/`.
#[test]
fn control_without_any_sync_mail_is_lost() {
    for kind in [EXT4, XFS] {
        control("none", Tally::has_lost, || Plain::new(kind));
    }
}

/// `eatmydata` makes a lie of every sync that goes through the C library. Most of ours do not, so
/// that it cannot touch names; but on ext4 it takes away the write-back of the content, and empty
/// messages show up.
#[test]
fn control_under_eatmydata_messages_are_torn() {
    need_root();
    let _alone = alone();
    let mut rig = Plain::new(EXT4);
    let plan = Plan {
        through: &["eatmydata"],
        ..rig.plan("full")
    };
    see(&mut rig, &plan, "full under eatmydata", Tally::has_broken);
}

/// Where files are synced with `fdatasync`, every sync is a system call of our own.
#[test]
fn eatmydata_cannot_lie_on_xfs() {
    need_root();
    let _alone = alone();
    let mut rig = Plain::new(XFS);
    let plan = Plan {
        through: &["eatmydata"],
        ..rig.plan("full")
    };
    prove(&mut rig, &plan, CYCLES);
}

/// A file system that meets an error in its journal shuts itself down, and the receiver lives on.
/// That happens here between the rename and the sync of the folder, and no promise may follow:
/// xfs takes the sync of a folder for done even then.
#[test]
fn a_file_system_that_has_shut_down_promises_nothing() {
    need_root();
    let _alone = alone();
    for kind in [EXT4, XFS] {
        let mut rig = Plain::new(kind);
        let plan = rig.plan("full");
        let mut server = Server::start(&plan);
        let mut client = server.client();
        let (first, letter) = (Letter::new("before"), Letter::new("between"));
        assert!(client.send_to(&first, "bob").expect("a reply").is_ok());
        let strace = Strace::attach(&server, "fsync", &["fsync:delay_enter=1000000:when=1"]);
        let sent = letter.clone();
        let sender = thread::spawn(move || client.send_to(&sent, "bob"));
        wait_for("the rename", || look(&plan.root).has("bob", &letter));
        rig.cut();
        let reply = sender
            .join()
            .expect("the client finishes")
            .expect("a reply");
        drop(strace);
        server.kill();
        rig.recover();
        let findings = look(&plan.root);
        assert!(findings.has("bob", &first));
        let kept = findings.has("bob", &letter) || !reply.is_ok();
        assert!(
            kept,
            "{}: lost after {reply:?}, which came after the shutdown",
            kind.name
        );
        report(format_args!(
            "{} that has shut down: {}",
            kind.name, reply.0
        ));
    }
}
