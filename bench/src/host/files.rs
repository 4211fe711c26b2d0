//! How many files and connections a process may have open.

use std::fs;

/// Makes sure that this process, and so its children, may have `needed` files open.
///
/// # Errors
/// That the limit is lower, and how to raise it.
pub(crate) fn enough_files(needed: u64) -> anyhow::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    match soft_limit(&limits) {
        Some(limit) if limit < needed => {
            anyhow::bail!("{needed} files have to be open at once and {limit} are allowed; run: ulimit -n {needed}")
        }
        _ => Ok(()),
    }
}

/// `None` is as many as the machine has.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number() {
        assert_eq!(soft_limit("Max open files            1024                 524288               files"), Some(1024));
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files"), None);
    }
}
