//! What values weigh in memory, in bytes: what they own on the heap, with what an allocator adds. Exact enough to keep a
//! budget by; a test measures that.

use std::sync::Arc;

use crate::stream::StreamName;

/// What an allocator adds to a block: its head, and rounding.
pub const BLOCK: usize = 16;

/// A block on the heap.
#[must_use]
pub const fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + BLOCK }
}

/// Room for so many items, in one block.
#[must_use]
pub const fn items<T>(capacity: usize) -> usize {
    block(capacity * size_of::<T>())
}

/// A hash table with room for so many entries: an eighth of its buckets stays free, each has a byte beside it.
#[must_use]
pub const fn table<T>(capacity: usize) -> usize {
    block(capacity / 7 * 8 * (size_of::<T>() + 1))
}

/// A name that several may hold.
#[must_use]
pub fn name(name: &Arc<StreamName>) -> usize {
    block(size_of::<StreamName>() + 2 * size_of::<usize>())
        + block(name.server.capacity())
        + block(name.component.capacity())
}
