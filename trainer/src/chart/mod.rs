//! Pictures of a training and a test run: PNG files, the same bytes for the same figures.
//!
//! One file a chart, on the charts of the library: `page` has the paper, font and colours, `scale` the axes, `frame` what
//! the large charts share; series over time are `reduced` and drawn in `panels`. Draws what it is given: counting and
//! judging are `evaluate`'s. Files are written aside and renamed, so a reader never sees half a picture. The colours are
//! told apart by colour-blind people (Paul Tol's "vibrant" scheme) and differ in lightness too.

mod distribution;
mod frame;
mod loss;
mod page;
mod panels;
mod reduced;
mod scale;

pub use distribution::{ErrorSeries, error_distribution, unseen_data_errors};
pub use loss::loss_curves;
pub use page::{ChartError, ChartPage};
pub use panels::{Panel, PanelPage};
pub use reduced::{ReducedSeries, SeriesPoint};
