//! What comes out of a source's lines.

use oddline_core::event::Event;
use oddline_detector::JudgedRow;

/// What lines have yielded and nobody has taken yet.
#[derive(Default)]
pub struct PipelineOutput {
    /// Events, in order.
    pub events: Vec<Event>,
    /// Verdicts, in order, as far as they are wanted.
    pub judged: Vec<JudgedRow>,
    /// Which verdicts are wanted.
    pub wanted: OutputWanted,
}

/// Which verdicts somebody looks at; the daemon looks at none, only at their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputWanted {
    /// None.
    #[default]
    None,
    /// The odd ones.
    Odd,
    /// Every one.
    All,
}
