//! The simplest baseline worth beating on a single stream: how many standard deviations a value is from the mean of the
//! values before it. Pure: values in, scores out.

/// Values that mean and deviation are taken from: enough for a day at five minutes, few enough to follow a change.
const WINDOW: usize = 400;
/// Fewer values give no deviation worth dividing by.
const WINDOW_MIN: usize = 30;

/// Deviation of every value from the window before it, in standard deviations; 0 while there are too few values.
pub fn scores(values: &[f64]) -> Vec<f64> {
    (0..values.len())
        .map(|at| {
            let window = &values[at.saturating_sub(WINDOW)..at];
            if window.len() < WINDOW_MIN {
                return 0.0;
            }
            let count = window.len() as f64;
            let mean = window.iter().sum::<f64>() / count;
            let variance = window
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / count;
            // A constant stream: any change is as far out as can be said.
            let floor = 1e-6 * mean.abs().max(1e-6);
            (values[at] - mean).abs() / variance.sqrt().max(floor)
        })
        .collect()
}

/// What alerts find of labelled windows.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub windows: usize,
    pub found: usize,
    /// Runs of alerts outside all windows.
    pub false_alerts: usize,
}

/// Alerts closer than this many records are one.
const MERGE: usize = 20;

/// Compares alerts with windows; both are positions in the judged part, a window with both its ends.
pub fn compare(alerts: &[usize], windows: &[(usize, usize)]) -> Found {
    let inside = |alert: usize, window: &(usize, usize)| window.0 <= alert && alert <= window.1;
    let found = windows
        .iter()
        .filter(|window| alerts.iter().any(|&alert| inside(alert, window)));
    let mut false_alerts = 0;
    let mut last: Option<usize> = None;
    for &alert in alerts
        .iter()
        .filter(|&&alert| !windows.iter().any(|window| inside(alert, window)))
    {
        if last.is_none_or(|last| alert - last > MERGE) {
            false_alerts += 1;
        }
        last = Some(alert);
    }
    Found {
        windows: windows.len(),
        found: found.count(),
        false_alerts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_stands_out() {
        let mut values: Vec<f64> = (0..100).map(|at| f64::from(at % 2)).collect();
        values.push(5.0);
        let scores = scores(&values);
        assert_eq!(scores[WINDOW_MIN - 1], 0.0);
        assert!((scores[99] - 1.0).abs() < 0.1);
        assert!((scores[100] - 9.0).abs() < 0.1);
    }

    #[test]
    fn a_constant_stream_is_never_divided_by_zero() {
        assert!(scores(&[0.0; 100]).iter().all(|score| *score == 0.0));
    }

    #[test]
    fn alerts_in_windows_and_outside() {
        let found = compare(&[5, 30, 40, 90], &[(3, 6), (50, 60)]);
        assert_eq!(
            found,
            Found {
                windows: 2,
                found: 1,
                false_alerts: 2
            }
        );
    }
}
