//! The toy application of the core's tests: cells add numbers, and mirrors add up what the cells
//! of their group added. Bodies are short texts that say what is to happen:
//!
//! | body of `Add` | outcome |
//! |---|---|
//! | a number n | event `Added` n; reply is the new sum |
//! | `twice n` | two events `Added` n |
//! | `no` | refused with code `no` |
//! | `below n` | refused with code `full` while the sum is n or more, else as 1 |
//! | `clear` | the sum is 0 again |
//! | `done` | nothing to do, reply `was done` |
//! | `trap` | breaks, until the handler is mended: then as 1000 |
//! | `lie` | this call and all later ones of the instance return contradicting columns, until mended: then as 2000 |
//! | `remark` | event `Remarked`, to which nobody subscribes, and at which the event handler breaks |
//! | 13 | added, but the mirrors break at the event until they are mended |
//! | 777 | added, but the audience breaks at the event until it is mended |
//! | `@t` | event `Added` `@t`: the cell wants to be woken at `t` (`@` alone: no longer) |
//!
//! An audience, where there is one, has what the cells of a group added added up as well, in mirrors of its
//! own.
//!
//! A state is the sum, and `@t` behind it if the cell has a deadline. What a Wake does depends on
//! the last digit of `t`:
//!
//! | t | outcome |
//! |---|---|
//! | ..1 | refused until mended |
//! | ..2 | nothing to do until mended |
//! | ..3 | breaks until mended |
//! | ..4 | event `Added` 500, and woken again 4 later |
//! | any other, and once mended | event `Added` 500, and no deadline any more |

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zamu_core::guest::columns::{Decision, NEVER, WAKE};
use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, TypeKinds};
use zamu_core::guest::native::{Answer, Item, Native, Rules, Sent};
use zamu_core::guest::{FaultReason, Guest};
use zamu_core::model::{Kind, KindName};
use zamu_core::topology::{Starts, Topology, TypeSettings};

/// Indices of the kinds in both manifests.
const ADD: u32 = 0;
const ADDED: u32 = 1;
const COPY: u32 = 2;
const COPIED: u32 = 3;
const LATE: u32 = 4;
const REMARKED: u32 = 5;

/// How many mirrors the cells share.
pub const MIRRORS: u64 = 3;

pub fn kind(name: &str) -> Kind {
    Arc::new(KindName { name: name.into(), schema: "1".into(), content_type: "text/plain".into() })
}

/// The mirror of a cell.
pub fn mirror_of(key: &[u8]) -> String {
    let sum: u64 = key.iter().map(|b| u64::from(*b)).sum();
    format!("m{}", sum % MIRRORS)
}

/// The audience's mirror of a cell.
pub fn seat_of(key: &[u8]) -> String {
    format!("a{}", mirror_of(key))
}

/// The number that a body adds, or the sum of a state.
pub fn number(state: &[u8]) -> u64 {
    let text = std::str::from_utf8(state).unwrap_or_default();
    text.split('@').next().and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// The deadline that a body sets (or takes away), or that of a state.
pub fn deadline(text: &[u8]) -> Option<Option<u64>> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split_once('@').map(|(_, at)| at.parse().ok())
}

/// The body of the event that a Wake at this deadline causes once the handlers are mended, and what
/// it does until then.
pub fn woken(at: u64, mended: bool) -> Result<String, FaultReason> {
    match at % 10 {
        1 | 2 if !mended => Err(FaultReason::WakeUnanswered),
        3 if !mended => Err(FaultReason::Trap),
        4 => Ok(format!("500@{}", at + 4)),
        _ => Ok("500@".into()),
    }
}

/// How the toy behaves.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Set once the handlers have been mended.
    pub mended: Arc<AtomicBool>,
    /// Faults name nobody.
    pub anonymous: bool,
    /// `evolve` disagrees with `decide`.
    pub lawless: bool,
    /// Everything breaks.
    pub broken: bool,
    /// No event can be folded.
    pub unfoldable: bool,
    /// The cells take the kind `Late`, too, as `Add`.
    pub takes_late: bool,
    /// There is an audience.
    pub audience: bool,
    /// The audience breaks at everything until it is mended.
    pub audience_broken: bool,
    /// The mirrors subscribe to nothing.
    pub unsubscribed: bool,
    /// What the machine cannot run for now.
    pub machine: Arc<Machine>,
    /// No event with this body can be folded.
    pub unfoldable_body: Option<&'static str>,
}

/// How often the machine will fail to run the cells' calls, and the mirrors' `react`.
#[derive(Debug, Default)]
pub struct Machine {
    pub decide: AtomicU64,
    pub evolve: AtomicU64,
    pub react: AtomicU64,
}

