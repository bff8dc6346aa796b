//! One run from beginning to end: start the host, make ready, warm up, measure, drain, count, stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::audit::audit;
use crate::client::Client;
use crate::drive::{self, Drive, Phase};
use crate::environment::Environment;
use crate::load::Plan;
use crate::node::{Node, Usage, folder_bytes, free_address, stat};
use crate::overlay::{Host, configuration};
use crate::pace::Pace;
use crate::report::{Asked, Report, RssMib, Spent};
use crate::show::{Show, note};
use crate::split::Split;
use crate::tally::{Counts, Tally};
use crate::template::{Filling, Subject};

/// Between two looks at how far everything is.
const LOOK: Duration = Duration::from_millis(20);
/// Commands of the set-up in one request.
const SETUP_BATCH: usize = 250;

/// How a load is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host's program.
    pub zamu: PathBuf,
    /// Units a second, whatever the host answers; without it as fast as it goes.
    pub rate: Option<u64>,
    /// Without a rate: units under way at once.
    pub in_flight: u32,
    /// Commands in one request, at most.
    pub per_request: u32,
    /// What is measured.
    pub amount: Amount,
    /// What goes before it and is not measured.
    pub warm_up: Option<Amount>,
    /// When no unit ends for so long, none will any more: what is missing is lost.
    pub patience: Duration,
    /// Settings of the host.
    pub host: Host,
    /// What was asked for, for the report.
    pub asked: Asked,
}

/// So many units, or for so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    Units(u64),
    /// For so long.
    Time(Duration),
}

/// What was used when.
#[derive(Clone, Copy, Debug)]
struct Meter {
    usage: Usage,
    own_cpu_s: f64,
    folder_bytes: u64,
}

/// Runs a load on a host of its own, which works in this folder.
///
/// # Errors
/// When it cannot be run to its end. What is lost or out of balance is in the report.
pub async fn run(plan: &Plan, settings: &Settings, folder: &Path) -> Result<Report> {
    let environment = Environment::look(folder);
    let address = free_address()?;
    let text = configuration(plan, &settings.host, &folder.join("data"), address)?;
    let mut node = Node::start(&settings.zamu, folder, &text, address, Vec::new())?;
    let client = Client::new(node.address)?;
    node.ready(&client).await?;
    plan.fits(&client.look("/topology").await?)?;
    make_ready(&client, &mut node, plan, settings.patience).await?;

    let drive = Drive::new(client.clone(), plan.clone(), Tally::new()?, settings.per_request);
    let drive = Arc::new(drive);
    let mut forever = JoinSet::new();
    forever.spawn(drive::listen(Arc::clone(&drive)));
    forever.spawn(drive::watch(Arc::clone(&drive), settings.asked.poison.is_some()));
    if let Some(warm_up) = settings.warm_up {
        let phase = begin(&drive, settings, warm_up, 0);
        follow("warm-up", &drive, phase, &mut node, &mut forever, settings.patience).await?;
    }
    let first = drive.tally.units();
    let before = Meter::read(&node, folder);
    let split = Split::read(node.pid(), &client).await;
    let phase = begin(&drive, settings, settings.amount, first);
    let half =
        follow("measuring", &drive, phase, &mut node, &mut forever, settings.patience).await?;
    let rss_mib = RssMib { half, end: node.rss_mib() };
    // What units leave behind them to be done is a part of what they cost.
    drained(&client, &mut node, settings.patience).await?;
    let after = Meter::read(&node, folder);
    let split_after = Split::read(node.pid(), &client).await;

    if plan.reads_rows() {
        tables_follow(&client, &mut node, settings.patience).await?;
    }
    note("all channels are drained; reading all events again");
    let audit = audit(&drive, settings.asked.poison.is_some()).await?;
    drop(forever);
    node.stop()?;
    let counts = drive.tally.counts();
    let spent = Spent {
        cpu_s: after.usage.cpu_s - before.usage.cpu_s,
        own_cpu_s: after.own_cpu_s - before.own_cpu_s,
        written: after.usage.written.saturating_sub(before.usage.written),
        folder_bytes: after.folder_bytes.saturating_sub(before.folder_bytes),
        rss_mib,
        split: split_after.since(&split, counts.ended()),
    };
    Ok(Report::new(plan, settings.asked.clone(), &drive.tally, first, spent, audit, environment))
}

/// The first commands of a load, as they would be sent: what is made ready, and some units.
///
/// # Errors
/// When a template cannot be written.
pub fn sample(plan: &Plan, units: u64) -> Result<Vec<Value>> {
    let mut commands = Vec::new();
    for step in &plan.setup {
        let value = step.each.unwrap_or(usize::MAX);
        let subject = Subject::Choice { value, index: 0 };
        let mut text = String::new();
        step.command.write(&Filling { values: &plan.values, subject, event: None }, &mut text)?;
        commands.push(serde_json::from_str(&text)?);
    }
    let sent: Vec<Value> = serde_json::from_str(&drive::batch(plan, 0..units)?)?;
    commands.extend(sent);
    Ok(commands)
}

fn begin(drive: &Drive, settings: &Settings, amount: Amount, first: u64) -> Arc<Phase> {
    let Settings { rate, in_flight, per_request, .. } = *settings;
    let pace = match amount {
        Amount::Units(units) => Pace::new(units, per_request, rate, in_flight),
        Amount::Time(time) => Pace::lasting(time, per_request, rate, in_flight),
    };
    drive.tally.measure_from(first, pace.start());
    drive.begin(Phase { first, pace })
}

