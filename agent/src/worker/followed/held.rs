//! The memory that a source takes.

use oddline_detector::InferError;
use oddline_pipeline::Pipeline;

use super::{ActiveModel, FollowedSource};
use crate::{
    events::LogEvent,
    memory::{MemoryBudget, SOURCE_BYTES},
};

impl FollowedSource {
    /// What it holds in memory, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it takes no more memory.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Forgets what was learnt in an earlier life where that needs more than the budget leaves beside `used` bytes.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub(crate) fn fit(&mut self, budget: &MemoryBudget, used: u64, active: &ActiveModel) -> Result<(), InferError> {
        if !budget.fits(self.bytes, used) {
            let why = "it needs more memory than is allowed".to_owned();
            LogEvent::Forgotten { source: self.name.clone(), why }.emit();
            self.pipeline = Pipeline::new(&self.name, self.pipeline.treatment().clone(), &active.model, None)?;
            self.is_dirty = true;
            self.weigh();
        }
        Ok(())
    }

    pub(super) fn weigh(&mut self) {
        self.bytes = SOURCE_BYTES + self.pipeline.bytes() as u64;
    }
}
