//! How much processor time this process, its children and a server have used.

use std::{fs, ops::Sub, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Processor time since the process began, user and system together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// This process, all its threads.
    pub(crate) own: Duration,
    /// Children that have ended and were waited for, to a hundredth of a second.
    pub(crate) children: Duration,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let own = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            own: own.try_into().expect("a time after the start"),
            children: children(),
        }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            children: self.children - earlier.children,
        }
    }
}

fn children() -> Duration {
    Times::of("self").expect("/proc").children
}

/// Processor time of a process with all its descendants of one generation, the ended and the living:
/// for a postmaster that is its whole server. To a hundredth of a second for each process.
pub(crate) fn of_family(parent: u32) -> Duration {
    let living = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        // Whoever ends meanwhile is counted with the parent's ended children the next time.
        let times = Times::of(entry.ok()?.file_name().to_str()?)?;
        (times.parent == parent).then_some(times.own)
    });
    let living: Duration = living.sum();
    let parent = Times::of(&parent.to_string()).expect("a process that lives");
    living + parent.own + parent.children
}

/// Processor time of one process, all its threads, to a hundredth of a second.
pub(crate) fn of_process(process: u32) -> Duration {
    Times::of(&process.to_string())
        .expect("a process that lives")
        .own
}

/// The parent of a process.
pub(crate) fn parent_of(process: u32) -> u32 {
    Times::of(&process.to_string())
        .expect("a process that lives")
        .parent
}

struct Times {
    parent: u32,
    own: Duration,
    /// Of children that have ended and were waited for.
    children: Duration,
}

impl Times {
    fn of(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The second field is the program's name in brackets, and a name may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let second = rustix::param::clock_ticks_per_second();
        let time = |at: usize| -> Option<Duration> {
            let ticks: u64 = fields.get(at)?.parse().ok()?;
            Some(Duration::from_millis(ticks * 1_000 / second))
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: time(11)? + time(12)?,
            children: time(13)? + time(14)?,
        })
    }
}
