//! The ratios that are kept, and the check that they have not become worse. Only ratios: machines differ.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::Context as _;

use super::{Design, Results};
use crate::output;

const PAIRS: [(Design, Design); 4] = [
    (Design::Ours, Design::Batched),
    (Design::Ours, Design::BatchedUsual),
    (Design::Ours, Design::Naive),
    (Design::OursSqlite, Design::BatchedSqlite),
];
/// A ratio may be so much of the kept one at least.
const TOLERANCE: f64 = 0.9;

/// Keeps the ratios, or checks them against those that are kept.
///
/// # Errors
/// When the file cannot be read or written.
pub(super) fn settle(results: &Results, check: Option<&Path>, keep: Option<&Path>) -> anyhow::Result<ExitCode> {
    let now: BTreeMap<String, f64> = PAIRS
        .into_iter()
        .filter_map(|(of, to)| Some((format!("{}/{}", of.name(), to.name()), results.ratio(of, to)?)))
        .collect();
    if let Some(path) = keep {
        let rounded: BTreeMap<_, _> = now.iter().map(|(name, ratio)| (name, (ratio * 100.0).round() / 100.0)).collect();
        let text = serde_json::to_string_pretty(&rounded)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let Some(path) = check else { return Ok(ExitCode::SUCCESS) };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let kept: BTreeMap<String, f64> = serde_json::from_str(&text)?;
    let worse = worse(&kept, &now);
    for line in &worse {
        output::note(format_args!("slower than kept: {line}"));
    }
    Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has become worse, or is not there any more.
fn worse(kept: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, kept) in kept {
        match now.get(name) {
            Some(now) if *now >= kept * TOLERANCE => {}
            Some(now) => lines.push(format!("{name} is {now:.2}, kept is {kept:.2}")),
            None => lines.push(format!("{name} was not measured, kept is {kept:.2}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_noise_and_more_is_not() {
        let ratios = |value: f64| BTreeMap::from([("ours/batched".to_owned(), value)]);
        assert!(worse(&ratios(1.0), &ratios(0.91)).is_empty());
        assert_eq!(worse(&ratios(1.0), &ratios(0.89)), ["ours/batched is 0.89, kept is 1.00"]);
        assert_eq!(worse(&ratios(1.0), &BTreeMap::new()), ["ours/batched was not measured, kept is 1.00"]);
    }
}
