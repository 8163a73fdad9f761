//! Where chance comes from in tests: one number for a whole process, printed by whatever uses it and given by `ALIEN_SEED`, so
//! that what failed once can be made to fail again.

use std::sync::OnceLock;

use proptest::test_runner::{Config, RngSeed};

pub use fastrand::Rng as Chance;

/// What the environment's `ALIEN_SEED` says, else a number of this process's own; and prints it. Output of a test is shown
/// where the test fails.
///
/// # Panics
///
/// Where `ALIEN_SEED` is no number.
#[must_use]
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| match std::env::var("ALIEN_SEED") {
        Ok(given) => given.parse().unwrap_or_else(|_| panic!("ALIEN_SEED is `{given}`, and must be a number")),
        Err(_) => fastrand::u64(..),
    });
    println!("what is left to chance follows from ALIEN_SEED={seed}");
    seed
}

/// Numbers of chance, the same in every test of the same seed.
#[must_use]
pub fn chance() -> Chance {
    Chance::with_seed(seed())
}

/// So many cases of a property. A case that fails is printed in its smallest form; no file remembers it.
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
