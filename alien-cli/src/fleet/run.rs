//! `alien fleet run`: a manager in the foreground.

use futures_util::future::{self, Either};

use super::open::{self, Absent};
use alien_core::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Shown;
use crate::args::fleet::RunArgs;
use crate::interrupt::Interrupts;
use crate::output::{self, Failure};

/// The result of `alien fleet run`, once it has ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Worked {
    /// How many deployments it had at once, at most.
    width: usize,
}

pub(super) async fn run(args: &RunArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::calling(&args.fleet, Absent::Make).await?.answering().await?;
    let Some(here) = &reached.here else {
        return Err(Failure::stopped(Exit::Held, "another program holds the store, and answers for the fleet already"));
    };
    let mut interrupts = Interrupts::new()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = here.fleet.worker().width(args.width).watch_every(args.watch_every);
    output::note("working for the fleet; Ctrl-C ends it");
    let work = std::pin::pin!(worker.run(async { drop(stopped.await) }));
    let signals = std::pin::pin!(async {
        interrupts.next().await;
        output::note("claiming nothing more; waiting until what was begun has ended. Ctrl-C again ends at once");
        drop(stop);
        interrupts.next().await;
    });
    match future::select(work, signals).await {
        Either::Left((worked, _)) => {
            worked?;
            reached.end().await;
            if shown.json { output::json(&Worked { width: args.width }) } else { Ok(()) }
        }
        Either::Right(_) => Err(Failure::ended(
            Exit::Interrupted,
            "interrupted: what was being updated is found again by whoever works next",
        )),
    }
}
