//! Resource use of a process, from Linux's /proc: processor time over all its threads, and memory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

/// Ticks per second of the times in /proc, whatever the kernel's own clock is (`USER_HZ`); a reading is exact to 10 ms,
/// so measure seconds.
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// User and system time since the start of the process, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes: mapped files and anonymous.
    pub resident_bytes: u64,
    /// The anonymous part of it.
    pub anonymous_bytes: u64,
}

/// A process to read.
#[derive(Clone, Debug)]
pub struct Process {
    folder: PathBuf,
}

impl Process {
    /// The process with this id.
    ///
    /// # Errors
    /// There is none, or /proc cannot be read.
    pub fn new(pid: u32) -> anyhow::Result<Self> {
        let process = Self { folder: PathBuf::from(format!("/proc/{pid}")) };
        process.usage().with_context(|| format!("--pid {pid}: no such process under /proc"))?;
        Ok(process)
    }

    /// Reads its usage up to now; costs about 30 us.
    ///
    /// # Errors
    /// The process has ended.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let stat = std::fs::read_to_string(self.folder.join("stat"))?;
        let status = std::fs::read_to_string(self.folder.join("status"))?;
        let ticks = cpu_ticks(&stat).context("cannot read the times of /proc/PID/stat")?;
        Ok(Usage {
            cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
            resident_bytes: kilobytes(&status, "VmRSS:") * 1024,
            anonymous_bytes: kilobytes(&status, "RssAnon:") * 1024,
        })
    }
}

/// Fields 14 (utime) and 15 (stime). The name in field 2 may hold spaces and parentheses, so fields
/// count from its last parenthesis.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A field of /proc/PID/status; 0 if it is missing, as for a kernel thread.
fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The processor time between two readings, for a report.
pub fn cpu_between(first: Usage, last: Usage) -> Duration {
    Duration::try_from_secs_f64(last.cpu_seconds - first.cpu_seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Instant;

    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "12 (a ) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(281));
        assert_eq!(cpu_ticks("12 (a) S 1"), None);
    }

    #[test]
    fn a_busy_process_uses_its_time() {
        let own = Process::new(std::process::id()).unwrap();
        let (first, start) = (own.usage().unwrap(), Instant::now());
        let mut work = 0u64;
        // Counted in work rather than in wall time, because other processes share the machine.
        while cpu_between(first, own.usage().unwrap()) < Duration::from_millis(100) {
            work = std::hint::black_box(work.wrapping_mul(31).wrapping_add(7));
            assert!(start.elapsed() < Duration::from_secs(60), "100 ms of work were never counted");
        }
        let last = own.usage().unwrap();
        assert!(last.resident_bytes >= last.anonymous_bytes && last.anonymous_bytes > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let message = format!("{:#}", Process::new(u32::MAX).unwrap_err());
        assert!(message.contains("--pid 4294967295"), "{message}");
    }
}
