//! A server's windows through the model's second view, and what came of them.
//!
//! A window is run when it closes, with those of other servers that close with it: its residuals depend neither on them, nor on
//! how records are batched.

use oddline_core::{
    limits::BLOCK,
    profile::{ModelProfile, WINDOW},
    window::{ClosedWindow, WindowReading, WindowTable, WindowVerdict},
};

use crate::{error::InferError, infer::Infer, open::OpenModel};

/// Judges the windows of one source with one model; what it remembers is the judge's state.
pub(crate) struct WindowJudge {
    infer: Infer,
    rows: Vec<f32>,
    residuals: Vec<f32>,
    closed: Vec<ClosedWindow>,
    judged: Vec<WindowVerdict>,
}

impl WindowJudge {
    /// `None` where the model has no such view.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub(crate) fn of(model: &OpenModel) -> Result<Option<Self>, InferError> {
        let Some((window, view)) = model.profile.window.as_ref().zip(model.view(WINDOW)) else { return Ok(None) };
        let room = vec![0.0; BLOCK * window.width()];
        let (residuals, infer) = (room.clone(), view.infer()?);
        Ok(Some(Self { infer, rows: room, residuals, closed: Vec::new(), judged: Vec::new() }))
    }

    /// Takes a reading; judges the windows that it ends.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub(crate) fn take(
        &mut self,
        table: &mut WindowTable,
        profile: &ModelProfile,
        reading: WindowReading<'_>,
    ) -> Result<(), InferError> {
        table.take(profile, reading, &mut self.closed);
        for block in self.closed.chunks(BLOCK) {
            let width = block[0].vector.len();
            for (row, closed) in self.rows.chunks_exact_mut(width).zip(block) {
                row.copy_from_slice(&closed.vector);
            }
            self.infer.block(&self.rows, &mut self.residuals)?;
            let residuals = self.residuals.chunks_exact(width);
            self.judged.extend(block.iter().zip(residuals).filter_map(|(c, r)| table.conclude(profile, c, r)));
        }
        self.closed.clear();
        Ok(())
    }

    /// What was judged since the last call.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = WindowVerdict> + '_ {
        self.judged.drain(..)
    }
}
