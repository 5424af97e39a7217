//! Every metric, declared once, and the logs.
//!
//! Handles are made at start and kept where they are used, so that counting costs an atomic addition and
//! no look-up. Label sets are closed: routes, status classes, sources, filters, outcomes, and the shops
//! of the configuration; never a user, an item or a version. Each server has a registry of its own.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use qianmian_live::people::LinkStatus;
use qianmian_models::recommend::slate::{Filter, Slate};
use qianmian_models::source::Source;

const REQUESTS: &str = "qianmian_http_requests_total";
const REQUEST_SECONDS: &str = "qianmian_http_request_seconds";
const IN_FLIGHT: &str = "qianmian_http_in_flight";
const DENIED: &str = "qianmian_http_denied_total";
const PANICS: &str = "qianmian_panics_total";
const CONNECTIONS: &str = "qianmian_connections";
const CANDIDATES: &str = "qianmian_candidates_total";
const FILTERED: &str = "qianmian_filtered_total";
const SERVED: &str = "qianmian_served_items_total";
const FALLBACKS: &str = "qianmian_fallbacks_total";
const SWAPS: &str = "qianmian_model_swaps_total";
const OPEN_SECONDS: &str = "qianmian_model_open_seconds";
const SERVING: &str = "qianmian_model_serving";
const TRAINED: &str = "qianmian_model_trained_timestamp_seconds";
const EVENTS: &str = "qianmian_events_total";
const DRAINED: &str = "qianmian_drained_events_total";
const DRAIN_FAILURES: &str = "qianmian_drain_failures_total";
const DRAIN_LAG_EVENTS: &str = "qianmian_drain_lag_events";
const DRAIN_LAG_SECONDS: &str = "qianmian_drain_lag_seconds";
const LINKS: &str = "qianmian_identity_links_total";
const DEGRADED: &str = "qianmian_degraded_total";
const BREAKER: &str = "qianmian_live_breaker_open";
const SPOOLED: &str = "qianmian_live_spooled_events";
const REPLAYED: &str = "qianmian_live_replayed_events_total";
const LOAD_SECONDS: &str = "qianmian_live_load_seconds";
const RETURNS: &str = "qianmian_live_redis_returns_total";
const REWINDS: &str = "qianmian_live_redis_rewinds_total";
const WRITABLE: &str = "qianmian_live_writable";
const RETIRED: &str = "qianmian_models_retired";

/// Bucket bounds of every histogram, in seconds.
const SECONDS: [f64; 16] =
    [5e-5, 1e-4, 2e-4, 3.5e-4, 5e-4, 7.5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The classes of a status, in label order.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The registry and the metrics of the whole process.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Requests being answered.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Panics that were caught.
    pub panics: Counter,
    /// Calls without a key.
    pub missing_key: Counter,
    /// Calls with a key that is not known.
    pub unknown_key: Counter,
    /// Calls with a key that lacks the scope.
    pub missing_scope: Counter,
    /// Calls refused because too many were in flight.
    pub overloaded: Counter,
    /// What became of events.
    pub events: EventMetrics,
    /// What became of links of identities.
    pub links: LinkMetrics,
    /// Slates that live state had no part in, because it did not answer.
    pub degraded_user_state: Counter,
    /// What people -> goods did.
    pub slates: SlateMetrics,
    /// Replaced snapshots that some request still reads.
    pub retired: Gauge,
}

/// What one route answered.
pub struct RouteMetrics {
    classes: [Counter; 4],
    seconds: Histogram,
}

/// What people -> goods proposed, took out, served and fell back to.
pub struct SlateMetrics {
    candidates: [Counter; Source::COUNT],
    filtered: [Counter; Filter::COUNT],
    served: [Counter; Source::COUNT],
    fallbacks: [Counter; 4],
}

/// What became of events that were sent.
pub struct EventMetrics([Counter; 4]);

/// What may become of an event, in the order of [`EventMetrics::record`].
const EVENT_OUTCOMES: [&str; 4] = ["accepted", "duplicate", "conflict", "rejected"];

/// What became of links of identities, and merges taken back.
pub struct LinkMetrics([Counter; 6]);

