//! Tables, and how far they have come: one shape for HTTP and for tools on files.

use serde_json::{Value, json};
use zamu_core::error::EngineError;
use zamu_core::projection::Stale;
use zamu_core::projection::projector::position;
use zamu_core::projection::query;
use zamu_core::proto::TableGeneration;
use zamu_core::store::tables::{Place, TableReader};

/// What is known besides of the partitions of events that tables are made of.
pub trait Sources {
    /// How many partitions a type has; `None` for one that there is not.
    fn partitions(&self, aggregate_type: &str) -> Option<u32>;

    /// The number of a partition's next durable event.
    ///
    /// # Errors
    /// As the log has them.
    fn end(&self, aggregate_type: &str, partition: u32) -> Result<u64, EngineError>;

    /// Whether a handler makes the tables of a projection, as far as is known.
    fn makes(&self, projection: &str) -> bool;

    /// Why a projection has stopped there, if it is known to have.
    fn stale(&self, projection: &str, served: bool, place: (&str, u32)) -> Option<Stale>;
}

/// All projections with their tables.
///
/// # Errors
/// When something cannot be read.
pub fn tables(reader: &dyn TableReader, sources: &dyn Sources) -> Result<Value, EngineError> {
    let catalogue = query::catalogue(reader)?;
    let mut projections = Vec::new();
    for projection in &catalogue.projections {
        let of = |part: &Option<TableGeneration>, served| {
            let told =
                part.as_ref().map(|g| generation(reader, sources, g, &projection.name, served));
            Ok::<_, EngineError>(told.transpose()?.unwrap_or(Value::Null))
        };
        let tables = projection.serving.iter().flat_map(|serving| &serving.tables);
        let tables: Vec<Value> = tables
            .map(|table| {
                json!({
                    "name": table.name,
                    "type": table.aggregate_type,
                    "keyed": table.keyed,
                    "reference": table.reference,
                })
            })
            .collect();
        projections.push(json!({
            "name": projection.name,
            "orphaned": !sources.makes(&projection.name),
            "tables": tables,
            "serving": of(&projection.serving, true)?,
            "building": of(&projection.building, false)?,
        }));
    }
    Ok(json!({ "projections": projections }))
}

fn generation(
    reader: &dyn TableReader,
    sources: &dyn Sources,
    generation: &TableGeneration,
    projection: &str,
    served: bool,
) -> Result<Value, EngineError> {
    let mut partitions = Vec::new();
    let (mut done, mut total) = (0, 0);
    for (source, name) in generation.sources.iter().enumerate() {
        for number in 0..sources.partitions(name).unwrap_or(0) {
            let place =
                Place { generation: generation.number, source: source as u16, partition: number };
            let (next, end) = (position(reader, place)?, sources.end(name, number)?);
            done += next;
            total += end;
            partitions.push(json!({
                "type": name,
                "partition": number,
                "next": next,
                "end": end,
                "lag": end.saturating_sub(next),
                "stale": sources.stale(projection, served, (name, number)).map(|stale| {
                    json!({ "event": stale.event, "reason": stale.reason })
                }),
            }));
        }
    }
    Ok(json!({
        "generation": generation.number,
        "fold": generation.fold,
        "events": { "done": done, "total": total },
        "partitions": partitions,
    }))
}
