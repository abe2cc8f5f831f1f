//! One source's way from a line to its events: parse, judge, tell. Pure: lines and clocks come as arguments, so that
//! `run` and `replay` are the same code.
//!
//! ```text
//!  line -> Parser -> Record -> Judge -> Verdict -> Episodes -> Event
//! ```
//!
//! A line without a value yields its length and its numeric fields, each a stream of its own (`component.field`).

mod episodes;
mod flood;

use std::{collections::VecDeque, sync::Arc};

use oddline_core::{
    event::{Event, ModelSwap, SourceName},
    format::{Context, Format, Parser},
    record::Record,
    time::EventTime,
};
use oddline_detector::{InferError, Intake, Judge, Judged, Model, Names, State};
use serde::{Deserialize, Serialize};

use self::episodes::{Around, Episodes};
use crate::redact::{self, Addresses, Samples};

/// How one source is treated.
#[derive(Debug, Clone)]
pub struct Treatment {
    /// The format of its lines.
    pub format: Format,
    /// What records are called that name no server.
    pub server: String,
    /// What records are called that name no component.
    pub component: String,
    /// Seconds east of UTC of times without a zone.
    pub offset_s: i32,
    /// What leaves this host of an odd line.
    pub samples: Samples,
    /// What becomes of IP addresses in it.
    pub addresses: Addresses,
    /// Episodes an hour that travel one by one.
    pub flood_limit: u32,
}

/// Everything a source's judging remembers; goes to the state file with the position it belongs to.
#[derive(Serialize, Deserialize)]
pub struct Remembered {
    parser: Parser,
    judge: State,
    episodes: Episodes,
    previous: Option<EventTime>,
    counts: Counts,
}

impl Remembered {
    /// Goes over from the model of version `from` to another, before [`Pipeline::new`] with it. The event to be told.
    pub fn adopt(&mut self, source: &SourceName, from: u64, model: &Model) -> Event {
        self.judge.adopt(model);
        let position = self.judge.number();
        Event::ModelSwap(ModelSwap { source: source.clone(), position, from: Some(from), to: model.version })
    }
}

/// What came of a source's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Records judged.
    pub judged: u64,
    /// Odd ones.
    pub anomalous: u64,
    /// Lines with something wrong in them.
    pub faults: u64,
    /// Lines with nothing to judge.
    pub unjudged: u64,
}

/// One source.
pub struct Pipeline {
    source: SourceName,
    treatment: Treatment,
    parser: Parser,
    judge: Judge,
    episodes: Episodes,
    previous: Option<EventTime>,
    counts: Counts,
    /// Text of the records whose verdict is not there yet: at most a block of them.
    waiting: VecDeque<Arc<str>>,
    judged: Vec<Judged>,
}