/// What may become of a link; the order is that of the label values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// A person was made.
    Created,
    /// Identities were added to a person, or became shared.
    Linked,
    /// People became one.
    Merged,
    /// All of it was known.
    Unchanged,
    /// They are two people, or would have too many identities.
    Refused,
    /// A merge was taken back.
    Undone,
}

const LINK_OUTCOMES: [&str; 6] = ["created", "linked", "merged", "unchanged", "refused", "undone"];

/// The live state of one shop that is kept in Redis.
pub struct RedisMetrics {
    /// 1 while Redis is not asked.
    pub breaker_open: Gauge,
    /// Events that wait on this server's disk for Redis.
    pub spooled: Gauge,
    /// Seconds to load what is known of a person, also where that failed.
    pub load_seconds: Histogram,
    /// Redis was another process, or another server, than before.
    pub returns: Counter,
    /// It had lost something by that.
    pub rewinds: Counter,
    replayed: [Counter; 3],
}

/// The swaps of one shop.
pub struct SwapMetrics {
    /// A new version was opened and is served.
    pub loaded: Counter,
    /// A version was refused.
    pub refused: Counter,
    /// A version was activated by hand.
    pub activated: Counter,
    /// The version before was put back.
    pub rolled_back: Counter,
    /// Seconds to open, verify and warm.
    pub open_seconds: Histogram,
    /// 1 while a model is served.
    pub serving: Gauge,
    /// When the served model was trained.
    pub trained_at: Gauge,
}

/// The drain of one shop's events.
pub struct DrainMetrics {
    /// Events that this process wrote out.
    pub events: Counter,
    /// Tries that failed.
    pub failures: Counter,
    /// Events that are not written out yet.
    pub lag_events: Gauge,
    /// Seconds since the oldest of them was received.
    pub lag_seconds: Gauge,
}

/// Which fallback an answer took, for the metric; the order is that of the label values.
pub const FALLBACK_NAMES: [&str; 4] = ["unknown_user", "no_history", "popularity", "empty_catalog"];

