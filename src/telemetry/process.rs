//! What the system says of this process, under the names that every Prometheus client library uses. Linux only; elsewhere these
//! metrics are absent.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Ticks a second in `/proc`: `USER_HZ`, which is 100 on every architecture that Linux still supports.
const TICKS: f64 = 100.0;

/// Reads `/proc/self` when somebody scrapes.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stat = Stat::read();
        let cpu = stat.as_ref().map(|stat| stat.cpu);
        if let Some(cpu) = cpu {
            let counter = MetricType::Counter;
            let metric =
                encoder.encode_descriptor("process_cpu", "User and system CPU time spent.", Some(&Unit::Seconds), counter)?;
            ConstCounter::new(cpu).encode(metric)?;
        }
        let gauges = [
            (
                "process_start_time",
                "When the process was started, since the epoch.",
                Some(Unit::Seconds),
                stat.and_then(|stat| stat.started),
            ),
            ("process_resident_memory", "Resident memory.", Some(Unit::Bytes), memory("VmRSS:")),
            ("process_virtual_memory", "Virtual memory.", Some(Unit::Bytes), memory("VmSize:")),
            ("process_open_fds", "Open file descriptors.", None, open_files()),
            ("process_max_fds", "Most file descriptors that may be open.", None, most_files()),
        ];
        for (name, help, unit, value) in gauges {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}

/// `/proc/self/stat`, proc(5).
struct Stat {
    cpu: f64,
    started: Option<f64>,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is a name in parentheses, which may hold spaces; the third comes behind the last of them.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let (user, system, since_boot) = (field(14)?, field(15)?, field(22)?);
        Some(Self { cpu: (user + system) / TICKS, started: booted().map(|booted| booted + since_boot / TICKS) })
    }
}

fn booted() -> Option<f64> {
    fs::read_to_string("/proc/stat").ok()?.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// A line of `/proc/self/status`, which counts in KiB.
fn memory(key: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse().ok())?;
    Some(kib * 1024.0)
}

fn open_files() -> Option<f64> {
    // One of them is the folder that is being read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

fn most_files() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    text.lines().find_map(|line| line.strip_prefix("Max open files")?.split_ascii_whitespace().next()?.parse().ok())
}
