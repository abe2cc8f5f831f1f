//! What a model file says beside its weights: profile with the baselines and priors of the streams, provenance, version
//! and golden rows; and its bytes.

use std::collections::BTreeMap;

use anyhow::Result;
use oddline_core::{
    budget::BudgetProfile,
    limits::{BASELINES_MAX, GOLDEN_MAX, PRIORS_MAX, RECORD_FEATURES},
    profile::{
        BUDGET, FORMAT, Golden, GoldenView, ModelProfile, Prior, Provenance, RECORD, StreamBaseline, WINDOW, key,
    },
    robust::median,
    stream::{
        FEATURES, JUDGED, REVISION, Vector, baseline::Baseline, character::StreamCharacter, daily::CURVE,
        known::KnownValues,
    },
    time::EventTime,
};

use crate::{
    error::DataError,
    export,
    learn::FittedModel,
    reference_forward,
    train::{ParentModel, TrainingRecipe},
    training_set::TrainingSet,
    windows::FittedWindows,
};

/// A clock that shows less is not set, in seconds since 1970: the start of 2027, soon after this was written.
const CLOCK_MIN_S: u64 = 1_798_761_600;

/// How the fitted model scores, and the baselines of its streams; those of the model before where it keeps them.
#[must_use]
pub fn profile(set: &TrainingSet<'_>, fitted: &FittedModel, before: Option<&ParentModel>) -> ModelProfile {
    let (baselines, priors) = catalogue(set);
    let features = FEATURES.map(str::to_owned).to_vec();
    let record = fitted.record.clone();
    let mut profile = ModelProfile {
        features,
        revision: REVISION,
        record,
        baselines,
        priors,
        budget: None,
        window: None,
        requires: Vec::new(),
    };
    if let Some(old) = before.and_then(|before| before.keep.as_deref()) {
        keep_absent(&mut profile, old);
    }
    profile
}

/// The budget, with the tails of streams that only the model before knows, where it is kept.
pub fn set_budget(profile: &mut ModelProfile, budget: Option<BudgetProfile>, before: Option<&ParentModel>) {
    let old = before.and_then(|before| before.keep.as_deref()).and_then(|old| old.budget.as_ref());
    profile.requires = if budget.is_some() { vec![BUDGET.to_owned()] } else { Vec::new() };
    profile.budget = budget.map(|mut budget| {
        old.iter().for_each(|old| budget.keep_absent(old));
        budget
    });
}

/// The windows, which then must be judged.
pub fn set_windows(profile: &mut ModelProfile, windows: &FittedWindows) {
    profile.window = Some(windows.window.clone());
    profile.requires.push(WINDOW.to_owned());
}

/// The baselines a model carries, sorted, and the priors of the components.
fn catalogue(set: &TrainingSet<'_>) -> (Vec<StreamBaseline>, Vec<Prior>) {
    let mut components: BTreeMap<&str, Vec<&Baseline>> = BTreeMap::new();
    for stream in &set.streams {
        components.entry(&stream.records.name.component).or_default().push(&stream.baseline);
    }
    let baselines = set.streams.iter().take(BASELINES_MAX).map(|stream| StreamBaseline {
        server: stream.records.name.server.clone(),
        component: stream.records.name.component.clone(),
        baseline: stream.baseline.clone(),
    });
    let prior =
        |(component, of): (&str, Vec<&Baseline>)| Prior { component: component.to_owned(), baseline: middle(&of) };
    (baselines.collect(), components.into_iter().take(PRIORS_MAX).map(prior).collect())
}

/// Takes over what an older profile knows of streams and components that this one does not, as far as there is room: a
/// server whose logs were not at hand is not forgotten.
fn keep_absent(profile: &mut ModelProfile, old: &ModelProfile) {
    let absent = |b: &&StreamBaseline| profile.baseline(&b.server, &b.component).is_none();
    let room = BASELINES_MAX.saturating_sub(profile.baselines.len());
    let kept: Vec<StreamBaseline> = old.baselines.iter().filter(absent).take(room).cloned().collect();
    profile.baselines.extend(kept);
    profile.baselines.sort_by(|a, b| (&a.server, &a.component).cmp(&(&b.server, &b.component)));
    let room = PRIORS_MAX.saturating_sub(profile.priors.len());
    let absent = old.priors.iter().filter(|p| profile.prior(&p.component).is_none());
    let kept: Vec<Prior> = absent.take(room).cloned().collect();
    profile.priors.extend(kept);
    profile.priors.sort_by(|a, b| a.component.cmp(&b.component));
}

