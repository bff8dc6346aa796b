//! Texts and JSON with places for values: `{name}` for a generated value, `{id}` and `{unit}` for the
//! unit itself, `{event:/pointer}` for what stands in the event that is answered; `{{` is a brace.
//!
//! Templates are taken apart once; writing one only copies and escapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::value::Values;

/// A text with places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What stands in a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// The unit's name.
    Id,
    /// The unit's number.
    Unit,
    /// The value with this number; whether it is a number in JSON, too.
    Value(usize, bool),
    /// What stands there in the event.
    Event(String),
}

/// A JSON text with places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct JsonTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// As it is.
    Json(String),
    /// Inside a JSON text.
    Escaped(Place),
    /// A JSON value of its own.
    Bare(Place),
    /// A text in base64, inside a JSON text.
    Base64(Template),
}

/// What values are written for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) values: &'a Values,
    pub(crate) subject: Subject,
    /// The event that is answered, if any.
    pub(crate) event: Option<&'a Value>,
}

/// Whose values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// A unit of work.
    Unit(u64),
    /// No unit: one choice of one value.
    Choice { value: usize, index: u64 },
}

/// A template cannot be written, because an event lacks what it wants.
#[derive(Debug, thiserror::Error)]
#[error("the event has nothing at {0}")]
pub(crate) struct Missing(String);

/// What may stand in a place: values by name, and whether they are numbers in JSON.
pub(crate) trait Names {
    /// The place that a name stands for, or what is wrong with it.
    fn place(&self, name: &str) -> Result<Place, String>;
}

impl Template {
    pub(crate) fn parse(text: &str, names: &dyn Names) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let Some((name, after)) = rest.split_once('}').filter(|_| brace == "{") else {
                return Err(format!(
                    "`{text}` has a single `{brace}`: write {brace}{brace} for the character, {{name}} for a value"
                ));
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(names.place(name)?));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    pub(crate) fn write(&self, filling: &Filling<'_>, to: &mut String) -> Result<(), Missing> {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.push_str(text),
                Part::Place(place) => place.write(filling, to)?,
            }
        }
        Ok(())
    }

    pub(crate) fn text(&self, filling: &Filling<'_>) -> Result<String, Missing> {
        let mut text = String::new();
        self.write(filling, &mut text)?;
        Ok(text)
    }

    /// Whether it is nothing but the unit's name.
    pub(crate) fn is_id(&self) -> bool {
        self.0 == [Part::Place(Place::Id)]
    }
}

impl JsonTemplate {
    /// A JSON value whose texts are templates. A text that is nothing but one place is what stands
    /// there: a whole number is a JSON number, a member of an event is passed on as it is.
    pub(crate) fn of(value: &Value, names: &dyn Names) -> Result<Self, (String, String)> {
        let mut template = Self::default();
        template.add(value, names, &mut Vec::new())?;
        Ok(template)
    }