/// Sends all of a phase and waits until each unit has ended, or nothing moves any more; the host's
/// memory half-way.
async fn follow(
    what: &'static str,
    drive: &Arc<Drive>,
    phase: Arc<Phase>,
    node: &mut Node,
    forever: &mut JoinSet<Result<()>>,
    patience: Duration,
) -> Result<f64> {
    let mut sending = JoinSet::new();
    sending.spawn(drive::send(Arc::clone(drive), Arc::clone(&phase)));
    let mut show = Show::new(what);
    let mut moved = (Instant::now(), Counts::default());
    let mut rss = Vec::new();
    loop {
        tokio::select! {
            Some(ended) = forever.join_next() => {
                ended.context("a client broke")??;
                bail!("a client ended before its time");
            }
            Some(ended) = sending.join_next() => ended.context("a sender broke")??,
            () = sleep(LOOK) => {}
        }
        let counts = drive.tally.counts();
        let now_mib = node.rss_mib();
        rss.push((counts.ended(), now_mib));
        show.update(counts, now_mib);
        if sending.is_empty() && counts.ended() == phase.pace.handed_out() {
            break;
        }
        node.check()?;
        if counts != moved.1 {
            moved = (Instant::now(), counts);
        } else if moved.0.elapsed() > patience {
            let open = phase.pace.handed_out() - counts.ended();
            note(format_args!("nothing has moved for {patience:?}: giving up on {open} units"));
            sending.abort_all();
            break;
        }
    }
    show.finish();
    let all = drive.tally.counts().ended();
    let half = rss.iter().find(|(ended, _)| ended * 2 >= all);
    Ok(half.or(rss.last()).map_or(0.0, |(_, mib)| *mib))
}

/// Sends the set-up, step by step, and waits until all that follows from it has come to rest: no
/// command waits, and tables have come as far as the events.
async fn make_ready(
    client: &Client,
    node: &mut Node,
    plan: &Plan,
    patience: Duration,
) -> Result<()> {
    for (index, step) in plan.setup.iter().enumerate() {
        let count = step.each.map_or(1, |each| plan.values.choices(each));
        let value = step.each.unwrap_or(usize::MAX);
        let choices: Vec<u64> = (0..count).collect();
        for choices in choices.chunks(SETUP_BATCH) {
            let mut batch = String::from("[");
            for choice in choices {
                if batch.len() > 1 {
                    batch.push(',');
                }
                let subject = Subject::Choice { value, index: *choice };
                let filling = Filling { values: &plan.values, subject, event: None };
                step.command.write(&filling, &mut batch)?;
            }
            batch.push(']');
            let sent = client.deliver_and_wait(batch.into()).await;
            sent.with_context(|| {
                format!("setup.{index}: {} {}", step.kind.aggregate_type, step.kind.kind)
            })?;
        }
    }
    drained(client, node, patience).await?;
    tables_follow(client, node, patience).await
}

/// Waits until tables have come as far as the events.
async fn tables_follow(client: &Client, node: &mut Node, patience: Duration) -> Result<()> {
    let mut moved = (Instant::now(), 0);
    loop {
        let lag = tables_lag(&client.look("/tables").await?);
        if lag == 0 {
            return Ok(());
        }
        node.check()?;
        if lag != moved.1 {
            moved = (Instant::now(), lag);
        } else if moved.0.elapsed() > patience {
            bail!("tables stay {lag} events behind for {patience:?}: see /tables");
        }
        sleep(LOOK).await;
    }
}

/// How many events tables are behind, all together.
fn tables_lag(told: &Value) -> u64 {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lag = 0;
    for projection in list(&told["projections"]) {
        for generation in ["serving", "building"] {
            for source in list(&projection[generation]["partitions"]) {
                lag += source["lag"].as_u64().unwrap_or(0);
            }
        }
    }
    lag
}

/// Waits until no command waits anywhere.
async fn drained(client: &Client, node: &mut Node, patience: Duration) -> Result<()> {
    let mut moved: (Instant, BTreeMap<(String, u32), u64>) = (Instant::now(), BTreeMap::new());
    loop {
        let topics = client.topics().await?;
        let lag: u64 = topics.iter().map(|topic| topic.requests.lag + topic.commands.lag).sum();
        if lag == 0 {
            return Ok(());
        }
        node.check()?;
        let lags = topics.into_iter().map(|topic| {
            let lag = topic.requests.lag + topic.commands.lag;
            ((topic.aggregate_type, topic.partition), lag)
        });
        let lags = lags.collect();
        if lags != moved.1 {
            moved = (Instant::now(), lags);
        } else if moved.0.elapsed() > patience {
            note(format_args!("{lag} commands still wait after {patience:?}"));
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

impl Meter {
    fn read(node: &Node, folder: &Path) -> Self {
        let own = std::fs::read_to_string("/proc/self/stat").ok();
        Self {
            usage: node.usage(),
            own_cpu_s: own.and_then(|text| stat(&text)).map_or(0.0, |stat| stat.cpu_s),
            folder_bytes: folder_bytes(&folder.join("data")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_behind_by_all_events_that_are_not_in_them() {
        let generation = |lags: &[u64]| {
            let lags: Vec<Value> = lags.iter().map(|lag| json!({ "lag": lag })).collect();
            json!({ "partitions": lags })
        };
        let told = json!({ "projections": [
            { "serving": generation(&[1, 0]), "building": null },
            { "serving": generation(&[0]), "building": generation(&[4]) },
        ] });
        assert_eq!(tables_lag(&told), 5);
        assert_eq!(tables_lag(&json!({ "projections": [] })), 0);
    }
}
