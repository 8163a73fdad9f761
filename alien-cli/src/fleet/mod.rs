//! `alien release`, `alien rollout`, `alien deployments` and `alien fleet`: many deployments in one store.

mod board;
mod deployments;
mod ending;
mod events;
#[cfg(test)]
mod example;
mod export;
mod follow;
mod foresight;
mod heartbeat;
mod images;
mod listing;
pub(crate) mod open;
mod release;
mod rollout;
mod run;
mod table;
mod tokens;

pub(crate) use deployments::deployments;
pub(crate) use release::release;
pub(crate) use rollout::rollout;
pub(crate) use tokens::manager;

use crate::args::fleet::FleetCommand;
use crate::output::Failure;

pub(crate) async fn fleet(command: &FleetCommand) -> Result<(), Failure> {
    match command {
        FleetCommand::Heartbeat(args) => heartbeat::heartbeat(args).await,
        FleetCommand::Events(args) => events::events(args).await,
        FleetCommand::Export(args) => export::export(args).await,
        FleetCommand::Import(args) => export::import(args).await,
        FleetCommand::Run(args) => run::run(args).await,
    }
}
