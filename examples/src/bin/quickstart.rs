//! The whole life of a stack in this process, without an account: describe, plan, set up, register, watch, update,
//! command, revoke, take down.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examples::life::live(examples::memory::sides()?))
}
