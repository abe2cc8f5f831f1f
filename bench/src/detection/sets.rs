//! The data sets of the table: which streams are learnt from together, and what of each counts.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use oddline_trainer::{
    dataset::{InputLogs, ReadOptions},
    generate::CurveShape,
};

use crate::data::{LabelledSeries, access, asd, generator, kpi, nab, pi};

/// The share of a NAB stream that is probation.
const PROBATION: f64 = 0.15;

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataSet {
    /// Production series, each a server
    Kpi,
    /// Servers of nineteen metrics
    Asd,
    /// NAB's streams, each a server
    Nab,
    /// Nine made-up metrics of a small computer
    Pi,
    /// A real shop's access logs
    Access,
    /// A made-up site's access log
    Site,
    /// The trainer's generator, full scenario
    Full,
    /// The trainer's generator, basic scenario
    Basic,
}

impl DataSet {
    pub(super) const ALL: [Self; 8] =
        [Self::Kpi, Self::Asd, Self::Nab, Self::Pi, Self::Access, Self::Site, Self::Full, Self::Basic];

    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Streams that one model is learnt from, and what of them counts.
pub(super) struct Group {
    pub series: Vec<LabelledSeries>,
    /// Records from here on, counted from the first judged, are ranked; those before are only counted. `None`: the same
    /// records are both.
    pub ranked_from: Option<usize>,
    /// Of each stream the events that its records belong to, where that is known.
    pub events: Vec<Vec<Option<u32>>>,
}

/// The groups of a data set, the given ones in folders of `data`.
///
/// # Errors
/// When they cannot be read.
pub(super) fn groups(data: Option<&Path>, seed: u64, set: DataSet) -> Result<Vec<Group>> {
    let alone = |series: Vec<LabelledSeries>| Group { series, ranked_from: None, events: Vec::new() };
    let folder = |name: &str| {
        let data = data.with_context(|| format!("{name} is a data set of a folder: --data DIR says which"))?;
        anyhow::Ok(data.join(name))
    };
    let generated = |shape| {
        let of_seed = |seed| {
            let made = generator::generate(shape, seed)?;
            Ok(Group { series: made.series, ranked_from: None, events: made.events })
        };
        generator::SEEDS.into_iter().map(of_seed).collect()
    };
    Ok(match set {
        DataSet::Kpi => kpi::read(&folder("kpi")?)?.into_iter().map(|series| alone(vec![series])).collect(),
        DataSet::Asd => {
            let group = |server: asd::Server| {
                let ranked_from = server.series.first().map(|series| server.normal - series.learnt);
                Group { series: server.series, ranked_from, events: Vec::new() }
            };
            asd::read(&folder("asd")?)?.into_iter().map(group).collect()
        }
        DataSet::Nab => vec![alone(nab_streams(&folder("nab")?)?)],
        DataSet::Pi => vec![alone(pi::generate(seed))],
        DataSet::Access => vec![alone(access::recorded(&folder("services")?)?)],
        DataSet::Site => vec![alone(access::generated(seed)?)],
        DataSet::Full => return generated(CurveShape::Full),
        DataSet::Basic => return generated(CurveShape::Basic),
    })
}

fn nab_streams(folder: &Path) -> Result<Vec<LabelledSeries>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?.path();
        folders.extend(entry.is_dir().then(|| entry.to_string_lossy().into_owned()));
    }
    folders.sort();
    let logs = InputLogs::find(&folders, ReadOptions::default())?;
    let mut series = nab::read(&logs, &folder.join("windows.json"), PROBATION)?;
    // Each stream is a server of its own.
    for of in &mut series {
        of.name.server = format!("{}-{}", of.name.server, of.name.component);
    }
    Ok(series)
}
