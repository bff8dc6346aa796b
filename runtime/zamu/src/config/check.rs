//! Whether the values make sense, and fit together.

use crate::config::{Config, Error};

/// Finds the first value that does not.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    bounds(config)?;
    listen(config)?;
    if config.data.as_os_str().is_empty() {
        return unfit("data", "is empty: name the folder of everything durable".to_owned());
    }
    names("types", config.types.keys())?;
    names("handlers", config.handlers.keys())?;
    some("types", config.types.is_empty(), "[types.NAME] with `partitions`")?;
    some("handlers", config.handlers.is_empty(), "[handlers.NAME] with `component`")?;
    for (name, of) in &config.types {
        within(&format!("types.{name}.partitions"), u64::from(of.partitions), 1, 1_024)?;
        within(&format!("types.{name}.window-ids"), of.window_ids as u64, 0, 1_024)?;
        if of.window_hours > config.log.retention_hours {
            return unfit(
                &format!("types.{name}.window-hours"),
                format!(
                    "is {}, longer than `log.retention-hours` ({}): ids would be remembered without their answers. Raise the one or lower the other",
                    of.window_hours, config.log.retention_hours
                ),
            );
        }
    }
    Ok(())
}

fn bounds(config: &Config) -> Result<(), Error> {
    let (http, shards, store) = (&config.http, &config.shards, &config.store);
    let (log, limits) = (&config.log, &config.limits);
    let mib = 1 << 20;
    for (key, value, min, max) in [
        ("http.threads", http.threads as u64, 0, 64),
        ("http.connections-max", http.connections_max as u64, 1, 100_000),
        ("http.requests-max", http.requests_max as u64, 1, 100_000),
        ("http.body-bytes-max", http.body_bytes_max as u64, 1_024, 256 * mib),
        ("http.header-bytes-max", http.header_bytes_max as u64, 8_192, mib),
        ("http.headers-max", http.headers_max as u64, 16, 1_024),
        ("http.receive-timeout-ms", http.receive_timeout_ms, 1, 3_600_000),
        ("http.commands-max", http.commands_max as u64, 1, 100_000),
        ("http.wait-ms", http.wait_ms, 1, http.wait_ms_max),
        ("http.wait-ms-max", http.wait_ms_max, 1, 3_600_000),
        ("http.stream-keep-alive-ms", http.stream_keep_alive_ms, 10, 3_600_000),
        ("http.stream-gather-ms", http.stream_gather_ms, 0, 1_000),
        ("http.page-max", http.page_max as u64, 1, 100_000),
        ("http.lag-max", http.lag_max, 1, u64::from(u32::MAX)),
        ("http.lag-wait-ms", http.lag_wait_ms, 0, 60_000),
        ("shards.count", shards.count as u64, 0, 256),
        ("shards.turn-records", shards.turn_records as u64, 1, 100_000),
        ("shards.turn-bytes", shards.turn_bytes as u64, 1_024, 256 * mib),
        ("shards.commit-records", shards.commit_records as u64, 1, 1_000_000),
        ("shards.commits-in-flight", shards.commits_in_flight as u64, 1, 1_024),
        ("shards.host-tries", u64::from(shards.host_tries), 1, 10_000),
        ("shards.wake-retry-ms", shards.wake_retry_ms, 1, 3_600_000),
        ("deployments.faults-max", config.deployments.faults_max as u64, 0, 100_000),
        (
            "event-handlers.catch-up-events",
            config.event_handlers.catch_up_events as u64,
            1,
            100_000,
        ),
        ("shards.restore-records", shards.restore_records as u64, 1, 1_000_000),
        ("shards.restore-bytes", shards.restore_bytes as u64, 1_024, 1_024 * mib),
        ("store.flush-every-ms", store.flush_every_ms, 1, 3_600_000),
        ("store.release-every-ms", store.release_every_ms, 1, 3_600_000),
        ("store.sweep-every-ms", store.sweep_every_ms, 1, 3_600_000),
        ("store.changed-bytes-max", store.changed_bytes_max as u64, mib, 64 * 1_024 * mib),
        ("store.flush-chunk", store.flush_chunk as u64, 1, 100_000),
        ("projections.page-events", config.projections.page_events as u64, 1, 100_000),
        ("projections.page-bytes", config.projections.page_bytes as u64, 1_024, 256 * mib),
        ("projections.gather-ms", config.projections.gather_ms, 0, 60_000),
        (
            "projections.reference-bytes-max",
            config.projections.reference_bytes_max as u64,
            1_024,
            16 * 1_024 * mib,
        ),
        ("log.retention-hours", config.log.retention_hours, 1, 24 * 366),
        ("log.segment-minutes", config.log.segment_minutes, 1, 24 * 60),
        ("log.segment-bytes", log.segment_bytes, mib, 64 * 1_024 * mib),
        ("log.queue-jobs", log.queue_jobs as u64, 1, 1_000_000),
        ("log.queue-bytes", log.queue_bytes as u64, mib, 16 * 1_024 * mib),
        ("log.group-bytes", log.group_bytes as u64, 1_024, 1_024 * mib),
        ("limits.component-bytes", limits.component_bytes as u64, 1_024, 256 * mib),
        ("limits.memory-bytes", limits.memory_bytes as u64, 1 << 16, 4 * 1_024 * mib),
        ("limits.fuel-start", limits.fuel_start, 1, u64::MAX),
        ("limits.fuel-per-item", limits.fuel_per_item, 1, u64::MAX),
        ("limits.cpu-ms-per-item", limits.cpu_ms_per_item, 1, 600_000),
        ("limits.output-bytes", limits.output_bytes as u64, 1_024, 256 * mib),
        ("limits.calls-per-instance", limits.calls_per_instance.into(), 1, u64::MAX),
    ] {
        within(key, value, min, max)?;
    }
    if !(shards.fault_share_max > 0.0 && shards.fault_share_max <= 1.0) {
        return unfit("shards.fault-share-max", "must be above 0 and at most 1".to_owned());
    }
    if http.bodies_bytes_max < http.body_bytes_max {
        return unfit(
            "http.bodies-bytes-max",
            "must not be below `http.body-bytes-max`: the largest body would never fit".to_owned(),
        );
    }
    some("limits.classes", limits.classes.is_empty(), "\"pure\", \"std\" or both")?;
    if log.queue_bytes < http.body_bytes_max {
        return unfit(
            "log.queue-bytes",
            "must not be below `http.body-bytes-max`: the largest body would never fit".to_owned(),
        );
    }
    Ok(())
}

fn listen(config: &Config) -> Result<(), Error> {
    if config.http.listen.ip().is_loopback() || config.http.allow_remote {
        return Ok(());
    }
    unfit(
        "http.listen",
        format!(
            "is {}, which others can reach, and the interface has neither authentication nor TLS: use 127.0.0.1, or set `http.allow-remote = true` behind something that has both",
            config.http.listen
        ),
    )
}

/// Names stand in topics, metrics and the positions of streams.
fn names<'a>(section: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let good = |name: &String| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    for name in names {
        if !good(name) {
            return unfit(
                &format!("{section}.{name}"),
                "is no name: use 1 to 64 letters, digits, `-` and `_`".to_owned(),
            );
        }
    }
    Ok(())
}

fn some(key: &str, empty: bool, what: &str) -> Result<(), Error> {
    if empty { unfit(key, format!("has no entry: add at least one {what}")) } else { Ok(()) }
}

fn within(key: &str, value: u64, min: u64, max: u64) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    unfit(key, format!("is {value}; it must be from {min} to {max}"))
}

fn unfit(key: &str, problem: String) -> Result<(), Error> {
    Err(Error::Unfit { key: key.to_owned(), problem })
}