impl Telemetry {
    /// A fresh registry with every metric described.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            // Refused only for an empty list of bounds.
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        describe(&recorder);
        let counter = |name, labels: &[(&'static str, &'static str)]| counter(&recorder, name, labels);
        let denied = |reason| counter(DENIED, &[("reason", reason)]);
        Self {
            handle: recorder.handle(),
            in_flight: gauge(&recorder, IN_FLIGHT, Vec::new()),
            connections: gauge(&recorder, CONNECTIONS, Vec::new()),
            retired: gauge(&recorder, RETIRED, Vec::new()),
            panics: counter(PANICS, &[]),
            missing_key: denied("missing_key"),
            unknown_key: denied("unknown_key"),
            missing_scope: denied("missing_scope"),
            overloaded: denied("overloaded"),
            events: EventMetrics(EVENT_OUTCOMES.map(|outcome| counter(EVENTS, &[("outcome", outcome)]))),
            links: LinkMetrics(LINK_OUTCOMES.map(|outcome| counter(LINKS, &[("outcome", outcome)]))),
            degraded_user_state: counter(DEGRADED, &[("part", "user_state")]),
            slates: SlateMetrics {
                candidates: Source::ALL.map(|s| counter(CANDIDATES, &[("source", s.name())])),
                filtered: Filter::ALL.map(|f| counter(FILTERED, &[("filter", f.name())])),
                served: Source::ALL.map(|s| counter(SERVED, &[("source", s.name())])),
                fallbacks: FALLBACK_NAMES.map(|name| counter(FALLBACKS, &[("fallback", name)])),
            },
            recorder,
        }
    }

    /// The metrics of a route, by its method and template.
    pub fn route(&self, method: &'static str, template: &str) -> RouteMetrics {
        let labels = || vec![Label::new("method", method), Label::new("route", template.to_owned())];
        let class = |class: &'static str| {
            let mut labels = labels();
            labels.push(Label::new("status", class));
            self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA)
        };
        RouteMetrics {
            classes: CLASSES.map(class),
            seconds: histogram(&self.recorder, REQUEST_SECONDS, labels()),
        }
    }

    /// The metrics of a shop of the configuration.
    pub fn swaps(&self, shop: &str) -> SwapMetrics {
        let labels = || vec![Label::new("shop", shop.to_owned())];
        let outcome = |outcome: &'static str| {
            let mut labels = labels();
            labels.push(Label::new("outcome", outcome));
            self.recorder.register_counter(&Key::from_parts(SWAPS, labels), &METADATA)
        };
        SwapMetrics {
            loaded: outcome("loaded"),
            refused: outcome("refused"),
            activated: outcome("activated"),
            rolled_back: outcome("rolled_back"),
            open_seconds: histogram(&self.recorder, OPEN_SECONDS, labels()),
            serving: gauge(&self.recorder, SERVING, labels()),
            trained_at: gauge(&self.recorder, TRAINED, labels()),
        }
    }

    /// The metrics of the drain of a shop of the configuration.
    pub fn drain(&self, shop: &str) -> DrainMetrics {
        let labels = || vec![Label::new("shop", shop.to_owned())];
        let counter = |name| self.recorder.register_counter(&Key::from_parts(name, labels()), &METADATA);
        DrainMetrics {
            events: counter(DRAINED),
            failures: counter(DRAIN_FAILURES),
            lag_events: gauge(&self.recorder, DRAIN_LAG_EVENTS, labels()),
            lag_seconds: gauge(&self.recorder, DRAIN_LAG_SECONDS, labels()),
        }
    }

    /// The gauge of a shop whose live state can be written.
    pub fn live_writable(&self, shop: &str) -> Gauge {
        gauge(&self.recorder, WRITABLE, vec![Label::new("shop", shop.to_owned())])
    }

    /// The metrics of a shop whose live state is in Redis.
    pub fn redis(&self, shop: &str) -> RedisMetrics {
        let labels = || vec![Label::new("shop", shop.to_owned())];
        let replayed = |outcome: &'static str| {
            let mut labels = labels();
            labels.push(Label::new("outcome", outcome));
            self.recorder.register_counter(&Key::from_parts(REPLAYED, labels), &METADATA)
        };
        RedisMetrics {
            breaker_open: gauge(&self.recorder, BREAKER, labels()),
            spooled: gauge(&self.recorder, SPOOLED, labels()),
            load_seconds: histogram(&self.recorder, LOAD_SECONDS, labels()),
            returns: self.recorder.register_counter(&Key::from_parts(RETURNS, labels()), &METADATA),
            rewinds: self.recorder.register_counter(&Key::from_parts(REWINDS, labels()), &METADATA),
            replayed: ["accepted", "duplicate", "conflict"].map(replayed),
        }
    }

    /// All metrics as Prometheus text; those of one shop and of the process where `shop` is given.
    pub fn render(&self, shop: Option<&str>) -> String {
        let text = self.handle.render();
        let Some(shop) = shop else { return text };
        let own = format!("shop=\"{shop}\"");
        text.lines()
            .filter(|line| line.starts_with('#') || !line.contains("shop=\"") || line.contains(&own))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// Folds what histograms buffered; call it now and then.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl RouteMetrics {
    /// Counts one answer.
    pub fn record(&self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).saturating_sub(2).min(CLASSES.len() - 1);
        self.classes[class].increment(1);
        self.seconds.record(seconds);
    }
}

impl EventMetrics {
    /// Counts the events of one call: accepted, duplicate, conflict, rejected.
    pub fn record(&self, events: [usize; 4]) {
        self.0.iter().zip(events).for_each(|(counter, events)| counter.increment(events as u64));
    }
}

impl Linked {
    /// What became of a link that was not refused.
    pub fn of(status: LinkStatus) -> Self {
        match status {
            LinkStatus::Created => Self::Created,
            LinkStatus::Linked => Self::Linked,
            LinkStatus::Merged => Self::Merged,
            LinkStatus::Unchanged => Self::Unchanged,
        }
    }
}

impl LinkMetrics {
    /// Counts one.
    pub fn record(&self, outcome: Linked) {
        self.0[outcome as usize].increment(1);
    }
}

impl RedisMetrics {
    /// Counts events that were replayed: accepted, duplicate, conflict.
    pub fn replayed(&self, events: [usize; 3]) {
        self.replayed.iter().zip(events).for_each(|(counter, events)| counter.increment(events as u64));
    }
}

