//! What processes cost, as the kernel counts it: `utime + stime` of `/proc/PID/stat`, memory of `/proc/PID/status`.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// Clock ticks of `/proc/PID/stat`. Linux shows 100 a second to programs, whatever the kernel counts in.
const TICKS_PER_SECOND: u32 = 100;

/// Processes whose cost is counted together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    processes: Vec<u32>,
    families: Vec<u32>,
}

/// A reading of a group's CPU time, to be compared with a later one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost(Duration);

impl Group {
    /// Adds a single process.
    #[must_use]
    pub(crate) fn process(mut self, pid: u32) -> Self {
        self.processes.push(pid);
        self
    }

    /// Adds a process and its children, also those that have ended: a PostgreSQL server.
    #[must_use]
    pub(crate) fn family(mut self, pid: u32) -> Self {
        self.families.push(pid);
        self
    }

    /// The CPU time used so far.
    ///
    /// # Errors
    /// When one of the processes is gone.
    pub(crate) fn cost(&self) -> anyhow::Result<Cost> {
        let mut ticks = 0;
        for pid in &self.processes {
            ticks += Stat::of(*pid)?.own;
        }
        for pid in &self.families {
            let parent = Stat::of(*pid)?;
            ticks += parent.own + parent.ended_children;
            // A child that ends between two readings moves from one sum to the other.
            ticks += Stat::all().filter(|stat| stat.parent == *pid).map(|stat| stat.own).sum::<u64>();
        }
        Ok(Cost(Duration::from_secs(ticks) / TICKS_PER_SECOND))
    }
}

impl Cost {
    /// Microseconds of CPU for each of `count` things done since `self` was read.
    pub(crate) fn per_piece_us(self, later: Self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
        let count = count.max(1) as f64;
        later.0.saturating_sub(self.0).as_secs_f64() * 1e6 / count
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
        Self::parse(&text).with_context(|| format!("/proc/{pid}/stat is not as documented"))
    }

    fn all() -> impl Iterator<Item = Self> {
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
        folders.filter_map(|folder| Self::of(folder.file_name().to_str()?.parse().ok()?).ok())
    }

    /// `pid (name) state ppid … utime stime cutime cstime …` (proc_pid_stat(5)); a name may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

/// Memory of a process that is in RAM now, in MiB.
///
/// # Errors
/// When the process is gone.
pub(crate) fn rss_mib(pid: u32) -> anyhow::Result<f64> {
    memory(pid, "VmRSS:")
}

/// The most it ever had, in MiB.
///
/// # Errors
/// When the process is gone.
pub(crate) fn peak_rss_mib(pid: u32) -> anyhow::Result<f64> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, key: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key} of {pid}"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194560 9 0 0 0 11 22 33 44 20 0 1 0 100";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, own: 33, ended_children: 77 }));
        assert_eq!(Stat::parse("42 (cut"), None);
    }

    #[test]
    fn our_own_cost_grows_and_our_memory_is_something() {
        let group = Group::default().process(std::process::id());
        let before = group.cost().unwrap();
        let mut sum = 0_u64;
        while group.cost().unwrap().0 == before.0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(before.per_piece_us(group.cost().unwrap(), 1) >= 10_000.0);
        assert!(rss_mib(std::process::id()).unwrap() > 1.0);
        assert!(peak_rss_mib(std::process::id()).unwrap() > 1.0);
    }
}
