//! Every ceiling of the system with its reason. What reaches a ceiling is dropped, cut or refused, and counted.

/// Values in one record vector; [`crate::stream::FEATURES`] names them.
pub const RECORD_FEATURES: usize = 8;

/// Rows of one inference call. One fixed shape everywhere keeps a row's residual bit-identical between a
/// live agent, which often has fewer rows, and a replay, which has them all.
pub const BLOCK: usize = 64;

/// Streams one source may hold. 4,096 x about 2 KB is 8 MB: enough for 40 components of 100 servers on one
/// collector-side log, small enough for a Raspberry Pi. Beyond it a stream is evicted that has learnt nothing.
pub const STREAMS_MAX: usize = 4_096;

/// Streams of one source that may still be learning: each holds its last [`LEARNING_KEPT`] readings (up to 6 KB), so
/// this bounds them to 6 MB. Beyond it a new stream is judged by its range only, until a model knows it or one that
/// learns is evicted.
pub const LEARNING_MAX: usize = 1_024;

/// Readings a learning stream keeps for its robust scales.
pub const LEARNING_KEPT: usize = 256;

/// Bytes of a line that are read; the rest is cut on a character boundary and counted. journald's own default.
pub const LINE_BYTES_MAX: usize = 48 * 1024;

/// Bytes of a server or component name. A longer one is cut: names come from foreign logs and end as map keys.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes of a model file. At 512 KiB a model is pushed to a thousand agents without thinking about it.
pub const MODEL_BYTES_MAX: usize = 512 * 1024;

/// Stream baselines in one model; beyond them only priors per component: a model must not grow with the fleet.
pub const BASELINES_MAX: usize = 1_024;

/// Recurring peaks that are known of one stream: 40 bytes each on a host, 100 in a model.
pub const RECURRING_MAX: usize = 4;

/// Component priors in one model.
pub const PRIORS_MAX: usize = 1_024;

/// Golden vectors of one model: enough to touch every weight, few enough to check at each start.
pub const GOLDEN_MAX: usize = 16;

/// Normal records of the same stream that end an episode: the memory of the features dies out within them.
pub const EPISODE_GAP_RECORDS: u32 = 5;

/// Counters of records per interval that one source may hold: half a kilobyte each. More components than that write
/// to a collector-side log only; beyond it a stream's rate is not watched, its silence is.
pub const RATES_MAX: usize = 1_024;

/// Metrics that are judged together: three numbers each, so that a vector has at most 126.
pub const WINDOW_METRICS_MAX: usize = 42;

/// Servers of one source whose metrics are judged together: with 42 metrics some 8 KB each. A model knows more only where
/// each of them has few.
pub const WINDOW_SERVERS_MAX: usize = 256;

const _: () = assert!(BASELINES_MAX <= STREAMS_MAX, "every fitted stream must find a place");
const _: () = assert!(BLOCK.is_multiple_of(16), "inference kernels work on tiles of up to 16 rows");
