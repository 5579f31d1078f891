//! How many processors a process sees: the files of `/proc` and `/sys` that say so, and its affinity.
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// `/proc/cpuinfo` of `count` processors of which nothing is known.
pub(crate) fn cpuinfo(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        text += &format!(
            "processor\t: {number}\nvendor_id\t: reproof\ncpu family\t: 0\nmodel\t\t: 0\n\
             model name\t: reproof\nstepping\t: 0\nphysical id\t: 0\nsiblings\t: {count}\n\
             core id\t\t: {number}\ncpu cores\t: {count}\napicid\t\t: {number}\n\n"
        );
    }
    text
}

/// `/proc/stat` of `count` processors that never did anything.
pub(crate) fn stat(count: u32) -> String {
    let mut text = "cpu  0 0 0 0 0 0 0 0 0 0\n".to_owned();
    for number in 0..count {
        text += &format!("cpu{number} 0 0 0 0 0 0 0 0 0 0\n");
    }
    text + "intr 0\nctxt 0\nbtime 0\nprocesses 0\nprocs_running 1\nprocs_blocked 0\nsoftirq 0\n"
}

/// `/sys/devices/system/cpu/online` of `count` processors.
pub(crate) fn online(count: u32) -> String {
    match count {
        0 | 1 => "0\n".to_owned(),
        _ => format!("0-{}\n", count - 1),
    }
}

/// Binds this process to `count` of the processors it may use, beginning with the `place`-th;
/// to all of them if there are fewer.
pub(crate) fn bind(count: u32, place: u32) -> Result<(), Errno> {
    let allowed = sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&number| allowed.is_set(number))
        .collect();
    let mut chosen = CpuSet::new();
    for number in choose(&allowed, count, place) {
        chosen.set(number);
    }
    sched_setaffinity(None, &chosen)
}

fn choose(allowed: &[usize], count: u32, place: u32) -> Vec<usize> {
    let first = place as usize % allowed.len().max(1);
    let count = allowed.len().min(count as usize);
    let around = allowed.iter().cycle().skip(first);
    around.take(count).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_agree_on_the_number() {
        for count in [1, 2, 7, 64] {
            let lines = |text: &str, start: &str| {
                text.lines().filter(|line| line.starts_with(start)).count() as u32
            };
            assert_eq!(lines(&cpuinfo(count), "processor\t"), count);
            // One line more, for all of them together.
            assert_eq!(lines(&stat(count), "cpu"), count + 1);
        }
        assert_eq!(online(1), "0\n");
        assert_eq!(online(2), "0-1\n");
        assert_eq!(online(64), "0-63\n");
    }

    #[test]
    fn processors_are_taken_in_turn_and_never_twice() {
        assert_eq!(choose(&[0, 2, 5], 1, 0), [0]);
        assert_eq!(choose(&[0, 2, 5], 2, 2), [5, 0]);
        assert_eq!(choose(&[0, 2, 5], 9, 1), [2, 5, 0]);
        assert_eq!(choose(&[3], 2, 1000), [3]);
        assert!(choose(&[], 2, 5).is_empty());
    }
}