    /// Adds JSON as it is.
    pub(crate) fn json(&mut self, json: &str) {
        match self.0.last_mut() {
            Some(Piece::Json(before)) => before.push_str(json),
            _ => self.0.push(Piece::Json(json.to_owned())),
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &Template) {
        self.json("\"");
        self.inside(text);
        self.json("\"");
    }

    /// Adds a text in base64.
    pub(crate) fn base64(&mut self, text: Template) {
        self.json("\"");
        self.0.push(Piece::Base64(text));
        self.json("\"");
    }

    /// Adds what another template has.
    pub(crate) fn append(&mut self, other: Self) {
        for piece in other.0 {
            match piece {
                Piece::Json(json) => self.json(&json),
                piece => self.0.push(piece),
            }
        }
    }

    /// Whether it looks into the event.
    pub(crate) fn reads_event(&self) -> bool {
        let reads = |place: &Place| matches!(place, Place::Event(_));
        self.0.iter().any(|piece| match piece {
            Piece::Json(_) => false,
            Piece::Escaped(place) | Piece::Bare(place) => reads(place),
            Piece::Base64(text) => {
                text.0.iter().any(|part| matches!(part, Part::Place(place) if reads(place)))
            }
        })
    }

    pub(crate) fn write(&self, filling: &Filling<'_>, to: &mut String) -> Result<(), Missing> {
        for piece in &self.0 {
            match piece {
                Piece::Json(json) => to.push_str(json),
                Piece::Bare(Place::Event(pointer)) => {
                    to.push_str(&found(filling, pointer)?.to_string());
                }
                Piece::Bare(place) => place.write(filling, to)?,
                Piece::Escaped(place) => {
                    let start = to.len();
                    place.write(filling, to)?;
                    escape_from(start, to);
                }
                Piece::Base64(text) => {
                    let text = text.text(filling)?;
                    STANDARD.encode_string(text, to);
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        value: &Value,
        names: &dyn Names,
        path: &mut Vec<String>,
    ) -> Result<(), (String, String)> {
        match value {
            Value::Object(members) => {
                let mut before = "{";
                for (name, member) in members {
                    self.json(before);
                    self.json(&Value::from(name.as_str()).to_string());
                    self.json(":");
                    path.push(name.clone());
                    self.add(member, names, path)?;
                    path.pop();
                    before = ",";
                }
                self.json(if members.is_empty() { "{}" } else { "}" });
            }
            Value::Array(entries) => {
                let mut before = "[";
                for (index, entry) in entries.iter().enumerate() {
                    self.json(before);
                    path.push(index.to_string());
                    self.add(entry, names, path)?;
                    path.pop();
                    before = ",";
                }
                self.json(if entries.is_empty() { "[]" } else { "]" });
            }
            Value::String(text) => {
                let text =
                    Template::parse(text, names).map_err(|problem| (path.join("."), problem))?;
                match &text.0[..] {
                    [
                        Part::Place(
                            place @ (Place::Event(_) | Place::Value(_, true) | Place::Unit),
                        ),
                    ] => {
                        self.0.push(Piece::Bare(place.clone()));
                    }
                    _ => self.text(&text),
                }
            }
            other => self.json(&other.to_string()),
        }
        Ok(())
    }

    fn inside(&mut self, text: &Template) {
        for part in &text.0 {
            match part {
                Part::Text(text) => {
                    let quoted = Value::from(text.as_str()).to_string();
                    self.json(&quoted[1..quoted.len() - 1]);
                }
                Part::Place(place) => self.0.push(Piece::Escaped(place.clone())),
            }
        }
    }
}

impl Place {
    fn write(&self, filling: &Filling<'_>, to: &mut String) -> Result<(), Missing> {
        let Filling { values, subject, .. } = filling;
        match (self, *subject) {
            (Self::Event(pointer), _) => match found(filling, pointer)? {
                Value::String(text) => to.push_str(text),
                other => to.push_str(&other.to_string()),
            },
            (Self::Id, Subject::Unit(unit)) => values.write_id(unit, to),
            (Self::Unit, Subject::Unit(unit)) => to.push_str(&unit.to_string()),
            (Self::Value(value, _), Subject::Unit(unit)) => values.write(*value, unit, to),
            (Self::Value(value, _), Subject::Choice { value: chosen, index })
                if *value == chosen =>
            {
                values.write_choice(*value, index, to);
            }
            // A fixed text is the same for all; nothing else is let in by whoever parses.
            (Self::Value(value, _), Subject::Choice { .. }) => values.write(*value, 0, to),
            (Self::Id | Self::Unit, Subject::Choice { .. }) => {}
        }
        Ok(())
    }
}

fn found<'a>(filling: &Filling<'a>, pointer: &str) -> Result<&'a Value, Missing> {
    let found = filling.event.and_then(|event| event.pointer(pointer));
    found.ok_or_else(|| Missing(pointer.to_owned()))
}

/// What stands behind `start` becomes the inside of a JSON text.
fn escape_from(start: usize, text: &mut String) {
    let needs = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    if text.as_bytes()[start..].iter().any(|byte| needs(*byte)) {
        let quoted = Value::from(&text[start..]).to_string();
        text.truncate(start);
        text.push_str(&quoted[1..quoted.len() - 1]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::value::Maker;

    struct Two;

    impl Names for Two {
        fn place(&self, name: &str) -> Result<Place, String> {
            match name {
                "id" => Ok(Place::Id),
                "unit" => Ok(Place::Unit),
                "word" => Ok(Place::Value(0, false)),
                "count" => Ok(Place::Value(1, true)),
                _ => match name.strip_prefix("event:") {
                    Some(pointer) => Ok(Place::Event(pointer.to_owned())),
                    None => Err(format!("no `{name}`")),
                },
            }
        }
    }

    fn values() -> Values {
        let number = Maker::Number { from: 4, to: 4, decimals: 0 };
        Values::new(vec![Maker::Text("a\"b\nc".into()), number], 1)
    }

    fn written(value: &Value, event: Option<&Value>) -> Value {
        let values = values();
        let filling = Filling { values: &values, subject: Subject::Unit(7), event };
        let mut text = String::new();
        JsonTemplate::of(value, &Two).unwrap().write(&filling, &mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn places_are_filled_wherever_they_stand_and_the_rest_stays() {
        let event = json!({ "key": "k", "data": { "amount": 12.5, "list": [1, { "a": null }] } });
        let template = json!({
            "count": "{count}", "text": "{count} times {word}", "unit": "{unit}",
            "braces": "{{id}}", "quote\"": ["\\", {}, [], true, 1.5, null],
            "whole": "{event:/data/list}", "amount": "{event:/data/amount}",
            "inside": "<{event:/key}, {event:/data/amount}>",
        });
        assert_eq!(
            written(&template, Some(&event)),
            json!({
                "count": 4, "text": "4 times a\"b\nc", "unit": 7,
                "braces": "{id}", "quote\"": ["\\", {}, [], true, 1.5, null],
                "whole": [1, { "a": null }], "amount": 12.5, "inside": "<k, 12.5>",
            })
        );
    }

    #[test]
    fn a_body_that_is_no_json_travels_in_base64() {
        let values = values();
        let mut template = JsonTemplate::default();
        template.base64(Template::parse("<{word}>", &Two).unwrap());
        let filling = Filling { values: &values, subject: Subject::Unit(7), event: None };
        let mut text = String::new();
        template.write(&filling, &mut text).unwrap();
        let encoded: String = serde_json::from_str(&text).unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"<a\"b\nc>");
    }

    #[test]
    fn what_an_event_lacks_is_named() {
        let values = values();
        let template = JsonTemplate::of(&json!("{event:/data/x}"), &Two).unwrap();
        assert!(template.reads_event());
        let event = json!({ "data": {} });
        let filling = Filling { values: &values, subject: Subject::Unit(7), event: Some(&event) };
        let error = template.write(&filling, &mut String::new()).unwrap_err();
        assert!(error.to_string().contains("/data/x"));
    }

    #[test]
    fn a_wrong_place_is_told_with_its_path_and_its_remedy() {
        for (template, path, part) in [
            (json!({ "a": { "b": ["{what}"] } }), "a.b.0", "`what`"),
            (json!({ "a": "{open" }), "a", "{{ for the character"),
            (json!({ "a": "shut}" }), "a", "single `}`"),
        ] {
            let (place, problem) = JsonTemplate::of(&template, &Two).unwrap_err();
            assert_eq!(place, path);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
