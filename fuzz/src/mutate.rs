//! From a few good inputs to many broken ones: bits flipped, bytes cut, doubled, exchanged, and pieces of one input put
//! into another. A seed gives the same inputs in the same order.

/// Bytes of an input: longer ones find nothing that shorter ones do not, and take longer.
const BYTES_MAX: usize = 64 * 1024;
/// Changes to one input.
const CHANGES_MAX: u64 = 6;
/// What decoders treat as special.
const SPECIAL: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f",
    b"\x80",
    b"\"",
    b"\\",
    b"{",
    b"[[[[[[[[",
    b"-",
    b"1e999",
    b"\n",
    b"%00",
    b"\xed\xa0\x80",
];

/// A random walk over inputs.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// Over these inputs; one at least.
    #[must_use]
    pub fn new(seed: u64, mut seeds: Vec<Vec<u8>>) -> Self {
        seeds.push(Vec::new());
        Self { state: seed.wrapping_mul(2).wrapping_add(1), seeds }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut bytes = self.pick();
        for _ in 0..1 + self.below(CHANGES_MAX) {
            self.change(&mut bytes);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.place(bytes.len() + 1);
        let end = (at + 1 + self.place(64)).min(bytes.len()).max(at);
        match self.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            2 if at < bytes.len() => bytes[at] = self.below(256).to_le_bytes()[0],
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            5 => {
                let other = self.pick();
                let (from, length) = (self.place(other.len() + 1), 1 + self.place(64));
                let piece = other[from..(from + length).min(other.len())].to_vec();
                drop(bytes.splice(at..end, piece));
            }
            6 => bytes.truncate(at),
            _ => {
                let piece = SPECIAL[self.place(SPECIAL.len())];
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
        }
    }

    fn pick(&mut self) -> Vec<u8> {
        let at = self.place(self.seeds.len());
        self.seeds[at].clone()
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// SplitMix64, and a bias that no test minds.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
