//! The suite of a fleet's calls, over HTTPS: on a file, and on PostgreSQL with two managers behind one address.

#[path = "../../../../alien-fleet/tests/it/api/refused.rs"]
mod refused;
#[path = "../../../../alien-fleet/tests/it/api/same.rs"]
mod same;
#[path = "../../it/api/served.rs"]
mod served;
#[macro_use]
#[path = "../../../../alien-fleet/tests/it/api/suite.rs"]
mod suite;

use std::cell::RefCell;
use std::path::PathBuf;

use alien_fleet::Fleet;
use alien_fleet::store::{Embedded, PostgresOptions};
use futures_util::future::LocalBoxFuture;

use crate::folder::Folder;
use crate::world::World;

pub(crate) use served::{Served, error, failure};

/// How calls come.
const OVER: &str = "over HTTPS";

/// Where a check keeps its fleet.
#[derive(Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Database(PostgresOptions),
}

thread_local! {
    /// Where the check of this thread keeps its fleet.
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
    /// The fleet of the second manager.
    static SECOND: RefCell<Option<Fleet>> = const { RefCell::new(None) };
}

/// A fleet with so many deployments, in the place of this thread.
pub(crate) async fn world(deployments: usize) -> World {
    let place = PLACE.with_borrow(|place| place.clone().unwrap());
    match place {
        Place::File(file) => World::over(Embedded::open(&file).await.unwrap(), deployments).await,
        Place::Database(options) => {
            let world = World::over(options.clone().open().await.unwrap(), deployments).await;
            let store = options.open().await.unwrap();
            let second =
                World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
            SECOND.set(Some(second));
            world
        }
    }
}

/// The managers beside the first.
fn others() -> Vec<Fleet> {
    SECOND.take().into_iter().collect()
}

type Check = fn() -> LocalBoxFuture<'static, ()>;

/// Every check, by its name.
pub(crate) fn checks() -> Vec<(&'static str, Check)> {
    macro_rules! list {
        ($($part:ident::$check:ident)+) => {
            vec![$((stringify!($check), || Box::pin($part::$check()))),+]
        };
    }
    suite!(list)
}

/// Runs a check on a file of its own.
pub(crate) fn on_a_file(check: Check) {
    let folder = Folder::new();
    on(Place::File(folder.join("fleet.redb")), check);
}

/// Runs a check in a place.
pub(crate) fn on(place: Place, check: Check) {
    PLACE.set(Some(place));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(crate::LONGEST, check()).await.expect("it waits forever") });
    // What the runtime still has of the fleet goes first.
    drop(runtime);
    drop((SECOND.take(), PLACE.take()));
}
