//! What must come to nothing at the end.

use crate::load::names::{At, Known, NamesAt};
use crate::load::{Error, KeyTemplate, Kind, Load, Sum, SumOf, Term, TermOf, Where};
use crate::template::Template;

impl Load {
    pub(super) fn sum(&self, sum: &SumOf, index: usize, known: &Known<'_>) -> Result<Sum, Error> {
        if sum.terms.is_empty() {
            return self.unfit(format!("sums.{index}.terms"), "is empty: say what is added");
        }
        let terms = sum.terms.iter().enumerate();
        let terms =
            terms.map(|(term, of)| self.term(of, &format!("sums.{index}.terms.{term}"), known));
        Ok(Sum { name: sum.name.clone(), terms: terms.collect::<Result<_, _>>()? })
    }

    fn term(&self, term: &TermOf, place: &str, known: &Known<'_>) -> Result<Term, Error> {
        let at = |key: &str| format!("{place}.{key}");
        let of = match (&term.states, &term.events, &term.rows) {
            (Some(aggregate_type), None, None) => {
                let each = self.each(term.each.as_deref(), place, known)?;
                let Some(key) = &term.key else {
                    return self.unfit(
                        place,
                        "needs `key`, and `each` if there are several: which states are added",
                    );
                };
                let names = NamesAt { known, at: At::Once(each) };
                let key = Template::parse(key, &names)
                    .or_else(|problem| self.unfit(at("key"), problem))?;
                Where::States {
                    aggregate_type: aggregate_type.clone(),
                    each,
                    key: KeyTemplate(key),
                }
            }
            (None, Some(aggregate_type), None) => match &term.kind {
                Some(kind) => Where::Events(Kind {
                    aggregate_type: aggregate_type.clone(),
                    kind: kind.clone(),
                }),
                None => return self.unfit(at("kind"), "is missing: which events are added"),
            },
            (None, None, Some(table)) => Where::Rows(table.clone()),
            _ => {
                return self.unfit(
                    place,
                    "adds nothing, or too much: say exactly one of states, events, rows",
                );
            }
        };
        for (key, is_given, belongs) in [
            ("each", term.each.is_some(), term.states.is_some()),
            ("key", term.key.is_some(), term.states.is_some()),
            ("kind", term.kind.is_some(), term.events.is_some()),
        ] {
            if is_given && !belongs {
                return self.unfit(at(key), "does not go with what is added");
            }
        }
        let value = match term.value.as_deref() {
            Some(pointer) if pointer.starts_with('/') => pointer.to_owned(),
            _ => {
                return self.unfit(
                    at("value"),
                    "must be a JSON pointer to a number, such as /value or /data/amount",
                );
            }
        };
        Ok(Term { of, value, group: term.group.clone(), times: term.times.unwrap_or(1) })
    }
}
