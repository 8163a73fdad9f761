//! The whole life of a stack in this process, without an account: described, planned, set up, registered, watched, updated,
//! commanded, revoked, taken down.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examples::life::live(examples::memory::sides()?))
}