impl Pipeline {
    /// A source that begins, or goes on from what it remembered.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub fn new(
        source: &str,
        treatment: Treatment,
        model: &Model,
        remembered: Option<Remembered>,
    ) -> Result<Self, InferError> {
        let fresh = || Remembered {
            parser: Parser::new(treatment.format.clone()),
            judge: State::default(),
            episodes: Episodes::new(treatment.flood_limit),
            previous: None,
            counts: Counts::default(),
        };
        let remembered = remembered.unwrap_or_else(fresh);
        Ok(Self {
            source: SourceName::cut(source),
            judge: Judge::with_state(model, remembered.judge)?,
            treatment,
            parser: remembered.parser,
            episodes: remembered.episodes,
            previous: remembered.previous,
            counts: remembered.counts,
            waiting: VecDeque::new(),
            judged: Vec::new(),
        })
    }

    /// Another model judges from the next record on.
    ///
    /// # Errors
    /// When either model cannot be run.
    pub fn judge_with(&mut self, model: &Model, out: &mut Output) -> Result<(), InferError> {
        self.idle(out)?;
        let from = self.judge.model().version;
        let mut remembered = self.remembered();
        let swap = remembered.adopt(&self.source, from, model);
        out.events.push(swap);
        self.judge = Judge::with_state(model, remembered.judge)?;
        Ok(())
    }

    /// What follows is another file of the source.
    pub fn start_of_file(&mut self) {
        self.parser.start_of_file();
    }

    /// Takes one line; appends what is to be told and, for whoever wants them, the verdicts.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn line(&mut self, bytes: &[u8], modified: Option<EventTime>, out: &mut Output) -> Result<(), InferError> {
        self.counts.lines += 1;
        let context = Context { previous: self.previous, reference: modified, offset_s: self.treatment.offset_s };
        let Some(record) = self.parser.parse(bytes, &context) else { return Ok(()) };
        self.previous = record.time.or(self.previous);
        self.counts.faults += u64::from(record.fault.is_some());
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        let mut judged = 0;
        for reading in readings(record, &self.treatment.component) {
            judged += u64::from(self.judge_one(&reading, &text)?);
        }
        self.counts.judged += judged;
        self.counts.unjudged += u64::from(judged == 0);
        self.tell(out);
        Ok(())
    }

    /// Judges what waits for its block to fill: nothing more is there to read for now.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn idle(&mut self, out: &mut Output) -> Result<(), InferError> {
        self.judge.flush(&mut self.judged)?;
        self.tell(out);
        Ok(())
    }

    /// What a replay still holds at the end of its file.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn finish(&mut self, out: &mut Output) -> Result<(), InferError> {
        self.idle(out)?;
        self.episodes.rest(&self.source, &mut out.events);
        Ok(())
    }

    /// Everything to go on from. Call [`Pipeline::idle`] first: what waits is not part of it.
    #[must_use]
    pub fn remembered(&self) -> Remembered {
        Remembered {
            parser: self.parser.clone(),
            judge: self.judge.state().clone(),
            episodes: self.episodes.clone(),
            previous: self.previous,
            counts: self.counts,
        }
    }

    /// What came of the lines so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Number of the next record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.judge.number()
    }

    /// Streams known, and how many of them are still being learnt.
    #[must_use]
    pub fn streams(&self) -> (usize, usize) {
        self.judge.streams()
    }

    /// Event time of the last record that had one.
    #[must_use]
    pub fn last_time(&self) -> Option<EventTime> {
        self.previous
    }

    fn judge_one(&mut self, reading: &Record<'_>, text: &Arc<str>) -> Result<bool, InferError> {
        let names = Names { server: &self.treatment.server, component: &self.treatment.component };
        // The verdict on this very record may come back with the push that fills its block.
        self.waiting.push_back(Arc::clone(text));
        let taken = matches!(self.judge.push(reading, names, &mut self.judged)?, Intake::Judged(_));
        if !taken {
            self.waiting.pop_back();
        }
        Ok(taken)
    }

    fn tell(&mut self, out: &mut Output) {
        let model = self.judge.model();
        for judged in self.judged.drain(..) {
            let text = self.waiting.pop_front().expect("each verdict belongs to a record that waits");
            let odd = judged.verdict.anomalous;
            self.counts.anomalous += u64::from(odd);
            let Treatment { samples, addresses, .. } = self.treatment;
            let opened = judged.step == oddline_core::episode::Step::Opened;
            let sample = if opened { redact::sample(&text, samples, addresses) } else { None };
            let view = &model.profile.record;
            let around = Around { source: &self.source, view, model: model.version, sample };
            self.episodes.take(&judged, around, &mut out.events);
            if out.wanted == Wanted::All || (odd && out.wanted == Wanted::Odd) {
                out.judged.push(judged);
            }
        }
    }
}

/// What lines have yielded and nobody has taken yet.
#[derive(Default)]
pub struct Output {
    /// Events, in order.
    pub events: Vec<Event>,
    /// Verdicts, in order, as far as they are wanted.
    pub judged: Vec<Judged>,
    /// Which verdicts are wanted.
    pub wanted: Wanted,
}

/// Which verdicts somebody looks at; the daemon looks at none, only at their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// None.
    #[default]
    None,
    /// The odd ones.
    Odd,
    /// Every one.
    All,
}

/// The values of a record: its own, or, of a text, its length and its numeric fields.
fn readings<'a>(record: Record<'a>, default_component: &str) -> Vec<Record<'a>> {
    if record.value.is_some() {
        return vec![record];
    }
    let component = record.component.as_deref().unwrap_or(default_component).to_owned();
    let of = |field: &str, value: f64| Record {
        time: record.time,
        server: record.server.clone(),
        component: Some(format!("{component}.{field}").into()),
        value: Some(value),
        ..Record::default()
    };
    #[expect(clippy::cast_precision_loss, reason = "a line's length")]
    let length = record.message.as_ref().map(|message| of("length", message.len() as f64));
    let numbers = record.numbers.iter().map(|(name, value)| of(name, *value));
    length.into_iter().chain(numbers).collect()
}
