//! The server: accepts connections, within its limits, until it is told to shut down.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::Request;
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::connections::{Connections, Place};
use crate::limits::{HEAD, Limits};
use crate::metrics::Metrics;
use crate::router::Router;
use crate::shed::{Held, Peer};
use crate::tls::Tls;

/// How long the server waits after it could not accept a connection: what is missing (a descriptor) comes back.
const AGAIN: Duration = Duration::from_millis(100);

/// Answers over TLS, or in plain HTTP.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    is_proxied: bool,
    limits: Limits,
}

impl Server {
    /// Listens on an address. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if it cannot be listened on.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let refused = |error: io::Error| {
            let what = format!("`{address}` cannot be listened on");
            Error::new(ErrorKind::Unavailable, what).caused_by(&error)
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, tls: None, is_proxied: false, limits: Limits::default() })
    }

    /// The address: with the port that the system chose, if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers over TLS, with this certificate.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(Arc::new(tls));
        self
    }

    /// Says that whoever connects is a proxy, which has checked TLS and adds the address of its client to
    /// `X-Forwarded-For`. Without TLS and without this, [`serve`](Self::serve) answers on this machine alone.
    #[must_use]
    pub const fn behind_proxy(mut self) -> Self {
        self.is_proxied = true;
        self
    }

    /// Sets what it takes at most.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers until `shutdown` is ready. Then nothing more is accepted, streams end, and what was begun has
    /// [`Limits::grace`] to end.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input), before anything is accepted, if tokens would go over a network in plain text.
    pub async fn serve(self, router: Router, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { listener, address, tls, is_proxied, limits } = self;
        if tls.is_none() && !is_proxied && !address.ip().is_loopback() {
            let what = format!("tokens would come to `{address}` in plain text");
            let help = "give a certificate and a key, listen on 127.0.0.1, or say that a proxy in front has TLS";
            return Err(Error::new(ErrorKind::Input, what).because(help));
        }
        let (app, closing, metrics) = router.within(limits);
        let places = Connections::new(limits.connections, Arc::clone(&metrics));
        let (graceful, mut tasks) = (GracefulShutdown::new(), JoinSet::new());
        let fresh = tls.clone().map(|tls| tokio::spawn(tls.keep_fresh()));
        let answers = Answers { app, tls, is_proxied, limits, metrics };
        let mut shutdown = std::pin::pin!(shutdown.fuse());
        loop {
            while tasks.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                // Whoever finds no place is closed at once: nothing can be said before the handshake.
                Ok((stream, peer)) => {
                    if let Some(place) = places.place() {
                        tasks.spawn(answers.clone().connection(stream, peer, Arc::new(place), graceful.watcher()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        drop((listener, answers));
        if let Some(fresh) = fresh {
            fresh.abort();
        }
        let ended = async { tokio::join!(closing.close(), graceful.shutdown()) };
        if tokio::time::timeout(limits.grace, ended).await.is_err() {
            tracing::warn!("requests that were being answered were cut off");
        }
        tasks.shutdown().await;
        Ok(())
    }
}

/// What each connection is answered with.
#[derive(Debug, Clone)]
struct Answers {
    app: axum::Router,
    tls: Option<Arc<Tls>>,
    is_proxied: bool,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl Answers {
    /// Answers on a connection, until it ends or its place is needed.
    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: Arc<Place>, watcher: Watcher) {
        let answered = self.answered(stream, peer, Arc::clone(&place), watcher);
        tokio::select! {
            () = answered => {}
            () = place.left() => tracing::debug!(%peer, "an idle connection made room for another"),
        }
    }

    async fn answered(self, stream: TcpStream, peer: SocketAddr, place: Arc<Place>, watcher: Watcher) {
        // Without it, a small answer may wait for the other side's acknowledgement. Some systems cannot.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.stall));
        let stream = Box::pin(stream);
        let Some(tls) = &self.tls else { return self.http(stream, peer, place, watcher).await };
        let handshake = TlsAcceptor::from(tls.config()).accept(stream);
        match tokio::time::timeout(self.limits.head, handshake).await {
            Ok(Ok(stream)) => self.http(stream, peer, place, watcher).await,
            Ok(Err(error)) => {
                self.metrics.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%peer, %error, "a handshake failed");
            }
            Err(_) => {
                self.metrics.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%peer, "a handshake took too long");
            }
        }
    }

    async fn http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        place: Arc<Place>,
        watcher: Watcher,
    ) {
        let Self { app, is_proxied, limits, .. } = self;
        let from = if is_proxied { Peer::Proxy } else { Peer::Client(peer.ip().to_canonical()) };
        let of_connection = Arc::clone(&place);
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, busy) = (app.clone(), of_connection.busy());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(from);
                let response = app.oneshot(request).await?;
                Ok::<_, Infallible>(response.map(|body| Held::new(body, busy)))
            }
        });
        let mut http = http1::Builder::new();
        // It counts from when the connection is idle.
        http.timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(HEAD);
        let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
        let slow = async {
            tokio::time::sleep(limits.head).await;
            if place.has_begun() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection ended early");
            },
            () = slow => tracing::debug!(%peer, "no request came in time"),
        }
    }
}