impl Machine {
    fn run(failures: &AtomicU64) -> Result<(), FaultReason> {
        let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if fails.is_ok() { Err(FaultReason::Host) } else { Ok(()) }
    }
}

impl Behaviour {
    fn mended(&self) -> bool {
        self.mended.load(Ordering::SeqCst)
    }
}

struct Cells {
    behaviour: Behaviour,
    lie: bool,
}

impl Rules for Cells {
    fn decide(&mut self, state: &[u8], command: &Item<'_>) -> Result<Answer, FaultReason> {
        Machine::run(&self.behaviour.machine.decide)?;
        let text = std::str::from_utf8(command.body).map_err(|_| FaultReason::Trap)?;
        if self.behaviour.broken {
            return Err(FaultReason::Trap);
        }
        if command.kind == WAKE {
            let at = deadline(state).flatten().ok_or(FaultReason::BadOutput)?;
            assert!(command.time >= at, "woken at {} for {at}", command.time);
            return match woken(at, self.behaviour.mended()) {
                Ok(body) => Ok(Answer::Accept(vec![(ADDED, body.into_bytes())], Vec::new())),
                Err(FaultReason::WakeUnanswered) if at % 10 == 1 => Ok(Answer::Refuse("no")),
                Err(FaultReason::WakeUnanswered) => Ok(Answer::Nothing(Vec::new())),
                Err(reason) => Err(reason),
            };
        }
        let add = |n: u64, times: usize| {
            let reply = (number(state) + n * times as u64).to_string();
            Ok(Answer::Accept(vec![(ADDED, n.to_string().into_bytes()); times], reply.into()))
        };
        match text {
            "no" => Ok(Answer::Refuse("no")),
            "done" => Ok(Answer::Nothing(b"was done".to_vec())),
            "trap" if self.behaviour.mended() => add(1000, 1),
            "trap" => Err(FaultReason::Trap),
            "lie" if self.behaviour.mended() => add(2000, 1),
            "lie" => {
                self.lie = true;
                add(2000, 1)
            }
            "remark" => Ok(Answer::Accept(vec![(REMARKED, b"remark".to_vec())], Vec::new())),
            "clear" => Ok(Answer::Accept(vec![(ADDED, b"clear".to_vec())], Vec::new())),
            _ if text.starts_with("below ") => match number(&text.as_bytes()[6..]) {
                cap if number(state) >= cap => Ok(Answer::Refuse("full")),
                _ => add(1, 1),
            },
            _ if text.starts_with('@') => {
                Ok(Answer::Accept(vec![(ADDED, command.body.to_vec())], Vec::new()))
            }
            _ => match text.strip_prefix("twice ") {
                Some(n) => add(number(n.as_bytes()), 2),
                None => add(number(command.body), 1),
            },
        }
    }

    fn wake_at(&self, state: &[u8]) -> u64 {
        deadline(state).flatten().unwrap_or(NEVER)
    }

    fn evolve(&mut self, state: &mut Vec<u8>, event: &Item<'_>) -> Result<(), FaultReason> {
        Machine::run(&self.behaviour.machine.evolve)?;
        let body = self.behaviour.unfoldable_body.map(str::as_bytes);
        if self.behaviour.unfoldable || body == Some(event.body) {
            return Err(FaultReason::Trap);
        }
        if event.body == b"clear" {
            *state = b"0".to_vec();
            return Ok(());
        }
        let wrong = u64::from(self.behaviour.lawless && state.is_empty());
        let sum = number(state) + number(event.body) + wrong;
        let at = deadline(event.body).unwrap_or_else(|| deadline(state).flatten());
        *state = sum.to_string().into_bytes();
        if let Some(at) = at {
            state.extend_from_slice(format!("@{at}").as_bytes());
        }
        Ok(())
    }

    fn react(&mut self, _: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        Ok(Vec::new())
    }

    fn distort(&mut self, decision: &mut Decision) {
        if self.lie {
            decision.outcomes.code.pop();
        }
        if self.behaviour.lawless {
            for state in &mut decision.states.bytes.data {
                *state = b'9';
            }
        }
    }

    fn renew(&mut self) {
        self.lie = false;
    }
}

struct Mirrors {
    behaviour: Behaviour,
}

impl Rules for Mirrors {
    fn decide(&mut self, _: &[u8], command: &Item<'_>) -> Result<Answer, FaultReason> {
        if command.body == b"no" {
            return Ok(Answer::Refuse("no"));
        }
        Ok(Answer::Accept(vec![(COPIED, command.body.to_vec())], Vec::new()))
    }

