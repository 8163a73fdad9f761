//! Announcements of other programs, on a connection of their own.

use std::time::Duration;

use alien_core::Result;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Notification};

use super::address::Address;
use super::failure::{told, too_slow};

/// How long it may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a silent connection is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// The longest wait before the next attempt to connect.
const LONGEST: Duration = Duration::from_secs(5);

/// A task that listens. It ends with this value.
#[derive(Debug)]
pub(super) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    /// Begins to listen to a channel. Each announcement of others makes the number grow; `own` says which are not of others.
    /// After a break it grows too, because one may have been missed.
    pub(super) async fn begin(
        address: Address,
        channel: String,
        own: String,
        announced: watch::Sender<u64>,
    ) -> Result<Self> {
        let mut session = Session::begin(&address, &channel).await?;
        Ok(Self(tokio::spawn(async move {
            loop {
                session.listen(&own, &announced).await;
                tracing::warn!(channel, "the connection that listens for announcements is broken");
                session = again(&address, &channel).await;
                announced.send_modify(|number| *number += 1);
            }
        })))
    }
}

/// Connects, however long it takes.
async fn again(address: &Address, channel: &str) -> Session {
    let mut most = Duration::from_millis(100);
    loop {
        if let Ok(session) = Session::begin(address, channel).await {
            return session;
        }
        sleep(most.mul_f64(fastrand::f64())).await;
        most = LONGEST.min(most * 2);
    }
}

/// A connection that listens.
struct Session {
    client: Client,
    told: mpsc::UnboundedReceiver<Notification>,
}

impl Session {
    async fn begin(address: &Address, channel: &str) -> Result<Self> {
        let connect = async {
            let (client, mut connection) = address.config.connect(address.tls.clone()).await?;
            let (tell, told) = mpsc::unbounded_channel();
            // Ends with the client.
            tokio::spawn(async move {
                let mut messages = stream::poll_fn(|cx| connection.poll_message(cx));
                while let Some(Ok(message)) = messages.next().await {
                    if let AsyncMessage::Notification(notification) = message {
                        // Nobody may listen any more.
                        let _ = tell.send(notification);
                    }
                }
            });
            client.batch_execute(&format!(r#"LISTEN "{channel}""#)).await?;
            Ok(Self { client, told })
        };
        let connected = timeout(PATIENCE, connect).await.map_err(|_| too_slow())?;
        connected.map_err(|error: tokio_postgres::Error| told(&error))
    }

    /// Listens until the connection breaks.
    async fn listen(&mut self, own: &str, announced: &watch::Sender<u64>) {
        loop {
            match timeout(SILENCE, self.told.recv()).await {
                Ok(Some(notification)) if notification.payload() == own => {}
                Ok(Some(_)) => announced.send_modify(|number| *number += 1),
                Ok(None) => return,
                Err(_) => {
                    let asked = timeout(PATIENCE, self.client.simple_query("")).await;
                    if !asked.is_ok_and(|answer| answer.is_ok()) {
                        return;
                    }
                }
            }
        }
    }
}
