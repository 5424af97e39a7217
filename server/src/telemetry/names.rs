//! Names and help texts of all metrics: one table, described to the registry when it is created.

use metrics::{KeyName, Recorder, Unit};
use metrics_exporter_prometheus::PrometheusRecorder;

pub const REQUESTS: &str = "qianmian_http_requests_total";
pub const REQUEST_SECONDS: &str = "qianmian_http_request_seconds";
pub const IN_FLIGHT: &str = "qianmian_http_in_flight";
pub const DENIED: &str = "qianmian_http_denied_total";
pub const PANICS: &str = "qianmian_panics_total";
pub const CONNECTIONS: &str = "qianmian_connections";
pub const WORKER_RESTARTS: &str = "qianmian_worker_restarts_total";
pub const CANDIDATES: &str = "qianmian_candidates_total";
pub const FILTERED: &str = "qianmian_filtered_total";
pub const SERVED: &str = "qianmian_served_items_total";
pub const FALLBACKS: &str = "qianmian_fallbacks_total";
pub const SWAPS: &str = "qianmian_model_swaps_total";
pub const OPEN_SECONDS: &str = "qianmian_model_open_seconds";
pub const SERVING: &str = "qianmian_model_serving";
pub const TRAINED: &str = "qianmian_model_trained_timestamp_seconds";
pub const RETIRED: &str = "qianmian_models_retired";
pub const EVENTS: &str = "qianmian_events_total";
pub const LINKS: &str = "qianmian_identity_links_total";
pub const WITHOUT_CONSENT: &str = "qianmian_without_consent_total";
pub const DEGRADED: &str = "qianmian_degraded_total";
pub const DRAINED: &str = "qianmian_drained_events_total";
pub const DRAIN_FAILURES: &str = "qianmian_drain_failures_total";
pub const DRAIN_LAG_EVENTS: &str = "qianmian_drain_lag_events";
pub const DRAIN_LAG_SECONDS: &str = "qianmian_drain_lag_seconds";
pub const BREAKER: &str = "qianmian_live_breaker_open";
pub const SPOOLED: &str = "qianmian_live_spooled_events";
pub const REPLAYED: &str = "qianmian_live_replayed_events_total";
pub const LOAD_SECONDS: &str = "qianmian_live_load_seconds";
pub const RETURNS: &str = "qianmian_live_redis_returns_total";
pub const REWINDS: &str = "qianmian_live_redis_rewinds_total";
pub const WRITABLE: &str = "qianmian_live_writable";

/// The kind of a metric.
enum Kind {
    Counter,
    Gauge,
    /// A histogram of seconds.
    Seconds,
}

use Kind::{Counter, Gauge, Seconds};

const HELP: [(&str, Kind, &str); 31] = [
    (REQUESTS, Counter, "Answers, by method, route template and status class."),
    (REQUEST_SECONDS, Seconds, "Time from a request's headers to its answer's headers."),
    (IN_FLIGHT, Gauge, "Requests being answered."),
    (DENIED, Counter, "Requests denied before any work, by reason."),
    (PANICS, Counter, "Panics caught while answering or opening a model."),
    (CONNECTIONS, Gauge, "Open connections."),
    (WORKER_RESTARTS, Counter, "Restarts of background workers that panicked or ended, by worker."),
    (CANDIDATES, Counter, "Items proposed for slates, by source."),
    (FILTERED, Counter, "Candidates removed from slates, by filter."),
    (SERVED, Counter, "Items returned in slates, by the source that contributed most."),
    (FALLBACKS, Counter, "Slates that fell back, by fallback."),
    (EVENTS, Counter, "Events received, by outcome."),
    (LINKS, Counter, "Links of identities, by outcome."),
    (
        WITHOUT_CONSENT,
        Counter,
        "Candidates left out of audiences, and answers made non-personal, by the consent that lacks.",
    ),
    (DEGRADED, Counter, "Slates made without a part that did not answer, by that part."),
    (DRAINED, Counter, "Events drained into files, by shop."),
    (DRAIN_FAILURES, Counter, "Failed attempts to drain events, by shop."),
    (DRAIN_LAG_EVENTS, Gauge, "Events not drained yet, by shop."),
    (DRAIN_LAG_SECONDS, Gauge, "Seconds since the oldest event not drained was received, by shop."),
    (BREAKER, Gauge, "1 while Redis is not asked, because it did not answer."),
    (SPOOLED, Gauge, "Events on this server's disk that wait for Redis."),
    (REPLAYED, Counter, "Spooled events replayed to Redis, by outcome."),
    (LOAD_SECONDS, Seconds, "Time to load the state of a person from Redis, failures included."),
    (RETURNS, Counter, "Times that Redis was another process, or another server, than before, by shop."),
    (REWINDS, Counter, "Times that Redis came back older than it was, by shop."),
    (
        WRITABLE,
        Gauge,
        "1 while this server's folder of live state can be written, 0 after a failed write, by shop.",
    ),
    (SWAPS, Counter, "Model swaps, by shop and outcome."),
    (OPEN_SECONDS, Seconds, "Time to open, verify and warm a model, by shop."),
    (SERVING, Gauge, "1 while the shop has a model to answer from."),
    (TRAINED, Gauge, "When the served model was trained, unix seconds, by shop."),
    (RETIRED, Gauge, "Replaced snapshots that a request still reads; they are freed after it."),
];

/// Describes every metric to `recorder`.
pub fn describe(recorder: &PrometheusRecorder) {
    for (name, kind, help) in HELP {
        let name = KeyName::from(name);
        match kind {
            Counter => recorder.describe_counter(name, Some(Unit::Count), help.into()),
            Gauge => recorder.describe_gauge(name, None, help.into()),
            Seconds => recorder.describe_histogram(name, Some(Unit::Seconds), help.into()),
        }
    }
}