impl SlateMetrics {
    /// Counts one slate and the fallback it took, an index of [`FALLBACK_NAMES`].
    pub fn record(&self, slate: &Slate, fallback: Option<usize>) {
        for (counter, &count) in self.candidates.iter().zip(&slate.proposed) {
            counter.increment(u64::from(count));
        }
        for (counter, &count) in self.filtered.iter().zip(&slate.filtered) {
            if count > 0 {
                counter.increment(u64::from(count));
            }
        }
        let mut served = [0u64; Source::COUNT];
        slate.items.iter().for_each(|item| served[item.source as usize] += 1);
        for (counter, count) in self.served.iter().zip(served) {
            counter.increment(count);
        }
        if let Some(counter) = fallback.and_then(|n| self.fallbacks.get(n)) {
            counter.increment(1);
        }
    }
}

static METADATA: Metadata<'static> = Metadata::new("qianmian", Level::INFO, None);

fn counter(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &'static str)],
) -> Counter {
    let labels: Vec<Label> = labels.iter().map(|&(key, value)| Label::new(key, value)).collect();
    recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
}

fn gauge(recorder: &PrometheusRecorder, name: &'static str, labels: Vec<Label>) -> Gauge {
    recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
}

fn histogram(recorder: &PrometheusRecorder, name: &'static str, labels: Vec<Label>) -> Histogram {
    recorder.register_histogram(&Key::from_parts(name, labels), &METADATA)
}

fn describe(recorder: &PrometheusRecorder) {
    let count = |name: &'static str, help: &'static str| {
        recorder.describe_counter(KeyName::from(name), Some(Unit::Count), help.into());
    };
    let level = |name: &'static str, help: &'static str| {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
    };
    let seconds = |name: &'static str, help: &'static str| {
        recorder.describe_histogram(KeyName::from(name), Some(Unit::Seconds), help.into());
    };
    count(REQUESTS, "Answers, by method, route template and status class.");
    seconds(REQUEST_SECONDS, "Time from a request's headers to its answer's headers.");
    level(IN_FLIGHT, "Requests being answered.");
    count(DENIED, "Requests turned away before any work, by reason.");
    count(PANICS, "Panics caught while answering or opening a model.");
    level(CONNECTIONS, "Open connections.");
    count(CANDIDATES, "Scores given for slates, by source.");
    count(FILTERED, "Candidates taken out of slates, by filter.");
    count(SERVED, "Items returned in slates, by the source that contributed most.");
    count(FALLBACKS, "Slates that fell back, by fallback.");
    count(EVENTS, "Events that were sent, by what became of them.");
    count(DRAINED, "Events that were drained into files, by shop.");
    count(DRAIN_FAILURES, "Tries to drain events that failed, by shop.");
    level(DRAIN_LAG_EVENTS, "Events that are not drained yet, by shop.");
    level(DRAIN_LAG_SECONDS, "Seconds since the oldest event that is not drained was received, by shop.");
    count(LINKS, "Links of identities, by what became of them.");
    count(DEGRADED, "Slates made without a part that did not answer, by that part.");
    level(BREAKER, "1 while Redis is not asked, because it did not answer.");
    level(SPOOLED, "Events on this server's disk that wait for Redis.");
    count(REPLAYED, "Spooled events that were handed over to Redis, by what became of them.");
    seconds(LOAD_SECONDS, "Time to load what Redis knows of a person, failures included.");
    count(RETURNS, "Times that Redis was another process, or another server, than before, by shop.");
    count(REWINDS, "Times that Redis came back older than it was, by shop.");
    level(
        WRITABLE,
        "1 while this server's folder of live state can be written, 0 after a failed write, by shop.",
    );
    count(SWAPS, "Model swaps, by shop and outcome.");
    seconds(OPEN_SECONDS, "Time to open, verify and warm a model, by shop.");
    level(SERVING, "1 while the shop has a model to answer from.");
    level(TRAINED, "When the served model was trained, unix seconds, by shop.");
    level(RETIRED, "Replaced snapshots waiting for their last request before they are freed.");
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Sends log lines to standard error. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// The filter cannot be parsed, or logging was already set up.
pub fn log_to_stderr(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)?;
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let result = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => lines.try_init(),
    };
    result.map_err(|error| anyhow::anyhow!("cannot set up logging: {error}"))?;
    // Panics are caught and answered elsewhere; here they get the form of every other line.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, text, "panic");
    }));
    Ok(())
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
