//! The whole life of a stack in this process, without an account: describe, plan, set up, register, watch, update,
//! command, revoke, take down. And then a fleet: one release for 200 deployments.

use std::error::Error;

use anstream::println;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examples::life::live(examples::memory::sides()?))?;
    println!("\n# One release, every deployment\n");
    runtime.block_on(examples::fleet::roll_out())
}
