//! Comparing: each round runs all competitors once, in random order.

use std::io;
use std::time::Duration;

use statrs::statistics::{Data, OrderStatistics};

/// How many times a statistic is computed from resampled rounds.
const RESAMPLES: usize = 1_000;

/// One competitor: runs once, and returns the seconds that one operation took.
pub type Run<'a> = Box<dyn FnMut() -> io::Result<f64> + 'a>;

/// The seconds that one of several operations took.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn each(elapsed: Duration, operations: usize) -> f64 {
    elapsed.as_secs_f64() / operations as f64
}

/// The seconds that each competitor took, in each round.
#[derive(Debug)]
pub struct Times(Vec<Vec<f64>>);

/// Runs all of `runs` in each round. What a competitor does only once does not change its median.
pub fn race(rounds: usize, runs: &mut [Run<'_>]) -> io::Result<Times> {
    let mut times = vec![Vec::with_capacity(rounds); runs.len()];
    let mut order: Vec<_> = (0..runs.len()).collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for &index in &order {
            times[index].push(runs[index]()?);
        }
    }
    Ok(Times(times))
}

/// A figure, and how far it scatters.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl From<Vec<Vec<f64>>> for Times {
    fn from(times: Vec<Vec<f64>>) -> Self {
        Self(times)
    }
}

impl Times {
    /// The median time of a competitor, and its quartiles.
    #[must_use]
    pub fn quartiles(&self, index: usize) -> Estimate {
        let mut times = Data::new(self.0[index].clone());
        Estimate {
            value: times.median(),
            low: times.lower_quartile(),
            high: times.upper_quartile(),
        }
    }

    /// A statistic of all medians, with the interval that holds it in 95 of 100 cases.
    ///
    /// The interval comes from a bootstrap that draws whole rounds, so that what slowed down all
    /// competitors of a round does not count as a difference between them.
    pub fn estimate(&self, statistic: impl Fn(&[f64]) -> f64) -> Estimate {
        let rounds = self.0[0].len();
        let all: Vec<_> = (0..rounds).collect();
        // The same times always give the same interval.
        let mut random = fastrand::Rng::with_seed(0);
        let resampled = (0..RESAMPLES).map(|_| {
            let drawn: Vec<_> = all.iter().map(|_| random.usize(..rounds)).collect();
            statistic(&self.medians(&drawn))
        });
        let mut resampled = Data::new(resampled.collect::<Vec<_>>());
        Estimate {
            value: statistic(&self.medians(&all)),
            low: resampled.quantile(0.025),
            high: resampled.quantile(0.975),
        }
    }

    fn medians(&self, rounds: &[usize]) -> Vec<f64> {
        let median = |times: &Vec<f64>| {
            let drawn: Vec<_> = rounds.iter().map(|&round| times[round]).collect();
            Data::new(drawn).median()
        };
        self.0.iter().map(median).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_medians() {
        let times = Times::from(vec![vec![2.0, 2.0, 90.0], vec![1.0, 1.0, 1.0]]);
        let ratio = times.estimate(|medians| medians[0] / medians[1]);
        assert!((ratio.value - 2.0).abs() < 1e-9);
        assert!(ratio.low <= 2.0 && ratio.high >= 2.0);
    }

    #[test]
    fn a_slow_round_is_no_difference_between_competitors() {
        let slow: Vec<_> = (0..50).map(|round| f64::from(1 + round % 7)).collect();
        let twice: Vec<_> = slow.iter().map(|time| 2.0 * time).collect();
        let ratio = Times::from(vec![twice, slow]).estimate(|medians| medians[0] / medians[1]);
        assert!((ratio.low - 2.0).abs() < 1e-9 && (ratio.high - 2.0).abs() < 1e-9);
    }

    #[test]
    fn every_competitor_runs_once_in_a_round() {
        let (mut first, mut second) = (0, 0);
        let count = |count: &mut i32| {
            *count += 1;
            Ok(f64::from(*count))
        };
        let mut runs: [Run<'_>; 2] = [
            Box::new(|| count(&mut first)),
            Box::new(|| count(&mut second)),
        ];
        race(5, &mut runs).unwrap();
        drop(runs);
        assert_eq!((first, second), (5, 5));
    }
}
