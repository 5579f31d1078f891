//! What the processes below this one use, out of `/proc`.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// One process: a line of `/proc/N/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) id: i32,
    parent: i32,
    /// CPU time of itself and of the children that it has waited for, in ticks of the kernel.
    ticks: u64,
    threads: u64,
    /// Resident pages.
    pages: u64,
}

/// How many processes there are in all.
pub(crate) fn count() -> u64 {
    crate::proc::numbers("/proc").unwrap_or_default().len() as u64
}

/// The descendants of the process `root`, without it. Processes that end meanwhile are left out.
pub(crate) fn descendants(root: i32) -> Vec<Process> {
    let ids = crate::proc::numbers("/proc").unwrap_or_default();
    let all: Vec<Process> = ids.into_iter().filter_map(process).collect();
    below(root, &all)
}

fn below(root: i32, all: &[Process]) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(*process);
    }
    let (mut found, mut parents) = (Vec::new(), vec![root]);
    while let Some(parent) = parents.pop() {
        // Each list is taken once, so a circle of parents, which a change while reading could show, ends.
        let list = children.remove(&parent).unwrap_or_default();
        parents.extend(list.iter().map(|process| process.id));
        found.extend(list);
    }
    found.retain(|process| process.id != root);
    found
}

fn process(id: i32) -> Option<Process> {
    let line = crate::proc::read(format!("/proc/{id}/stat")).ok()?;
    parse(id, &String::from_utf8_lossy(&line))
}

/// The name, in parentheses, may hold anything; the fields count from behind it.
fn parse(id: i32, line: &str) -> Option<Process> {
    let (_, rest) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // Field 3 of proc(5) is the first here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = (14..=17).map(number).sum::<Option<u64>>()?;
    Some(Process {
        id,
        parent,
        ticks,
        threads: number(20)?,
        pages: number(24)?,
    })
}

/// CPU time of these processes and of the children that they have waited for.
pub(crate) fn cpu(processes: &[Process]) -> Duration {
    let ticks: u64 = processes.iter().map(|process| process.ticks).sum();
    Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second())
}

/// Threads of these processes.
pub(crate) fn threads(processes: &[Process]) -> u64 {
    processes.iter().map(|process| process.threads).sum()
}

/// Watches memory. The resident sizes of processes count what they share several times, so when their sum
/// would matter, the shares are read; as that takes time in proportion to the memory, it takes at most a
/// twentieth of one processor.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The most bytes seen.
    pub(crate) peak: u64,
    limit: u64,
    next: Instant,
}

impl Memory {
    /// A watch over `limit` bytes.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            peak: 0,
            limit: limit.unwrap_or(u64::MAX),
            next: Instant::now(),
        }
    }

    /// Looks at these processes and the files in memory of this size. Returns the bytes they have if those are
    /// too many.
    pub(crate) fn look(&mut self, processes: &[Process], files: u64) -> Option<u64> {
        let pages: u64 = processes.iter().map(|process| process.pages).sum();
        let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
        let most = bytes.saturating_add(files);
        if most <= self.peak.min(self.limit) {
            return None;
        }
        let used = if processes.len() > 1 || files > 0 {
            self.shares(processes, files)?
        } else {
            most
        };
        self.peak = self.peak.max(used);
        (used > self.limit).then_some(used)
    }

    fn shares(&mut self, processes: &[Process], files: u64) -> Option<u64> {
        if Instant::now() < self.next {
            return None;
        }
        let before = own_time();
        let (mut own, mut shared) = (0_u64, 0_u64);
        for process in processes {
            let (more, more_shared) = share(process);
            own = own.saturating_add(more);
            shared = shared.saturating_add(more_shared);
        }
        self.next = Instant::now() + own_time().saturating_sub(before) * 20;
        // What is mapped of the files in memory is one of the two, not both.
        Some(own.saturating_add(shared.max(files)))
    }
}

/// CPU time of this process.
fn own_time() -> Duration {
    rusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |(user, system, _)| user + system)
}

/// User time, system time and the largest resident size in bytes.
pub(crate) fn rusage(who: UsageWho) -> Result<(Duration, Duration, u64), nix::errno::Errno> {
    let usage = getrusage(who)?;
    let largest = (usage.max_rss().max(0) as u64).saturating_mul(1024);
    Ok((
        duration(usage.user_time()),
        duration(usage.system_time()),
        largest,
    ))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_usec().max(0) as u64;
    Duration::from_secs(time.tv_sec().max(0) as u64) + Duration::from_micros(micros)
}

/// Bytes of a process, each divided by the number of processes that share it: of its own and of shared memory.
fn share(process: &Process) -> (u64, u64) {
    let whole = process
        .pages
        .saturating_mul(rustix::param::page_size() as u64);
    match crate::proc::read(format!("/proc/{}/smaps_rollup", process.id)) {
        Ok(text) => rollup(&String::from_utf8_lossy(&text)).unwrap_or((whole, 0)),
        // It ended, or it forbids to look.
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::NOENT) => (0, 0),
        Err(_) => (whole, 0),
    }
}

fn rollup(text: &str) -> Option<(u64, u64)> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes.saturating_mul(1024))
    };
    let all = value("Pss:")?;
    // Older kernels do not tell them apart.
    let shared = value("Pss_Shmem:").unwrap_or(0);
    Some((all.saturating_sub(shared), shared))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(processes: &[Process]) -> BTreeSet<i32> {
        processes.iter().map(|process| process.id).collect()
    }

    fn process(id: i32, parent: i32) -> Process {
        Process {
            id,
            parent,
            ticks: 0,
            threads: 1,
            pages: 1,
        }
    }

    #[test]
    fn a_line_is_read_behind_its_name() {
        let line =
            "42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 3 0 99 1000 55 18 rest";
        let expected = Process {
            id: 42,
            parent: 7,
            ticks: 110,
            threads: 3,
            pages: 55,
        };
        assert_eq!(parse(42, line), Some(expected));
        assert_eq!(parse(42, "42 (a) S 7"), None);
        assert_eq!(parse(42, ""), None);
    }

    #[test]
    fn descendants_are_found_whatever_the_order() {
        let all = [
            process(5, 4),
            process(4, 1),
            process(3, 2),
            process(2, 9),
            process(1, 0),
        ];
        assert_eq!(ids(&below(1, &all)), BTreeSet::from([4, 5]));
        assert_eq!(ids(&below(9, &all)), BTreeSet::from([2, 3]));
        let circle = [process(1, 2), process(2, 1)];
        assert_eq!(ids(&below(1, &circle)), BTreeSet::from([2]));
    }

    #[test]
    fn shared_memory_is_told_apart() {
        let text = "5-6 ---p 0 00:00 0 [rollup]\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 100 kB\nPss_Shmem: 300 kB\n";
        assert_eq!(rollup(text), Some((200 * 1024, 300 * 1024)));
        assert_eq!(rollup("Pss: 7 kB\n"), Some((7 * 1024, 0)));
        assert_eq!(rollup("Rss: 7 kB\n"), None);
    }

    #[test]
    fn memory_is_too_much_only_beyond_the_limit() {
        let own = |pages| {
            [Process {
                pages,
                ..process(1, 0)
            }]
        };
        let page = rustix::param::page_size() as u64;
        let mut memory = Memory::new(Some(10 * page));
        assert_eq!(memory.look(&own(10), 0), None);
        assert_eq!(memory.peak, 10 * page);
        assert_eq!(memory.look(&own(11), 0), Some(11 * page));
        assert_eq!(memory.look(&own(1), 0), None);
        assert_eq!(memory.peak, 11 * page);
    }
}