/// The middle of each number, of those streams that are of the commonest character; the range is the widest.
fn middle(all: &[&Baseline]) -> Baseline {
    let count = |c: StreamCharacter| all.iter().filter(|b| b.character == c).count();
    let common = all.iter().map(|b| b.character).max_by_key(|c| count(*c)).unwrap_or_default();
    let baselines: Vec<&Baseline> = all.iter().copied().filter(|b| b.character == common).collect();
    let of = |pick: &dyn Fn(&Baseline) -> f64| median(&baselines.iter().map(|b| pick(b)).collect::<Vec<_>>());
    let curve: [f64; CURVE] = core::array::from_fn(|i| of(&|b| b.curve[i]));
    Baseline {
        curve,
        residual_scale: of(&|b| b.residual_scale),
        step_scale: of(&|b| b.step_scale),
        gap_s: of(&|b| b.gap_s),
        gap_long_s: of(&|b| b.gap_long_s),
        still: of(&|b| b.still),
        run: of(&|b| b.run),
        min: baselines.iter().map(|b| b.min).fold(f64::INFINITY, f64::min),
        max: baselines.iter().map(|b| b.max).fold(f64::NEG_INFINITY, f64::max),
        margin: of(&|b| b.margin),
        loudness: of(&|b| b.loudness),
        character: common,
        known: KnownValues::of(baselines.iter().flat_map(|b| b.known.iter().copied()))
            .map_or_else(|| baselines[0].known.clone(), |known| known.values().to_vec()),
        known_seen: Vec::new(),
        resets: baselines.iter().any(|b| b.resets),
        peaks: Vec::new(),
    }
}

#[must_use]
pub fn provenance(
    recipe: &TrainingRecipe,
    set: &TrainingSet<'_>,
    fitted: &FittedModel,
    before: Option<&ParentModel>,
) -> Provenance {
    let best = fitted.outcome.best_epoch.checked_sub(1).and_then(|i| fitted.outcome.validation.get(i));
    Provenance {
        trainer: concat!("oddline-trainer ", env!("CARGO_PKG_VERSION")).to_owned(),
        data_sha256: set.dataset.sha256.clone(),
        seed: recipe.seed,
        rows: fitted.rows,
        rows_trimmed: set.dropped(),
        newest: set.dataset.newest().map(|t| t.to_string()).unwrap_or_default(),
        validation_loss: best.copied().map_or(0.0, f64::from),
        warm_start: before.filter(|before| before.weights.is_some()).map(|before| before.sha256.clone()),
    }
}

/// One more than the version before, or more: the newest record's second, as far as that has been. A record of the year
/// 9999 would make a version that no later training reaches.
#[must_use]
pub fn next_version(newest: Option<EventTime>, before: Option<u64>, now: EventTime) -> u64 {
    let second = |time: EventTime| u64::try_from(time.micros() / 1_000_000).unwrap_or(0);
    let newest = newest.map_or(1, |newest| second(newest).min(second(now).max(CLOCK_MIN_S)).max(1));
    before.map_or(newest, |before| newest.max(before.saturating_add(1)))
}

/// The bytes of the file.
///
/// # Errors
/// When the model is too large for one.
pub fn encode(
    set: &TrainingSet<'_>,
    fitted: &FittedModel,
    windows: Option<&FittedWindows>,
    profile: &ModelProfile,
    provenance: &Provenance,
    version: u64,
) -> Result<Vec<u8>> {
    let all = set.streams.iter().flat_map(|stream| &stream.vectors);
    let every = (all.clone().count() / GOLDEN_MAX).max(1);
    let inputs: Vec<Vector> = all.step_by(every).take(GOLDEN_MAX).copied().collect();
    let outputs = reference_forward::residuals(&fitted.view, &inputs);
    let lists = |rows: &[Vector]| rows.iter().map(|row| row.to_vec()).collect();
    let view = GoldenView { inputs: lists(&inputs), outputs: lists(&outputs) };
    let mut golden = Golden::from([(RECORD.to_owned(), view)]);
    let mut views = vec![fitted.view.clone()];
    if let Some(FittedWindows { view, rows, .. }) = windows {
        let outputs = rows.iter().map(|row| reference_forward::whole(view, row)).collect();
        golden.insert(WINDOW.to_owned(), GoldenView { inputs: rows.clone(), outputs });
        views.push(view.clone());
    }
    let metadata = [
        (key::FORMAT, FORMAT.to_owned()),
        (key::VERSION, version.to_string()),
        (key::PROFILE, serde_json::to_string(profile)?),
        (key::PROVENANCE, serde_json::to_string(provenance)?),
        (key::GOLDEN, serde_json::to_string(&golden)?),
    ];
    let bytes = export::encode(&views, &metadata);
    bytes.map_err(|e| DataError(format!("the model cannot be exported: {e}")).into())
}

const _: () = assert!(JUDGED <= RECORD_FEATURES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_whatever_the_records_say() {
        let at = |seconds: i64| EventTime::from_micros(seconds * 1_000_000);
        let (now, year_9999) = (at(1_900_000_000), at(253_402_300_799));
        assert_eq!(next_version(Some(at(1_800_000_000)), None, now), 1_800_000_000);
        assert_eq!(next_version(Some(year_9999), None, now), 1_900_000_000);
        assert_eq!(next_version(Some(at(1_800_000_000)), Some(1_850_000_000), now), 1_850_000_001);
        assert_eq!(next_version(Some(year_9999), Some(1_900_000_000), now), 1_900_000_001);
        // Where the clock is not set, records are believed up to when this was written.
        assert_eq!(next_version(Some(at(1_770_000_000)), None, at(60)), 1_770_000_000);
        assert_eq!(next_version(Some(year_9999), None, at(60)), CLOCK_MIN_S);
        for none in [None, Some(at(-5)), Some(at(0))] {
            assert_eq!(next_version(none, None, now), 1);
        }
        assert_eq!(next_version(None, Some(u64::MAX), now), u64::MAX);
    }
}