    fn evolve(&mut self, state: &mut Vec<u8>, event: &Item<'_>) -> Result<(), FaultReason> {
        *state = (number(state) + number(event.body)).to_string().into_bytes();
        Ok(())
    }

    fn react(&mut self, event: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        Machine::run(&self.behaviour.machine.react)?;
        if event.body == b"remark" || event.body == b"13" && !self.behaviour.mended() {
            return Err(FaultReason::Trap);
        }
        Ok(vec![Sent {
            aggregate_type: 0,
            key: mirror_of(event.key).into_bytes(),
            kind: COPY,
            body: event.body.to_vec(),
        }])
    }
}

struct Audience {
    behaviour: Behaviour,
}

impl Rules for Audience {
    fn decide(&mut self, _: &[u8], _: &Item<'_>) -> Result<Answer, FaultReason> {
        Err(FaultReason::Trap)
    }

    fn evolve(&mut self, _: &mut Vec<u8>, _: &Item<'_>) -> Result<(), FaultReason> {
        Err(FaultReason::Trap)
    }

    fn react(&mut self, event: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        Machine::run(&self.behaviour.machine.react)?;
        let breaks = self.behaviour.audience_broken || event.body == b"777";
        if breaks && !self.behaviour.mended() {
            return Err(FaultReason::Trap);
        }
        let (key, body) = (seat_of(event.key).into_bytes(), event.body.to_vec());
        Ok(vec![Sent { aggregate_type: 0, key, kind: COPY, body }])
    }
}

fn manifest(name: &str, own: &str, other: &str) -> Manifest {
    let names = ["Add", "Added", "Copy", "Copied", "Late", "Remarked"];
    Manifest {
        name: name.into(),
        version: "0.1.0".into(),
        fold: 1,
        types: vec![own.into(), other.into()],
        kinds: names.map(kind).to_vec(),
        state_schemas: vec!["1".into()],
        ..Manifest::default()
    }
}

fn spec(manifest: Manifest) -> Arc<HandlerSpec> {
    Arc::new(HandlerSpec {
        name: manifest.name.as_str().into(),
        digest: "d".into(),
        class: Class::Pure,
        manifest,
        configuration: bytes::Bytes::new(),
    })
}

/// The toy's handlers over so many partitions per type.
pub fn topology(partitions: u32, deployment: u64, behaviour: &Behaviour) -> Arc<Topology> {
    Arc::new(starting(partitions, deployment, behaviour, &Starts::new()))
}

/// The same, with declared starts.
pub fn starting(
    partitions: u32,
    deployment: u64,
    behaviour: &Behaviour,
    starts: &Starts,
) -> Topology {
    let commands = if behaviour.takes_late { vec![ADD, LATE] } else { vec![ADD] };
    let added = TypeKinds { aggregate_type: 1, kinds: vec![ADDED] };
    let cells = Manifest {
        aggregates: vec![OwnedType { aggregate_type: 0, commands, events: vec![ADDED, REMARKED] }],
        ..manifest("cells", "cell", "mirror")
    };
    let mirrors = Manifest {
        aggregates: vec![OwnedType {
            aggregate_type: 0,
            commands: vec![COPY],
            events: vec![COPIED],
        }],
        subscriptions: if behaviour.unsubscribed { Vec::new() } else { vec![added.clone()] },
        sends: vec![TypeKinds { aggregate_type: 0, kinds: vec![COPY] }],
        ..manifest("mirrors", "mirror", "cell")
    };
    let audience = Manifest {
        subscriptions: vec![added],
        sends: vec![TypeKinds { aggregate_type: 0, kinds: vec![COPY] }],
        ..manifest("audience", "mirror", "cell")
    };
    let mut specs = vec![spec(cells), spec(mirrors)];
    if behaviour.audience {
        specs.push(spec(audience));
    }
    let types = ["cell", "mirror"].map(|name| TypeSettings {
        name: name.into(),
        partitions,
        window_ids: 8,
        window_ms: 1_000_000,
    });
    let topology = Topology::new(deployment, types.to_vec(), specs);
    topology.expect("the toy fits together").starting(starts.clone())
}

/// Instances of the toy's handlers, in the topology's order (by name).
pub fn guests(behaviour: &Behaviour) -> Vec<Box<dyn Guest>> {
    let named = !behaviour.anonymous;
    let mut guests: Vec<Box<dyn Guest>> = Vec::new();
    if behaviour.audience {
        guests.push(Box::new(Native::new(Audience { behaviour: behaviour.clone() }, named)));
    }
    guests.push(Box::new(Native::new(Cells { behaviour: behaviour.clone(), lie: false }, named)));
    guests.push(Box::new(Native::new(Mirrors { behaviour: behaviour.clone() }, named)));
    guests
}
