//! Log lines on standard error, panics included.
//!
//! In the JSON form, an event's fields share one object with `timestamp`, `level`, `message` and `target`, so an event
//! must not have a field of such a name: some readers refuse a line with a duplicate key. A test reads the sources for
//! that.

use std::backtrace::Backtrace;

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
    // Panics are caught and answered elsewhere; here they become a log line.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let backtrace = Backtrace::force_capture().to_string();
        tracing::error!(location, text, backtrace, "panic");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::{Path, PathBuf};

    /// Keys that every line has already.
    const RESERVED: [&str; 4] = ["timestamp", "level", "message", "target"];

    #[test]
    fn no_log_line_has_a_key_twice() {
        let mut checked = 0;
        for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for call in text.split("tracing::").skip(1) {
                let Some((_, rest)) = call.split_once("!(") else { continue };
                let Some(fields) = rest.split('"').next() else { continue };
                for field in fields.split(',').filter_map(|field| field.split('=').next()) {
                    let name = field.trim().trim_start_matches(['%', '?']);
                    assert!(!RESERVED.contains(&name), "{}: field `{name}`", file.display());
                    checked += 1;
                }
            }
        }
        assert!(checked > 20, "{checked} fields were found");
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let rust = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
        rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
    }
}
