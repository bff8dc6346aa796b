//! While transfers run: they are sent, fulfilled and watched, versions are deployed, the host is killed
//! and started again, until all have ended or nothing moves any more.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::args::Args;
use crate::client::Client;
use crate::load::{self, Load};
use crate::node::Node;
use crate::operator::Operator;
use crate::provision::answers;
use crate::show::{self, Show};
use crate::split::Split;
use crate::tally::Counts;
use crate::timeline::Timeline;
use crate::versions::{Play, Versions};
use crate::{clerk, payee};

/// Between two looks at how far everything is.
const LOOK: Duration = Duration::from_millis(20);
/// When no transfer ends for so long, none will any more: what is missing is lost.
const STALL: Duration = Duration::from_secs(30);
/// From the kill to an answer, at most.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What was seen of the host while transfers ran.
#[derive(Debug)]
pub(crate) struct Seen {
    /// When half of all had ended.
    pub(crate) rss_half_mib: Option<f64>,
    /// The kill, if there was one.
    pub(crate) crash: Option<Crash>,
    /// The first look at this incarnation: what had been spent, and how many transfers had ended.
    pub(crate) first_look: (Split, u64),
    /// What came of other versions, if any were deployed.
    pub(crate) versions: Option<Versions>,
    /// What happened when.
    pub(crate) timeline: Timeline,
}

/// A kill and what followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) seconds_to_answer: f64,
    pub(crate) restart_cpu_s: f64,
}

/// What moves: how far transfers are, how many questions are open, and what has happened.
type Motion = (Counts, u64, usize);

/// Sends, fulfils and watches until all transfers have ended, or nothing moves any more.
///
/// # Errors
/// When the host ends by itself, or refuses what it must take.
pub(crate) async fn drive(args: &Args, load: &Arc<Load>, node: &mut Node) -> Result<Seen> {
    let mut forever = JoinSet::new();
    let clerk = Arc::clone(&load.clerk);
    forever.spawn(payee::play(load.client.clone(), clerk, args.batch as usize));
    forever.spawn(clerk::work(Arc::clone(&load.clerk)));
    forever.spawn(load::watch(Arc::clone(load)));
    let mut sending = JoinSet::new();
    sending.spawn(load::send(Arc::clone(load)));
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut playing = JoinSet::new();
    if load.plan.for_versions {
        let operator = Operator::new(&args.zamu, &load.client);
        let (guests, load) = (args.guests.clone(), Arc::clone(load));
        playing.spawn(Play { operator, guests, load, tell }.run());
    }

    let mut seen = Seen {
        rss_half_mib: None,
        crash: None,
        first_look: (Split::read(node.pid(), &load.client).await, 0),
        versions: None,
        timeline: Timeline::new(load.pace.start()),
    };
    let mut show = Show::new(args.transfers);
    let mut moved: (Instant, Motion) = (Instant::now(), Motion::default());
    loop {
        tokio::select! {
            Some(ended) = forever.join_next() => ended.context("a client broke")??,
            Some(ended) = sending.join_next() => ended.context("a sender broke")??,
            Some(ended) = playing.join_next() => {
                while let Ok(what) = told.try_recv() {
                    seen.note(&show, what);
                }
                seen.versions = Some(ended.context("the operator broke")??);
            }
            Some(what) = told.recv() => seen.note(&show, what),
            () = sleep(LOOK) => {}
        }
        let (counts, open) = (load.tally.counts(), load.clerk.open());
        show.update(counts, node.rss_mib());
        seen.timeline.ended(counts.ended);
        if counts.ended * 2 >= args.transfers {
            if seen.rss_half_mib.is_none() {
                seen.rss_half_mib = Some(node.rss_mib());
            }
            // Not while an operator is at work: what it asks must be answered.
            if !args.no_kill && seen.crash.is_none() && playing.is_empty() {
                seen.crash(node, &load.client, &show).await?;
                // Threads and counters began anew with the host.
                let split = Split::read(node.pid(), &load.client).await;
                seen.first_look = (split, load.tally.counts().ended);
                moved.0 = Instant::now();
            }
        }
        let is_done = sending.is_empty() && playing.is_empty() && open == 0;
        if counts.ended == args.transfers && is_done {
            break;
        }
        node.check()?;
        let motion = (counts, open, seen.timeline.moments.len());
        if motion != moved.1 {
            moved = (Instant::now(), motion);
        } else if moved.0.elapsed() > STALL {
            show.event(format_args!(
                "nothing has moved for {STALL:?}: giving up on {} transfers without an end and \
                 {open} without an answer",
                args.transfers - counts.ended
            ));
            break;
        }
    }
    show.finish();
    Ok(seen)
}

impl Seen {
    fn note(&mut self, show: &Show, what: String) {
        show.event(&what);
        self.timeline.note(what);
    }

    async fn crash(&mut self, node: &mut Node, client: &Client, show: &Show) -> Result<()> {
        self.note(show, format!("kill -9 {}", node.pid()));
        let killed = Instant::now();
        node.kill()?;
        let cpu_before = node.usage().cpu_s;
        node.restart()?;
        while !answers(client).await? {
            node.check()?;
            ensure!(killed.elapsed() < ANSWER_MAX, "no answer for {ANSWER_MAX:?} after the kill");
            sleep(Duration::from_millis(2)).await;
        }
        let seconds_to_answer = killed.elapsed().as_secs_f64();
        let restart_cpu_s = node.usage().cpu_s - cpu_before;
        self.crash = Some(Crash { seconds_to_answer, restart_cpu_s });
        self.note(show, format!("process {} answers, {seconds_to_answer:.2} s later", node.pid()));
        Ok(())
    }
}

/// Waits until no command waits anywhere: what an account still owes a transfer is then done.
///
/// # Errors
/// When the host ends by itself, or does not answer.
pub(crate) async fn drained(client: &Client, node: &mut Node) -> Result<()> {
    let until = Instant::now() + STALL;
    loop {
        let topics = client.topics().await?;
        let lag: u64 = topics.iter().map(|topic| topic.requests.lag + topic.commands.lag).sum();
        if lag == 0 {
            return Ok(());
        }
        node.check()?;
        if Instant::now() > until {
            show::note(format_args!("{lag} commands are still waiting after {STALL:?}"));
            return Ok(());
        }
        sleep(LOOK).await;
    }
}
