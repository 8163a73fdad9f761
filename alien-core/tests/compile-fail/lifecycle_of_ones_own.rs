use alien_core::{Lifecycle, State};

enum Thawing {}

impl State for Thawing {
    const LIFECYCLE: Lifecycle = Lifecycle::Live;
}

fn main() {}
