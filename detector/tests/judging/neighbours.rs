//! What stands beside a row in a block, and where the row stands, never changes a bit of its residual.

use oddline_core::{
    limits::{BLOCK, RECORD_FEATURES},
    stream::Vector,
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::fixture::model;

/// Rows as streams make them, up to their clips, and now and then what no stream makes.
fn row(random: &mut Xoshiro256PlusPlus) -> Vector {
    let reach = [0.1, 1.0, 15.0, 1e6][random.random_range(0..4)];
    core::array::from_fn(|_| random.random_range(-reach..reach))
}

fn hostile(random: &mut Xoshiro256PlusPlus) -> Vector {
    let values = [f32::NAN, f32::INFINITY, f32::MIN, f32::MAX, 0.0, 1e-40];
    core::array::from_fn(|_| values[random.random_range(0..values.len())])
}

#[test]
fn a_row_is_alone_in_its_block() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    let mut infer = model().infer().unwrap();
    for _ in 0..200 {
        let probe = row(&mut random);
        let mut alone = [[0.0; RECORD_FEATURES]; BLOCK];
        alone[0] = probe;
        let expected = infer.residuals(&alone).unwrap()[0].map(f32::to_bits);
        assert!(expected.iter().any(|bits| *bits != 0));
        for _ in 0..10 {
            let place = random.random_range(0..BLOCK);
            let mut block = [[0.0; RECORD_FEATURES]; BLOCK];
            for slot in &mut block {
                *slot = if random.random_bool(0.2) { hostile(&mut random) } else { row(&mut random) };
            }
            block[place] = probe;
            let found = infer.residuals(&block).unwrap()[place].map(f32::to_bits);
            assert_eq!(found, expected, "at place {place}");
        }
    }
}

#[test]
fn two_runners_of_one_model_agree() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(12);
    let block: [Vector; BLOCK] = core::array::from_fn(|_| row(&mut random));
    let (mut one, mut two) = (model().infer().unwrap(), model().infer().unwrap());
    let first = one.residuals(&block).unwrap();
    for _ in 0..3 {
        assert_eq!(two.residuals(&block).unwrap(), first);
        assert_eq!(one.residuals(&block).unwrap(), first, "a run leaves nothing behind");
    }
}
