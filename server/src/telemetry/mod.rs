//! Every metric, declared once.
//!
//! Handles are made at start and kept by their users, so that counting costs an atomic addition and no look-up. Label
//! sets are closed: routes, status classes, sources, filters, outcomes, workers, and the shops of the configuration;
//! never a user, an item or a version. Each server has a registry of its own.

mod answers;
mod live;
mod names;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use qianmian_models::recommend::slate::Filter;
use qianmian_models::source::Source;

use crate::fallback::Fallback;
pub use answers::{ConsentMetrics, RouteMetrics, SlateMetrics};
pub use live::{DrainMetrics, EventMetrics, LinkMetrics, Linked, RedisMetrics, ReplayMetrics};

/// Bucket bounds of every histogram, in seconds.
const SECONDS: [f64; 16] =
    [5e-5, 1e-4, 2e-4, 3.5e-4, 5e-4, 7.5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The registry, and the metrics of the whole process.
pub struct Telemetry {
    registry: Registry,
    handle: PrometheusHandle,
    /// Requests being answered.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Panics that were caught.
    pub panics: Counter,
    /// Calls without a key.
    pub missing_key: Counter,
    /// Calls with an unknown key.
    pub unknown_key: Counter,
    /// Calls with a key that lacks the scope.
    pub missing_scope: Counter,
    /// Calls with a user token that is not valid.
    pub invalid_token: Counter,
    /// Calls beyond the rate of their key.
    pub limited_key: Counter,
    /// Calls beyond the rate of their user.
    pub limited_user: Counter,
    /// Calls refused because too many were in flight.
    pub overloaded: Counter,
    /// Requests that waited too long for a processor.
    pub queued: Counter,
    /// Calls from a web page or under a host name that a server without keys does not trust.
    pub untrusted_origin: Counter,
    /// Events received.
    pub events: EventMetrics,
    /// Links of identities.
    pub links: LinkMetrics,
    /// Counts of people and answers affected by missing consent.
    pub consents: ConsentMetrics,
    /// Slates without live state, because it did not answer.
    pub degraded_user_state: Counter,
    /// Slates.
    pub slates: SlateMetrics,
    /// Replaced snapshots that a request still reads.
    pub retired: Gauge,
}

/// Model swaps of one shop.
pub struct SwapMetrics {
    /// A new version was opened and is served.
    pub loaded: Counter,
    /// A version was refused.
    pub refused: Counter,
    /// A version was activated by hand.
    pub activated: Counter,
    /// A rollback restored the version before.
    pub rolled_back: Counter,
    /// Seconds to open, verify and warm.
    pub open_seconds: Histogram,
    /// 1 while a model is served.
    pub serving: Gauge,
    /// Time of the served model's training, unix seconds.
    pub trained_at: Gauge,
}

impl Telemetry {
    /// A fresh registry with every metric described.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            // Refused only for an empty list of bounds.
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        names::describe(&recorder);
        let handle = recorder.handle();
        let registry = Registry(recorder);
        let denied = |reason| registry.counter(names::DENIED, &[("reason", reason)]);
        let event = |outcome| registry.counter(names::EVENTS, &[("outcome", outcome)]);
        let link = |outcome| registry.counter(names::LINKS, &[("outcome", outcome)]);
        let source = |name, source: Source| registry.counter(name, &[("source", source.name())]);
        Self {
            in_flight: registry.gauge(names::IN_FLIGHT, &[]),
            connections: registry.gauge(names::CONNECTIONS, &[]),
            retired: registry.gauge(names::RETIRED, &[]),
            panics: registry.counter(names::PANICS, &[]),
            missing_key: denied("missing_key"),
            unknown_key: denied("unknown_key"),
            missing_scope: denied("missing_scope"),
            invalid_token: denied("invalid_token"),
            limited_key: denied("rate_of_key"),
            limited_user: denied("rate_of_user"),
            overloaded: denied("overloaded"),
            queued: denied("queued"),
            untrusted_origin: denied("untrusted_origin"),
            events: EventMetrics {
                accepted: event("accepted"),
                duplicate: event("duplicate"),
                conflict: event("conflict"),
                rejected: event("rejected"),
            },
            links: LinkMetrics(Linked::ALL.map(|outcome| link(outcome.name()))),
            consents: ConsentMetrics(
                answers::CONSENT_REASONS
                    .map(|reason| registry.counter(names::WITHOUT_CONSENT, &[("reason", reason)])),
            ),
            degraded_user_state: registry.counter(names::DEGRADED, &[("part", "user_state")]),
            slates: SlateMetrics {
                candidates: Source::ALL.map(|s| source(names::CANDIDATES, s)),
                filtered: Filter::ALL.map(|f| registry.counter(names::FILTERED, &[("filter", f.name())])),
                served: Source::ALL.map(|s| source(names::SERVED, s)),
                fallbacks: Fallback::ALL
                    .map(|fallback| registry.counter(names::FALLBACKS, &[("fallback", fallback.name())])),
            },
            handle,
            registry,
        }
    }

    /// Metrics of a route, by its method and template.
    pub fn route(&self, method: &str, template: &str) -> RouteMetrics {
        let class = |class| {
            let labels = [("method", method), ("route", template), ("status", class)];
            self.registry.counter(names::REQUESTS, &labels)
        };
        RouteMetrics {
            classes: answers::CLASSES.map(class),
            seconds: self
                .registry
                .histogram(names::REQUEST_SECONDS, &[("method", method), ("route", template)]),
        }
    }

    /// Model swaps of a shop.
    pub fn swaps(&self, shop: &str) -> SwapMetrics {
        let (registry, labels) = (&self.registry, [("shop", shop)]);
        let outcome = |outcome| registry.counter(names::SWAPS, &[("shop", shop), ("outcome", outcome)]);
        SwapMetrics {
            loaded: outcome("loaded"),
            refused: outcome("refused"),
            activated: outcome("activated"),
            rolled_back: outcome("rolled_back"),
            open_seconds: registry.histogram(names::OPEN_SECONDS, &labels),
            serving: registry.gauge(names::SERVING, &labels),
            trained_at: registry.gauge(names::TRAINED, &labels),
        }
    }

    /// The drain of a shop.
    pub fn drain(&self, shop: &str) -> DrainMetrics {
        let (registry, labels) = (&self.registry, [("shop", shop)]);
        DrainMetrics {
            events: registry.counter(names::DRAINED, &labels),
            failures: registry.counter(names::DRAIN_FAILURES, &labels),
            lag_events: registry.gauge(names::DRAIN_LAG_EVENTS, &labels),
            lag_seconds: registry.gauge(names::DRAIN_LAG_SECONDS, &labels),
        }
    }

    /// True if the live state of a shop can be written.
    pub fn live_writable(&self, shop: &str) -> Gauge {
        self.registry.gauge(names::WRITABLE, &[("shop", shop)])
    }

    /// Live state of a shop in Redis.
    pub fn redis(&self, shop: &str) -> RedisMetrics {
        let (registry, labels) = (&self.registry, [("shop", shop)]);
        let replayed = |outcome| registry.counter(names::REPLAYED, &[("shop", shop), ("outcome", outcome)]);
        RedisMetrics {
            breaker_open: registry.gauge(names::BREAKER, &labels),
            spooled: registry.gauge(names::SPOOLED, &labels),
            load_seconds: registry.histogram(names::LOAD_SECONDS, &labels),
            returns: registry.counter(names::RETURNS, &labels),
            rewinds: registry.counter(names::REWINDS, &labels),
            replayed: ReplayMetrics {
                accepted: replayed("accepted"),
                duplicate: replayed("duplicate"),
                conflict: replayed("conflict"),
            },
        }
    }

    /// Restarts of a background worker.
    pub fn worker_restarts(&self, worker: &str) -> Counter {
        self.registry.counter(names::WORKER_RESTARTS, &[("worker", worker)])
    }

    /// All metrics as Prometheus text; with `shop`, those of that shop and of the process.
    pub fn render(&self, shop: Option<&str>) -> String {
        let text = self.handle.render();
        let Some(shop) = shop else { return text };
        let own = format!("shop=\"{shop}\"");
        text.lines()
            .filter(|line| line.starts_with('#') || !line.contains("shop=\"") || line.contains(&own))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// Folds the buffered values of histograms; must run every few seconds.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates handles of metrics.
struct Registry(PrometheusRecorder);

static METADATA: Metadata<'static> = Metadata::new("qianmian", Level::INFO, None);

impl Registry {
    fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.0.register_counter(&key(name, labels), &METADATA)
    }

    fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.0.register_gauge(&key(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
        self.0.register_histogram(&key(name, labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|&(label, value)| Label::new(label, value.to_owned())).collect();
    Key::from_parts(name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_sees_its_own_lines_and_those_of_the_process() {
        let telemetry = Telemetry::new();
        let (tea, rice) = (telemetry.swaps("tea"), telemetry.swaps("rice"));
        tea.loaded.increment(3);
        rice.loaded.increment(4);
        telemetry.panics.increment(1);
        let (all, own) = (telemetry.render(None), telemetry.render(Some("tea")));
        assert!(all.contains("shop=\"rice\"") && all.contains("shop=\"tea\""), "{all}");
        assert!(!own.contains("rice") && own.contains("qianmian_panics_total 1"), "{own}");
        assert!(own.contains("qianmian_model_swaps_total{shop=\"tea\",outcome=\"loaded\"} 3"), "{own}");
    }

    #[test]
    fn a_request_is_counted_by_class_and_timed_in_buckets() {
        let telemetry = Telemetry::new();
        let route = telemetry.route("GET", "/users/{id}");
        route.record(200, 0.0001);
        route.record(404, 0.2);
        route.record(101, 0.2);
        let text = telemetry.render(None);
        for line in [
            "qianmian_http_requests_total{method=\"GET\",route=\"/users/{id}\",status=\"4xx\"} 1",
            "qianmian_http_request_seconds_bucket{method=\"GET\",route=\"/users/{id}\",le=\"0.0001\"} 1",
            "# HELP qianmian_http_request_seconds Time from",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
