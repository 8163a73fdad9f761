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
#[cfg(test)]
pub(crate) use deployments::{Said, Whole};
#[cfg(test)]
pub(crate) use export::Exported;
#[cfg(test)]
pub(crate) use foresight::Foresight;
#[cfg(test)]
pub(crate) use heartbeat::Beat;
#[cfg(test)]
pub(crate) use listing::Known;
#[cfg(test)]
pub(crate) use release::Report;
pub(crate) use release::release;
pub(crate) use rollout::rollout;
#[cfg(test)]
pub(crate) use run::Worked;
#[cfg(test)]
pub(crate) use tokens::NewToken;
pub(crate) use tokens::manager;

use crate::args::Shown;
use crate::args::fleet::FleetCommand;
use crate::output::Failure;

pub(crate) async fn fleet(command: &FleetCommand, shown: Shown) -> Result<(), Failure> {
    match command {
        FleetCommand::Heartbeat(args) => heartbeat::heartbeat(args, shown).await,
        FleetCommand::Events(args) => events::events(args, shown).await,
        FleetCommand::Export(args) => export::export(args, shown).await,
        FleetCommand::Import(args) => export::import(args, shown).await,
        FleetCommand::Run(args) => run::run(args, shown).await,
    }
}
