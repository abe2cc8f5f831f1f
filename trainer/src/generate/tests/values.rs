//! Statistics of the normal values and what the files may hold.

use super::*;

#[test]
fn noise_and_daily_curve_can_be_recovered() {
    let scenario = clean();
    for (key, stream) in by_stream(&scenario) {
        let profile = profile(&scenario, &key);
        let n = stream.len() as f64;
        let residual: Vec<f64> = stream.iter().map(|record| record.value - profile.base(record.time_s)).collect();
        let mean = residual.iter().sum::<f64>() / n;
        let variance = residual.iter().map(|r| r * r).sum::<f64>() / n;
        let lagged = residual.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n;
        let sd = variance.sqrt();
        assert!(mean.abs() < 0.06 * sd, "{key:?} mean {mean}");
        assert!((sd / profile.noise_sd - 1.0).abs() < 0.03, "{key:?} sd {sd}");
        assert!((lagged / variance - 0.6).abs() < 0.03, "{key:?} lag 1 {}", lagged / variance);
        let (mut sin, mut cos) = (0.0, 0.0);
        for record in &stream {
            let w = std::f64::consts::TAU * (record.time_s % 86_400) as f64 / 86_400.0;
            sin += 2.0 * record.value * w.sin() / n;
            cos += 2.0 * record.value * w.cos() / n;
        }
        let amplitude = sin.hypot(cos);
        assert!((amplitude / profile.daily_amplitude - 1.0).abs() < 0.1, "{key:?} {amplitude}");
    }
}

#[test]
fn basic_is_independent_noise_and_far_outliers() {
    let scenario = Scenario { shape: CurveShape::Basic, ..clean() };
    for (key, stream) in by_stream(&scenario) {
        let profile = profile(&scenario, &key);
        let residual: Vec<f64> = stream.iter().map(|record| record.value - profile.mean).collect();
        let variance = residual.iter().map(|r| r * r).sum::<f64>() / stream.len() as f64;
        let lagged = residual.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        assert!((variance.sqrt() / profile.noise_sd - 1.0).abs() < 0.03, "{key:?}");
        assert!((lagged / stream.len() as f64 / variance).abs() < 0.03, "{key:?}");
    }
    let dirty = Scenario { shape: CurveShape::Basic, ..Scenario::default() };
    for (key, stream) in by_stream(&dirty) {
        let profile = profile(&dirty, &key);
        for record in stream.iter().filter(|record| record.anomalous) {
            let far = (record.value - profile.mean).abs() / profile.noise_sd;
            assert!((7.9..15.1).contains(&far), "{record:?} {far}");
            assert_eq!(record.truth.unwrap().kind, AnomalyPattern::Outlier);
        }
    }
}

#[test]
fn values_stay_possible_and_short() {
    for shape in [CurveShape::Basic, CurveShape::Full] {
        let scenario = Scenario { shape, anomaly_rate: 0.4, ..Scenario::default() };
        for record in records(&scenario).unwrap() {
            let limited = matches!(record.component, "cpu" | "memory");
            assert!(record.value >= 0.0 && (!limited || record.value <= 100.0), "{record:?}");
            let text = record.value.to_string();
            assert!(text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 4), "{text}");
            assert_eq!(text.parse(), Ok(record.value));
        }
    }
}
