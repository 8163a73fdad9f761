//! Connections of a store: kept open, and replaced where they break.

use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::failure::{is_broken, told, too_slow};

/// Open connections, as many as are needed and not more than a limit.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    /// How long a call may take.
    patience: Duration,
}

impl Connections {
    pub(super) fn new(address: &Address, most: usize, patience: Duration) -> Result<Self> {
        // A connection that has broken is known to have.
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(address.config.clone(), address.tls.clone(), config);
        let settings = settings(patience);
        let set = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager).max_size(most.max(1)).post_create(set).build();
        let pool =
            pool.map_err(|error| Error::new(ErrorKind::Internal, "no connections can be kept").caused_by(&error))?;
        Ok(Self { pool, patience })
    }

    /// When a call that begins now is given up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    pub(super) async fn one(&self, deadline: Instant) -> Result<Client> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)))) => {
                Err(told(&error))
            }
            Ok(Err(error)) => {
                Err(Error::new(ErrorKind::Unavailable, "there is no connection to the database").caused_by(&error))
            }
            Err(_) => Err(too_slow()),
        }
    }

    /// Closes a connection, and those that nobody uses: what broke one has mostly broken all.
    pub(super) fn drop_all(&self, broken: Client) {
        drop(Client::take(broken));
        self.pool.retain(|_, _| false);
    }

    /// Carries out one statement, which is a transaction of its own.
    pub(super) async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let deadline = self.deadline();
        let client = self.one(deadline).await?;
        let query = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, parameters).await
        };
        let error = match timeout_at(deadline, query).await {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(error)) if !is_broken(&error) => return Err(told(&error)),
            Ok(Err(error)) => told(&error),
            Err(_) => too_slow(),
        };
        self.drop_all(client);
        Err(error)
    }
}

/// What every connection begins with. The server itself ends what takes too long, also where the program has gone.
fn settings(patience: Duration) -> String {
    // A little earlier than the program gives up: then the connection lives on.
    let limit = (patience * 3 / 4).as_millis().clamp(1, 1_000_000_000);
    format!(
        "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}; \
         SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'"
    )
}
