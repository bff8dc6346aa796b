//! Every golden scenario in the engine, on both logs, straight through and with a restart between any
//! two steps.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use engine::{Layout, Runtime};
use scenarios::codecs::Codec;
use scenarios::switch::End;
use scenarios::{Driven, Names, Scenario, Switch, codecs, run_together};
use zamu_core::log::simulated::{Faults, Simulated};

/// How often the scenarios are played on the simulated log, each time in another layout.
const SEEDS: u64 = 12;

#[test]
fn every_scenario_holds_on_the_embedded_log_in_json_and_in_protobuf() {
    on_shared_switches(embedded, |_| Ok(()));
    on_shared_switches(|configuration| embedded(&protobuf(configuration)), |_| Ok(()));
}

#[test]
fn every_scenario_holds_on_the_embedded_log_with_a_restart_between_any_two_steps() {
    on_shared_switches(
        |configuration| embedded(&protobuf(configuration)),
        |switch| {
            switch.restart(End::Orderly)?;
            switch.settle()
        },
    );
}

#[test]
fn every_scenario_holds_on_the_simulated_log_whatever_the_layout() {
    for seed in 0..SEEDS {
        for scenario in &scenarios::all().unwrap() {
            let mut switch = simulated(seed, &scenario.configuration);
            play(&[(scenario, Names::default())], &mut switch, |_| Ok(()));
        }
    }
}

#[test]
fn every_scenario_holds_on_the_simulated_log_with_a_crash_between_any_two_steps() {
    let mut ends = [End::Killed, End::PowerLost, End::Orderly].into_iter().cycle();
    for seed in 0..SEEDS {
        on_shared_switches(
            |configuration| simulated(seed, configuration),
            |switch| {
                switch.restart(ends.next().unwrap())?;
                switch.settle()
            },
        );
    }
}

/// One switch for all scenarios that configure nothing, and one for each of the others.
fn on_shared_switches(
    make: impl Fn(&[(String, String)]) -> Runtime,
    mut between: impl FnMut(&mut Runtime) -> anyhow::Result<()>,
) {
    let all = scenarios::all().unwrap();
    assert!(all.len() >= 45, "only {} scenarios", all.len());
    let (shared, own): (Vec<&Scenario>, Vec<&Scenario>) =
        all.iter().partition(|scenario| !scenario.is_alone());
    let prefixed = |(number, scenario)| (scenario, Names { prefix: format!("s{number}-") });
    let shared: Vec<_> = shared.into_iter().enumerate().map(prefixed).collect();
    play(&shared, &mut make(&[]), &mut between);
    for scenario in own {
        let mut switch = make(&scenario.configuration);
        play(&[(scenario, Names::default())], &mut switch, &mut between);
    }
}

fn play(
    told: &[(&Scenario, Names)],
    switch: &mut Runtime,
    between: impl FnMut(&mut Runtime) -> anyhow::Result<()>,
) {
    run_together(told, switch, between).unwrap_or_else(|error| panic!("{error:#}"));
}

/// With handlers that write Protobuf.
fn protobuf(configuration: &[(String, String)]) -> Vec<(String, String)> {
    writing(configuration, Codec::Protobuf)
}

fn writing(configuration: &[(String, String)], codec: Codec) -> Vec<(String, String)> {
    codecs::writing(configuration, &codecs::HANDLERS, codec).unwrap()
}

fn embedded(configuration: &[(String, String)]) -> Runtime {
    Runtime::embedded(Layout::new(configuration)).unwrap()
}

/// Every seed has its own number of partitions and shards, its own delays, and its form of messages.
fn simulated(seed: u64, configuration: &[(String, String)]) -> Runtime {
    let layout = Layout {
        partitions: 1 + (seed % 4) as u32,
        shards: 1 + (seed / 4 % 3) as usize,
        ..Layout::new(&writing(configuration, Codec::ALL[(seed / 2 % 2) as usize]))
    };
    let log = Simulated::new(seed, Faults::slow());
    Runtime::simulated(layout, &log, seed).unwrap()
}
