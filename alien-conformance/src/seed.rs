//! Randomness in tests. One seed per process is printed by whatever uses it, and can be given as `ALIEN_SEED` to repeat
//! a failure.

use std::sync::OnceLock;

use proptest::test_runner::{Config, RngSeed};

pub use fastrand::Rng as Chance;

/// Returns `ALIEN_SEED` from the environment, or else a random seed for this process, and prints it. The test runner
/// shows the output of a failed test.
///
/// # Panics
///
/// If `ALIEN_SEED` is not a number.
#[must_use]
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| match std::env::var("ALIEN_SEED") {
        Ok(given) => given.parse().unwrap_or_else(|_| panic!("ALIEN_SEED is `{given}`, and must be a number")),
        Err(_) => fastrand::u64(..),
    });
    println!("random values of this run: repeat them with ALIEN_SEED={seed}");
    seed
}

/// A random number generator that gives the same numbers in every test with the same seed.
#[must_use]
pub fn chance() -> Chance {
    Chance::with_seed(seed())
}

/// The configuration for this many cases of a property. A failing case is printed in its smallest form, and not saved
/// to a file.
#[must_use]
pub fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(seed()), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::{cases, chance};
    use crate::stacks::any_document;

    #[test]
    fn what_is_left_to_chance_is_the_same_again() {
        let stack = || any_document().new_tree(&mut TestRunner::new(cases(1))).unwrap().current();
        assert_eq!(stack(), stack());
        assert_eq!(chance().u64(..), chance().u64(..));
    }
}
