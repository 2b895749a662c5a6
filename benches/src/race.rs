//! Comparing: each round runs all competitors once, in random order.

use std::io;
use std::time::Duration;

use statrs::statistics::{Data, OrderStatistics};

/// How many times a statistic is computed from resampled rounds.
const RESAMPLES: usize = 1_000;

/// One competitor: runs once, and returns what one operation took.
pub type Run<'a> = Box<dyn FnMut() -> io::Result<Cost> + 'a>;

/// What one operation took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// In seconds.
    pub time: f64,
    /// What reached the disk meanwhile, if that was counted.
    pub disk: Option<OnDisk>,
}

/// What reached the disk, for one operation.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk {
    /// How often its cache was flushed.
    pub flushes: f64,
    /// The bytes that were written to it.
    pub bytes: f64,
}

impl From<f64> for Cost {
    fn from(time: f64) -> Self {
        Self { time, disk: None }
    }
}

/// The seconds that one of several operations took.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn each(elapsed: Duration, operations: usize) -> f64 {
    elapsed.as_secs_f64() / operations as f64
}

/// The seconds that each competitor took, in each round.
#[derive(Debug)]
pub struct Times {
    seconds: Vec<Vec<f64>>,
    disk: Vec<Vec<OnDisk>>,
}

/// Runs all of `runs` in each round. What a competitor does only once does not change its median.
pub fn race(rounds: usize, runs: &mut [Run<'_>]) -> io::Result<Times> {
    let mut times = vec![Vec::with_capacity(rounds); runs.len()];
    let mut disk = vec![Vec::new(); runs.len()];
    let mut order: Vec<_> = (0..runs.len()).collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for &index in &order {
            let cost = runs[index]()?;
            times[index].push(cost.time);
            disk[index].extend(cost.disk);
        }
    }
    Ok(Times {
        seconds: times,
        disk,
    })
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
    fn from(seconds: Vec<Vec<f64>>) -> Self {
        let disk = vec![Vec::new(); seconds.len()];
        Self { seconds, disk }
    }
}

impl Times {
    /// The median time of a competitor, and its quartiles.
    #[must_use]
    pub fn quartiles(&self, index: usize) -> Estimate {
        let mut times = Data::new(self.seconds[index].clone());
        Estimate {
            value: times.median(),
            low: times.lower_quartile(),
            high: times.upper_quartile(),
        }
    }

    /// The time that 99 of 100 runs of a competitor did not exceed.
    #[must_use]
    pub fn tail(&self, index: usize) -> f64 {
        Data::new(self.seconds[index].clone()).quantile(0.99)
    }

    /// What usually reached the disk when a competitor ran, if that was counted.
    #[must_use]
    pub fn disk(&self, index: usize) -> Option<OnDisk> {
        let median = |figure: fn(&OnDisk) -> f64| {
            let figures: Vec<_> = self.disk[index].iter().map(figure).collect();
            Data::new(figures).median()
        };
        (!self.disk[index].is_empty()).then(|| OnDisk {
            flushes: median(|disk| disk.flushes),
            bytes: median(|disk| disk.bytes),
        })
    }

    /// A statistic of all medians, with the interval that holds it in 95 of 100 cases.
    ///
    /// The interval comes from a bootstrap that draws whole rounds, so that what slowed down all
    /// competitors of a round does not count as a difference between them.
    pub fn estimate(&self, statistic: impl Fn(&[f64]) -> f64) -> Estimate {
        let rounds = self.seconds[0].len();
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
        self.seconds.iter().map(median).collect()
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
            Ok(f64::from(*count).into())
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
