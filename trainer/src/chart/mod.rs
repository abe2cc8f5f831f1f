//! Pictures of a training and a test run: PNG files, the same bytes for the same figures.
//!
//! One file a chart; `canvas` is the only one that knows the drawing library, `axis` the only one
//! that turns values into places. Draws what it is given: counting and judging are `evaluate`'s.
//! Files are written aside and renamed, so a reader never sees half a picture. The colours are
//! told apart by colour-blind people (Paul Tol's "vibrant" scheme) and differ in lightness too.

mod axis;
mod canvas;
mod distribution;
mod frame;
mod loss;
mod panels;

pub use canvas::ChartError;
pub use distribution::{ErrorSeries, error_distribution, unseen_data_errors};
pub use loss::loss_curves;
pub use panels::{Point, StreamPanel, streams};
