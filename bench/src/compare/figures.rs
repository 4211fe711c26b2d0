//! What the runs came to.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Design;
use crate::{output, stats::median};

/// One run of one design, or the medians of several.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    /// Sends a second.
    pub(crate) sends_per_s: f64,
    /// Latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency in milliseconds.
    pub(crate) p99_ms: f64,
    /// CPU of the server's processes for a send, in microseconds.
    pub(crate) server_cpu_us: f64,
    /// CPU of the database's processes for a send, in microseconds.
    pub(crate) db_cpu_us: f64,
    /// Memory of the server at the end, in MiB.
    pub(crate) rss_mib: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sends_per_s, p50_ms, p99_ms, server_cpu_us, db_cpu_us, rss_mib } = self;
        write!(
            f,
            "{sends_per_s:.0} sends/s, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, CPU {server_cpu_us:.0} + {db_cpu_us:.0} \
             µs, {rss_mib:.0} MiB"
        )
    }
}

/// Every run of every design.
#[derive(Debug, Default)]
pub(crate) struct Results {
    runs: BTreeMap<Design, Vec<Figures>>,
    skipped: BTreeMap<Design, String>,
}

impl Results {
    /// One more run.
    pub(crate) fn add(&mut self, design: Design, figures: Figures) {
        self.runs.entry(design).or_default().push(figures);
    }

    /// A design that this build cannot run, and why.
    pub(crate) fn skip(&mut self, design: Design, why: String) {
        self.skipped.insert(design, why);
    }

    /// Whether it was found that it cannot run.
    pub(crate) fn is_skipped(&self, design: Design) -> bool {
        self.skipped.contains_key(&design)
    }

    /// The medians of a design's runs.
    pub(crate) fn medians(&self, design: Design) -> Option<Figures> {
        let runs = self.runs.get(&design)?;
        let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure));
        Some(Figures {
            sends_per_s: of(|run| run.sends_per_s),
            p50_ms: of(|run| run.p50_ms),
            p99_ms: of(|run| run.p99_ms),
            server_cpu_us: of(|run| run.server_cpu_us),
            db_cpu_us: of(|run| run.db_cpu_us),
            rss_mib: of(|run| run.rss_mib),
        })
    }

    /// Sends a second of one design over those of another.
    pub(crate) fn ratio(&self, of: Design, to: Design) -> Option<f64> {
        Some(self.medians(of)?.sends_per_s / self.medians(to)?.sends_per_s)
    }

    /// `{"<design>": {…}}`.
    ///
    /// # Errors
    /// Never: all of it is numbers.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        let mut all = Map::new();
        for design in self.runs.keys() {
            if let Some(figures) = self.medians(*design) {
                all.insert(design.name().to_owned(), serde_json::to_value(figures)?);
            }
        }
        Ok(Value::Object(all))
    }

    /// The designs side by side.
    pub(crate) fn table(&self) -> String {
        let header = [
            "design",
            "sends/s",
            "p50 ms",
            "p99 ms",
            "server CPU µs",
            "db CPU µs",
            "RSS MiB",
            "× batched",
            "× batched-usual",
            "× naive",
        ];
        let mut rows = Vec::new();
        for design in Design::ALL {
            let Some(figures) = self.medians(design) else { continue };
            let floor = match design {
                Design::OursSqlite | Design::BatchedSqlite => Design::BatchedSqlite,
                _ => Design::Batched,
            };
            let ratio = |to| self.ratio(design, to).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
            rows.push(vec![
                design.name().to_owned(),
                format!("{:.0}", figures.sends_per_s),
                format!("{:.1}", figures.p50_ms),
                format!("{:.1}", figures.p99_ms),
                format!("{:.0}", figures.server_cpu_us),
                format!("{:.0}", figures.db_cpu_us),
                format!("{:.0}", figures.rss_mib),
                ratio(floor),
                ratio(Design::BatchedUsual),
                ratio(Design::Naive),
            ]);
        }
        let mut text = output::table(&header, rows).to_string();
        text.push_str("\n× batched: on SQLite against batched-sqlite.");
        for (design, why) in &self.skipped {
            text.push_str(&format!("\n{} NOT MEASURED: {why}", design.name()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sends_per_s: f64) -> Figures {
        Figures { sends_per_s, p50_ms: 1.0, p99_ms: 2.0, server_cpu_us: 3.0, db_cpu_us: 4.0, rss_mib: 5.0 }
    }

    #[test]
    fn the_median_run_counts_and_a_skipped_design_is_named() {
        let mut results = Results::default();
        for sends in [100.0, 900.0, 200.0] {
            results.add(Design::Batched, figures(sends));
        }
        results.add(Design::Naive, figures(50.0));
        results.skip(Design::Ours, "no database".to_owned());
        assert!((results.ratio(Design::Batched, Design::Naive).unwrap() - 4.0).abs() < 1e-9);
        assert!(results.table().contains("ours NOT MEASURED: no database"));
        let json = results.json().unwrap();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["batched", "naive"]);
        assert_eq!(json["batched"].as_object().unwrap().len(), 6);
    }
}
