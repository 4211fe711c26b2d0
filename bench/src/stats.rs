//! Latencies as percentiles, and medians over runs.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest latency that is told apart from longer ones, in microseconds.
const LONGEST: u64 = 60_000_000;

/// Latencies in microseconds, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never with these bounds.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST, 3)?))
    }

    /// One more.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST));
    }

    /// All of another.
    ///
    /// # Errors
    /// Never: the bounds are the same.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value in milliseconds that `percent` of them do not exceed.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        millis(Duration::from_micros(self.0.value_at_percentile(percent)))
    }

    /// The longest, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        millis(Duration::from_micros(self.0.max()))
    }
}

/// Milliseconds, with a fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The middle one; of an even number the mean of the two in the middle; of none 0.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(values[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_mind_the_order_and_an_outlier() {
        assert!((median([9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 900.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut latencies = Latencies::new().unwrap();
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        let mut twice = latencies.clone();
        twice.add(&latencies).unwrap();
        assert_eq!(twice.count(), 200);
        assert!((twice.percentile_ms(50.0) - 50.0).abs() < 0.1);
        assert!((twice.percentile_ms(99.0) - 99.0).abs() < 0.1);
    }
}
