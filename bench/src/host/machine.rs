//! What the figures were measured on, in one line.

use std::{fs, path::Path, thread};

/// Processor, cores, memory, kernel, and the disk below `folder`.
pub(crate) fn machine(folder: &Path) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok())
        .map_or_else(|| "unknown memory".to_owned(), |kib| format!("{} GiB", (kib + (1 << 19)) >> 20));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let disk = filesystem(folder).unwrap_or_else(|| "unknown file system".to_owned());
    format!("{cpu}, {cores} cores, {memory}, Linux {}, databases on {disk}", kernel.trim())
}

/// The value of `key : value`.
fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The kind of file system that holds `folder`: the mount with the longest path above it.
fn filesystem(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind.to_owned())
}
