//! Whether the handlers of one deployment may take over from those of another between two turns.
//!
//! What is on its way and what was written must mean the same to both: records in `commands` that the
//! ones sent the others take, events and states that the ones made the others read, and of who begins to
//! react to a type it is said from which event on. Everything else is the new handlers' own business.
//!
//! Whether they fit together at all is [`Topology::new`]'s to say.

mod error;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{BoundHandler, KindIndex, Topology};
use crate::guest::manifest::Table;
use crate::model::{Kind, TypeId};

pub use error::SuccessionError;

impl Topology {
    /// Whether `next` may take over from these handlers between two turns.
    ///
    /// # Errors
    /// The first thing that it would break.
    pub fn may_be_succeeded_by(&self, next: &Self) -> Result<(), SuccessionError> {
        if self.types != next.types {
            return Err(SuccessionError::Types);
        }
        let gone = |before: &&BoundHandler| next.handler_named(&before.spec.name).is_none();
        if let Some(gone) = self.handlers.iter().find(gone) {
            return Err(SuccessionError::Gone(gone.spec.name.to_string()));
        }
        self.check_owners(next)?;
        for after in &next.handlers {
            match self.handler_named(&after.spec.name).map(|before| &self.handlers[before]) {
                None => self.check_new(after, next)?,
                Some(before) if before.spec != after.spec => {
                    self.check_handler(before, after, next)?;
                }
                Some(_) => {}
            }
        }
        self.check_forms(next)
    }

