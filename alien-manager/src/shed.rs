//! Requests at once: so many, and so many of one address. Others are sent away for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use alien_core::{Error, ErrorKind};
use alien_fleet::api::refusal;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::limits::{AGAIN, Limits};
use crate::metrics::Metrics;

/// Who is at the other end of a connection: an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    /// A client.
    Client(IpAddr),
    /// A proxy, which adds the client's address to `X-Forwarded-For`.
    Proxy,
}

impl Peer {
    /// The client's address. Of what a proxy sends only the last address is the proxy's own word.
    pub(crate) fn address(self, headers: &HeaderMap) -> Option<IpAddr> {
        match self {
            Self::Client(address) => Some(address),
            Self::Proxy => {
                let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
                last.rsplit(',').next()?.trim().parse().ok()
            }
        }
    }
}

/// The requests that are being answered.
#[derive(Debug)]
pub(crate) struct Requests {
    limits: Limits,
    metrics: Arc<Metrics>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Requests {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { limits, metrics, now: Mutex::default() }
    }

    fn begin(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Turn> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.all >= self.limits.requests {
            return None;
        }
        if let Some(address) = address {
            let of_address = now.by_address.entry(address).or_default();
            if *of_address >= self.limits.per_address {
                return None;
            }
            *of_address += 1;
        }
        now.all += 1;
        Some(Turn { requests: Arc::clone(self), address })
    }
}

/// The turn of a request, until its answer has been sent or given up.
#[derive(Debug)]
struct Turn {
    requests: Arc<Requests>,
    address: Option<IpAddr>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut now = self.requests.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.all -= 1;
        if let Some(address) = self.address
            && let Some(of_address) = now.by_address.get_mut(&address)
        {
            *of_address -= 1;
            if *of_address == 0 {
                now.by_address.remove(&address);
            }
        }
    }
}

/// The layer that sends requests away.
pub(crate) async fn shed(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Peer>().and_then(|peer| peer.address(request.headers()));
    let Some(turn) = requests.begin(address) else {
        requests.metrics.shed.fetch_add(1, Ordering::Relaxed);
        let error = Error::new(ErrorKind::Throttled, "the manager is asked too much at once; ask again later");
        return refusal(error.with_retry_after(Some(Duration::from_secs(fastrand::u64(AGAIN)))));
    };
    next.run(request).await.map(|body| Body::new(Held::new(body, turn)))
}

/// A body that holds something until it has been sent or given up.
pub(crate) struct Held<T> {
    body: Body,
    _held: T,
}

impl<T> Held<T> {
    pub(crate) const fn new(body: Body, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<T: Unpin> http_body::Body for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
