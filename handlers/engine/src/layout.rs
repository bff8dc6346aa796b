//! How a switch is laid out.

use zamu_core::settings::Settings;
use zamu_core::topology::TypeSettings;
use zamu_wasm::Handler;

/// Partitions, shards, bounds, components and configuration of a switch.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How many partitions each type has.
    pub partitions: u32,
    /// How many shards share them.
    pub shards: usize,
    /// The bounds of each shard.
    pub settings: Settings,
    /// Components that make tables, by name, besides the handlers of the switch.
    pub projections: Vec<&'static str>,
    /// Configuration of handlers by name, JSON.
    pub configuration: Vec<(String, String)>,
}

impl Layout {
    /// Two shards, three partitions per type, the core's own bounds; every state that `decide`
    /// returns is compared with what `evolve` makes.
    #[must_use]
    pub fn new(configuration: &[(String, String)]) -> Self {
        Self {
            partitions: 3,
            shards: 2,
            settings: Settings { sample_every: 1, ..Settings::default() },
            projections: vec!["directory"],
            configuration: configuration.to_vec(),
        }
    }

    /// The aggregate types that a handler owns.
    pub(crate) fn types(&self, handler: &Handler) -> Vec<TypeSettings> {
        let manifest = &handler.spec().manifest;
        let settings = |name: &String| TypeSettings {
            name: name.as_str().into(),
            partitions: self.partitions,
            window_ids: 64,
            window_ms: 24 * 3_600_000,
        };
        let owned = manifest.aggregates.iter();
        owned.map(|owned| settings(&manifest.types[owned.aggregate_type as usize])).collect()
    }
}
