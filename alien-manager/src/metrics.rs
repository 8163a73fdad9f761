//! What the server counts, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// What is counted since the program began. Labels are methods, paths with their parameters unfilled, and statuses: none has
/// an id, a name or an address.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, String, u16), u64>>,
    seconds: Mutex<BTreeMap<String, (Duration, u64)>>,
    /// Connections that are open.
    pub(crate) open: AtomicU64,
    /// Connections that were closed for want of room, and handshakes that failed.
    pub(crate) turned_away: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    /// Requests that were sent away.
    pub(crate) shed: AtomicU64,
}

impl Metrics {
    pub(crate) fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let key = (named(method), route.to_owned(), status.as_u16());
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, count) = seconds.entry(route.to_owned()).or_default();
        (*sum, *count) = (*sum + took, *count + 1);
    }

    /// The text format: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let counters = [
            ("alien_connections", "gauge", "Connections that are open", &self.open),
            (
                "alien_connections_turned_away_total",
                "counter",
                "Connections closed for want of room",
                &self.turned_away,
            ),
            ("alien_handshakes_failed_total", "counter", "Handshakes of TLS that failed", &self.handshakes_failed),
            ("alien_requests_shed_total", "counter", "Requests sent away with 503", &self.shed),
        ];
        // Writing to a string cannot fail.
        for (name, kind, help, count) in counters {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {count}");
        }
        let name = "alien_requests_total";
        let _ = writeln!(text, "# HELP {name} Requests that were answered\n# TYPE {name} counter");
        for ((method, route, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = format!(r#"method="{method}",route="{route}",status="{status}""#);
            let _ = writeln!(text, "{name}{{{labels}}} {count}");
        }
        let name = "alien_request_seconds";
        let _ = writeln!(text, "# HELP {name} Time until an answer began\n# TYPE {name} summary");
        for (route, (sum, count)) in &*self.seconds.lock().unwrap_or_else(PoisonError::into_inner) {
            let sum = sum.as_secs_f64();
            let _ = writeln!(text, "{name}_sum{{route=\"{route}\"}} {sum}\n{name}_count{{route=\"{route}\"}} {count}");
        }
        text
    }
}

/// The name of a method: whoever makes up others makes no label.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}