    /// What is decided in a new form is heard in that form by all who hear it.
    fn check_forms(&self, next: &Self) -> Result<(), SuccessionError> {
        let events = next.handlers.iter().flat_map(|owner| {
            let of_type = move |(id, kinds)| (owner, id, kinds);
            owner.events.iter().map(of_type)
        });
        for (owner, id, kinds) in events {
            let known = |kind: &&Kind| self.handlers.iter().any(|h| h.event(*id, kind).is_some());
            let mut new: Vec<&Kind> = kinds.keys().filter(|kind| !known(kind)).collect();
            new.sort();
            for kind in new {
                let misses = |heard: &KindIndex| {
                    let heard = heard.get(id).filter(|heard| !heard.contains_key(kind));
                    heard.is_some_and(|heard| heard.keys().any(|other| other.name == kind.name))
                };
                let deaf = |h: &&BoundHandler| misses(&h.subscribed) || misses(&h.projected);
                if let Some(deaf) = next.handlers.iter().find(deaf) {
                    return Err(SuccessionError::Unheard {
                        handler: owner.spec.name.to_string(),
                        kind: kind.to_string(),
                        aggregate_type: self.settings(*id).name.to_string(),
                        deaf: deaf.spec.name.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// One that is added keeps nothing but its cursors.
    fn check_new(&self, after: &BoundHandler, next: &Self) -> Result<(), SuccessionError> {
        let manifest = &after.spec.manifest;
        let what = match (manifest.aggregates.is_empty(), manifest.tables.is_empty()) {
            (true, true) => return self.check_reactions(None, after, next),
            (false, _) => "owns aggregates",
            (true, false) => "makes tables",
        };
        Err(SuccessionError::New { handler: after.spec.name.to_string(), what })
    }

    fn check_owners(&self, next: &Self) -> Result<(), SuccessionError> {
        for (index, settings) in self.types.iter().enumerate() {
            let owner = |of: &Self| Arc::clone(&of.handlers[of.owners[index]].spec.name);
            let (before, after) = (owner(self), owner(next));
            if before != after {
                let (before, after) = (before.to_string(), after.to_string());
                let aggregate_type = settings.name.to_string();
                return Err(SuccessionError::Owner { aggregate_type, before, after });
            }
        }
        Ok(())
    }

    fn check_handler(
        &self,
        before: &BoundHandler,
        after: &BoundHandler,
        next: &Self,
    ) -> Result<(), SuccessionError> {
        check_fold(before, after)?;
        let read = &after.spec.manifest.state_schemas;
        if let Some(schema) = before.spec.manifest.state_schemas.iter().find(|s| !read.contains(s))
        {
            let (handler, schema) = (before.spec.name.to_string(), schema.clone());
            return Err(SuccessionError::Schema { handler, schema });
        }
        let take = "go on to take it, and refuse it if it is not wanted any more";
        self.check_kinds(before, (&before.commands, &after.commands), "takes", take)?;
        let read = "go on to read it, even if it is not decided any more";
        self.check_kinds(before, (&before.events, &after.events), "reads", read)?;
        self.check_reactions(Some(before), after, next)?;
        if makes(before) != makes(after) || self.misses_rows(before, after) {
            return Err(SuccessionError::Tables { handler: before.spec.name.to_string() });
        }
        Ok(())
    }

    /// Whether rows would not be what the same version makes of all events: it no longer makes any of some,
    /// or begins to make some of what may have happened already.
    fn misses_rows(&self, before: &BoundHandler, after: &BoundHandler) -> bool {
        let nothing = HashMap::new();
        before.projected.iter().any(|(id, kinds)| {
            let more = after.projected.get(id).unwrap_or(&nothing);
            let decided = |kind: &Kind| self.handlers.iter().any(|h| h.event(*id, kind).is_some());
            kinds.keys().any(|kind| !more.contains_key(kind))
                || more.keys().any(|kind| !kinds.contains_key(kind) && decided(kind))
        })
    }

    fn check_kinds(
        &self,
        handler: &BoundHandler,
        (before, after): (&KindIndex, &KindIndex),
        verb: &'static str,
        remedy: &'static str,
    ) -> Result<(), SuccessionError> {
        for (aggregate_type, kinds) in before {
            let of_type = after.get(aggregate_type);
            let kept = |kind: &Kind| of_type.is_some_and(|kinds| kinds.contains_key(kind));
            // The first by name, so that the same mistake is told in the same words.
            if let Some(kind) = kinds.keys().filter(|kind| !kept(kind)).min() {
                return Err(SuccessionError::Kind {
                    handler: handler.spec.name.to_string(),
                    verb,
                    kind: kind.to_string(),
                    aggregate_type: self.settings(*aggregate_type).name.to_string(),
                    remedy,
                });
            }
        }
        Ok(())
    }

    /// Where it begins to react to a type, this deployment says from which event on. Where it no longer
    /// does, its cursors stay, and it can come back.
    fn check_reactions(
        &self,
        before: Option<&BoundHandler>,
        after: &BoundHandler,
        next: &Self,
    ) -> Result<(), SuccessionError> {
        let reacted = |id| before.is_some_and(|before| before.subscribed.contains_key(id));
        let begun = after.subscribed.keys().filter(|id| !reacted(id)).min();
        let start = next.starts.get(&after.spec.name);
        match begun {
            Some(id) if start.is_none_or(|start| start.since < next.deployment) => {
                Err(SuccessionError::Reaction {
                    handler: after.spec.name.to_string(),
                    aggregate_type: self.settings(*id).name.to_string(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// A table: name, whose rows, keyed, reference.
type Made<'a> = (&'a str, TypeId, bool, bool);

/// The tables that a handler makes, and of whose events.
fn makes(handler: &BoundHandler) -> (Vec<Made<'_>>, BTreeSet<TypeId>) {
    let of_type = |table: &Table| handler.types[table.aggregate_type as usize];
    let tables = handler.spec.manifest.tables.iter();
    let tables = tables.map(|t| (&*t.name, of_type(t), t.keyed, t.reference)).collect();
    (tables, handler.projected.keys().copied().collect())
}

fn check_fold(before: &BoundHandler, after: &BoundHandler) -> Result<(), SuccessionError> {
    let (of, next) = (&before.spec.manifest, &after.spec.manifest);
    if of.fold == next.fold {
        return Ok(());
    }
    let (what, function, remedy) = if of.aggregates.is_empty() {
        let remedy = "; put it into the configuration and restart, and its tables are made anew";
        ("its tables", "project", remedy)
    } else {
        ("its states", "evolve", "")
    };
    let handler = before.spec.name.to_string();
    Err(SuccessionError::Fold {
        handler,
        before: of.fold,
        after: next.fold,
        what,
        function,
        remedy,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, TypeKinds};
    use crate::model::KindName;
    use crate::topology::{Start, StartFrom, Starts, TypeSettings};

    fn kind(name: &str) -> Kind {
        Arc::new(KindName { name: name.into(), ..KindName::default() })
    }

    fn table(name: &str) -> Table {
        Table { name: name.into(), ..Table::default() }
    }

    /// Owns `a`, and reacts to and projects what happens there.
    fn cells() -> Manifest {
        let own = TypeKinds { aggregate_type: 0, kinds: vec![1] };
        Manifest {
            name: "cells".into(),
            version: "1.0.0".into(),
            fold: 1,
            types: vec!["a".into(), "b".into()],
            kinds: ["Add", "Added"].map(kind).to_vec(),
            state_schemas: vec!["s1".into()],
            aggregates: vec![OwnedType { aggregate_type: 0, commands: vec![0], events: vec![1] }],
            subscriptions: vec![own.clone()],
            tables: vec![table("rows")],
            projections: vec![own],
            ..Manifest::default()
        }
    }

    fn topology(manifests: impl IntoIterator<Item = Manifest>) -> Topology {
        let types = ["a", "b"].map(|name| TypeSettings {
            name: name.into(),
            partitions: 2,
            window_ids: 8,
            window_ms: 1,
        });
        let others = Manifest {
            name: "others".into(),
            types: vec!["b".into()],
            aggregates: vec![OwnedType::default()],
            ..Manifest::default()
        };
        let specs = manifests.into_iter().chain([others]).map(|manifest| {
            let name = manifest.name.as_str().into();
            let digest = format!("{manifest:?}");
            let (class, configuration) = (Class::Pure, bytes::Bytes::new());
            Arc::new(HandlerSpec { name, digest, class, manifest, configuration })
        });
        Topology::new(1, types.to_vec(), specs.collect()).unwrap()
    }

    fn refused(change: impl FnOnce(&mut Manifest)) -> String {
        let mut next = cells();
        change(&mut next);
        topology([cells()]).may_be_succeeded_by(&topology([next])).unwrap_err().to_string()
    }

    fn assert_says(error: &str, parts: &[&str]) {
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }

    #[test]
    fn what_only_grows_may_take_over() {
        let mut next = cells();
        next.version = "1.1.0".into();
        next.kinds.push(kind("Take"));
        next.aggregates[0].commands.push(2);
        next.state_schemas.push("s2".into());
        topology([cells()]).may_be_succeeded_by(&topology([next])).unwrap();
    }

    #[test]
    fn another_fold_is_refused_and_the_remedy_fits_what_was_folded() {
        assert_says(
            &refused(|next| next.fold = 2),
            &["`cells`", "2", "its states", "with 1", "`evolve`"],
        );
        let views = Manifest {
            name: "views".into(),
            types: vec!["a".into()],
            tables: vec![table("seen")],
            ..Manifest::default()
        };
        let next = Manifest { fold: 7, ..views.clone() };
        let error = topology([cells(), views]).may_be_succeeded_by(&topology([cells(), next]));
        let error = error.unwrap_err().to_string();
        assert_says(&error, &["`views`", "7", "its tables", "`project`", "restart"]);
    }

    #[test]
    fn what_is_in_the_log_must_be_taken_and_read() {
        let taken = refused(|next| next.aggregates[0].commands.clear());
        assert_says(&taken, &["`cells`", "no longer takes", "Add", "`a`", "refuse it"]);
        let read = refused(|next| next.aggregates[0].events.clear());
        assert_says(&read, &["`cells`", "no longer reads", "Added", "`a`"]);
        let schema = refused(|next| next.state_schemas = vec!["s2".into()]);
        assert_says(&schema, &["`cells`", "state schema `s1`"]);
    }

    fn starts(name: &str, since: u64) -> Starts {
        let from = StartFrom::Beginning;
        [(name.into(), Start { from, since })].into()
    }

    #[test]
    fn who_begins_to_react_to_a_type_says_from_which_event_on() {
        let b = TypeKinds { aggregate_type: 1, kinds: vec![] };
        let error = refused(|next| next.subscriptions.push(b.clone()));
        assert_says(&error, &["`cells`", "begins to react to", "`b`", "`beginning`", "`now`"]);
        let mut next = cells();
        next.subscriptions.push(b);
        let next = |since| topology([next.clone()]).starting(starts("cells", since));
        topology([cells()]).may_be_succeeded_by(&next(1)).unwrap();
        let of_old = topology([cells()]).may_be_succeeded_by(&next(0)).unwrap_err();
        assert!(matches!(of_old, SuccessionError::Reaction { .. }), "said of an older deployment");
    }

    #[test]
    fn a_handler_may_end_to_react_to_a_type() {
        let mut next = cells();
        next.subscriptions.clear();
        topology([cells()]).may_be_succeeded_by(&topology([next])).unwrap();
    }

    #[test]
    fn what_only_reacts_may_be_added_and_nothing_else() {
        let reacts = Manifest {
            name: "added".into(),
            types: vec!["a".into()],
            subscriptions: vec![TypeKinds { aggregate_type: 0, kinds: vec![] }],
            ..Manifest::default()
        };
        let add = |manifest: Manifest, starts: Starts| {
            let next = topology([cells(), manifest]).starting(starts);
            topology([cells()]).may_be_succeeded_by(&next)
        };
        add(reacts.clone(), starts("added", 1)).unwrap();
        let unsaid = add(reacts.clone(), starts("cells", 1)).unwrap_err().to_string();
        assert_says(&unsaid, &["`added`", "begins to react to", "`a`"]);
        let tables = Manifest { tables: vec![table("more")], ..reacts };
        let tables = add(tables, starts("added", 1)).unwrap_err().to_string();
        assert_says(&tables, &["`added`", "makes tables", "restart"]);
    }

    #[test]
    fn an_event_in_another_form_is_refused_while_somebody_hears_it_in_the_old_form_only() {
        let form = |schema: &str| {
            let name =
                KindName { name: "Added".into(), schema: schema.into(), ..KindName::default() };
            Arc::new(name)
        };
        let next = |heard: bool| {
            let mut next = cells();
            next.version = "2.0.0".into();
            next.kinds.push(form("2"));
            next.aggregates[0].events.push(2);
            if heard {
                next.subscriptions[0].kinds.push(2);
                next.projections[0].kinds.push(2);
            }
            topology([next])
        };
        let deaf = topology([cells()]).may_be_succeeded_by(&next(false)).unwrap_err().to_string();
        assert_says(&deaf, &["would decide `Added (schema 2", "`a`", "first deploy a `cells`"]);
        topology([cells()]).may_be_succeeded_by(&next(true)).unwrap();
    }

    #[test]
    fn rows_are_made_of_the_same_events_but_for_those_that_there_cannot_be_yet() {
        let changed = |change: fn(&mut Manifest)| {
            let mut next = cells();
            next.kinds.push(kind("Never"));
            change(&mut next);
            topology([cells()]).may_be_succeeded_by(&topology([next]))
        };
        let fewer = changed(|next| next.projections[0].kinds.clear()).unwrap_err().to_string();
        assert_says(&fewer, &["`cells`", "of other events", "fold number"]);
        changed(|next| next.projections[0].kinds.push(2)).unwrap();
        // Of what is decided already there may be events that no row was made of.
        let mut before = cells();
        before.projections[0].kinds.clear();
        let more = topology([before]).may_be_succeeded_by(&topology([cells()]));
        assert_says(&more.unwrap_err().to_string(), &["`cells`", "of other events"]);
    }

    #[test]
    fn other_tables_or_tables_of_other_events_are_refused() {
        let b = TypeKinds { aggregate_type: 1, kinds: vec![] };
        for error in [
            refused(|next| next.tables.push(table("more"))),
            refused(|next| next.tables[0].keyed = true),
            refused(|next| next.projections.push(b)),
        ] {
            assert_says(&error, &["`cells`", "other tables", "restart"]);
        }
    }

    #[test]
    fn handlers_are_not_removed_and_types_keep_their_owners() {
        let gone = Manifest { name: "gone".into(), ..Manifest::default() };
        let error = topology([cells(), gone]).may_be_succeeded_by(&topology([cells()]));
        assert_says(&error.unwrap_err().to_string(), &["`gone`", "configuration"]);
        let owner = |name: &str, owns: bool| {
            let mut manifest = Manifest { name: name.into(), ..cells() };
            manifest.tables.clear();
            if !owns {
                manifest.aggregates.clear();
            }
            manifest
        };
        let before = topology([owner("x", true), owner("y", false)]);
        let after = topology([owner("x", false), owner("y", true)]);
        let error = before.may_be_succeeded_by(&after).unwrap_err().to_string();
        assert_says(&error, &["`a`", "by handler `x`", "by `y`"]);
    }

    #[test]
    fn partition_counts_are_no_matter_of_handlers() {
        let mut other = topology([cells()]);
        let mut types = other.types.to_vec();
        types[0].partitions = 3;
        other.types = types.into();
        let error = topology([cells()]).may_be_succeeded_by(&other).unwrap_err();
        assert_eq!(error, SuccessionError::Types);
    }
}
