//! From what a load file says to what can be run: templates taken apart, everything checked against
//! everything else. Values are left to `making`, sums to `summing`, variants and poison to `varying`.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::load::names::{At, Known, NamesAt};
use crate::load::plan::Step;
use crate::load::{
    Answer, Answering, Command, Ending, EndsBy, Error, Kind, KindOf, Load, Match, Options, Plan,
    Setup, Sum, UnitOf,
};
use crate::template::{JsonTemplate, Template};
use crate::value::{Maker, Values};

/// Choices for each of which something is done or looked at, at most.
const EACH_MAX: u64 = 100_000;
const SOURCE: &str = "bench";

impl Load {
    /// Checks all of it and makes it ready to be run.
    ///
    /// # Errors
    /// Names the place at fault and the remedy; or the option that this load has nothing for.
    pub fn plan(&self, options: &Options) -> Result<Plan, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let makers = self.makers(options, now.as_millis() as u64)?;
        let numbers = self.numbers();
        let known = Known { numbers: &numbers, makers: &makers };
        let (variants, mut overlays) = self.chosen(options)?;
        let poison = self.poison(options, &known)?;
        if let Some(poison) = &poison {
            overlays.push(poison.config.clone());
        }
        let setup = self.setup.iter().enumerate();
        let setup: Vec<Step> =
            setup.map(|(index, step)| self.step(step, index, &known)).collect::<Result<_, _>>()?;
        let send = self.command(&self.send, "send", At::Unit, &known)?;
        let answers: Vec<Answering> = self
            .answer
            .iter()
            .enumerate()
            .map(|(index, answer)| self.answering(answer, index, &known))
            .collect::<Result<_, _>>()?;
        let sums: Vec<Sum> = self
            .sums
            .iter()
            .enumerate()
            .map(|(index, sum)| self.sum(sum, index, &known))
            .collect::<Result<_, _>>()?;
        let ending = self.ending(&known)?;
        let commands = setup.iter().map(|step| step.kind.clone());
        let commands = commands.chain([Kind::of(&self.send)]);
        let sent = commands.chain(self.answer.iter().map(|answer| Kind::of(&answer.send)));
        let sent = sent.collect();
        let mut values = Values::new(makers.clone(), options.seed);
        if let (Some(every), Some(poison)) = (options.poison, poison) {
            values.poison(every, poison.texts);
        }
        Ok(Plan {
            name: self.name.clone(),
            unit: self.unit.clone(),
            config: self.folder().join(&self.config),
            values,
            ending,
            sums,
            variants,
            overlays,
            folder: self.folder().to_owned(),
            setup,
            send,
            answers,
            sent,
        })
    }

    pub(super) fn unfit<T>(
        &self,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) -> Result<T, Error> {
        Err(Error::Unfit { path: self.path.clone(), place: place.into(), problem: problem.into() })
    }

    fn step(&self, step: &Setup, index: usize, known: &Known<'_>) -> Result<Step, Error> {
        let place = format!("setup.{index}");
        let each = self.each(step.each.as_deref(), &place, known)?;
        let mut command = step.command.clone();
        // Every step its own ids, so that one aggregate may be asked the same twice.
        let id = format!("setup-{index}/{}", command.key);
        command.id.get_or_insert(id);
        let kind = Kind::of(&command);
        let command = self.command(&command, &place, At::Once(each), known)?;
        Ok(Step { kind, each, command })
    }

    pub(super) fn each(
        &self,
        each: Option<&str>,
        place: &str,
        known: &Known<'_>,
    ) -> Result<Option<usize>, Error> {
        let Some(name) = each else { return Ok(None) };
        let number = known.numbers.get(name).copied();
        match number.map(|number| (number, &known.makers[number])) {
            Some((number, Maker::Choice(choice))) if choice.count <= EACH_MAX => Ok(Some(number)),
            Some((_, Maker::Choice(_))) => self.unfit(
                format!("{place}.each"),
                format!("names `{name}`, which has more than {EACH_MAX} choices"),
            ),
            _ => self.unfit(
                format!("{place}.each"),
                format!("names `{name}`, which is no value that is chosen"),
            ),
        }
    }

    fn command(
        &self,
        command: &Command,
        place: &str,
        at: At,
        known: &Known<'_>,
    ) -> Result<JsonTemplate, Error> {
        const KEYS: &str = "type, kind, key, id, source, schema, content-type, data, text";
        if let Some(key) = command.unknown.keys().next() {
            return self.unfit(
                format!("{place}.{key}"),
                format!("is no part of a command: there are {KEYS}"),
            );
        }
        let names = NamesAt { known, at };
        let template = |key: &str, text: &str| {
            Template::parse(text, &names)
                .or_else(|problem| self.unfit(format!("{place}.{key}"), problem))
        };
        for (key, text) in
            [("type", &command.r#type), ("kind", &command.kind), ("key", &command.key)]
        {
            if text.is_empty() {
                return self.unfit(format!("{place}.{key}"), "is empty: every command needs one");
            }
        }
        let id = template("id", command.id.as_deref().unwrap_or("{id}"))?;
        let mut json = JsonTemplate::default();
        json.json(r#"{"specversion":"1.0","id":"#);
        json.text(&id);
        for (name, text) in [
            ("source", command.source.as_deref().unwrap_or(SOURCE)),
            ("type", &command.kind),
            ("aggregatetype", &command.r#type),
        ] {
            json.json(&format!(",\"{name}\":{}", serde_json::Value::from(text)));
        }
        json.json(",\"subject\":");
        json.text(&template("key", &command.key)?);
        // A command without one is called by its id, which then is the unit's name.
        if !id.is_id() && !matches!(at, At::Once(_)) {
            json.json(",\"correlationid\":");
            json.text(&template("id", "{id}")?);
        }
        for (name, text) in
            [("dataschema", &command.schema), ("datacontenttype", &command.content_type)]
        {
            if let Some(text) = text {
                json.json(&format!(",\"{name}\":{}", serde_json::Value::from(text.as_str())));
            }
        }
        match (&command.data, &command.text) {
            (Some(_), Some(_)) => {
                return self
                    .unfit(format!("{place}.text"), "stands beside `data`: a body is one of them");
            }
            (Some(data), None) => {
                let data = JsonTemplate::of(&to_json(data), &names);
                let data = data.or_else(|(path, problem)| {
                    let path = if path.is_empty() { path } else { format!(".{path}") };
                    self.unfit(format!("{place}.data{path}"), problem)
                })?;
                json.json(",\"data\":");
                json.append(data);
            }
            (None, Some(text)) => {
                json.json(",\"data_base64\":");
                json.base64(template("text", text)?);
            }
            (None, None) => {
                return self.unfit(
                    format!("{place}.data"),
                    "is missing: a command has a body, `data` (JSON) or `text`",
                );
            }
        }
        json.json("}");
        Ok(json)
    }

    fn answering(
        &self,
        answer: &Answer,
        index: usize,
        known: &Known<'_>,
    ) -> Result<Answering, Error> {
        let place = format!("answer.{index}");
        if self.answer[..index].iter().any(|other| Kind::to(&other.to) == Kind::to(&answer.to)) {
            return self
                .unfit(format!("{place}.to"), "is answered already: an event has one answer");
        }
        let command = self.command(&answer.send, &format!("{place}.send"), At::Answer, known)?;
        let default = |text: &Option<String>, default: &str| {
            text.clone().unwrap_or_else(|| default.to_owned())
        };
        let names =
            |command: &Command| (default(&command.id, "{id}"), default(&command.source, SOURCE));
        let others = self.answer[..index].iter().map(|other| &other.send).chain([&self.send]);
        for other in others {
            let same_target =
                (&other.r#type, &other.key) == (&answer.send.r#type, &answer.send.key);
            if same_target && names(other) == names(&answer.send) {
                return self.unfit(
                    format!("{place}.send"),
                    "has id and source of another command for the same aggregate, and would count as the same: give it another `source` or `id`",
                );
            }
        }
        let to = self.matching(&answer.to, &format!("{place}.to"), known)?;
        Ok(Answering { to, command })
    }

    fn matching(&self, of: &KindOf, place: &str, known: &Known<'_>) -> Result<Match, Error> {
        let names = NamesAt { known, at: At::Unit };
        let key = of.key.as_deref().map(|key| Template::parse(key, &names)).transpose();
        let key = key.or_else(|problem| self.unfit(format!("{place}.key"), problem))?;
        Ok(Match { kind: Kind::to(of), key })
    }

    fn ending(&self, known: &Known<'_>) -> Result<Ending, Error> {
        let kinds = |list: &str, kinds: &[KindOf]| -> Result<Vec<Match>, Error> {
            let kinds = kinds.iter().enumerate();
            let place = |index| format!("ends.{list}.{index}");
            kinds.map(|(index, of)| self.matching(of, &place(index), known)).collect()
        };
        let ends = &self.ends;
        let by_answer = ends.by == EndsBy::Answer;
        if ends.completed.is_empty() {
            return self
                .unfit("ends.completed", "is empty: name the events that a completed unit has");
        }
        if by_answer && !ends.refused.is_empty() {
            return self.unfit(
                "ends.refused",
                "goes with by = \"events\": the answer itself tells a refusal",
            );
        }
        let unit = match ends.unit.as_deref() {
            None | Some("/correlation") => UnitOf::Correlation,
            Some("/key") => UnitOf::Key,
            Some(pointer) if pointer.starts_with('/') => UnitOf::Pointer(pointer.to_owned()),
            Some(other) => {
                return self.unfit("ends.unit", format!("is `{other}`: write a JSON pointer into the event, such as /correlation, /key or /data/id"));
            }
        };
        let ending = Ending {
            by_answer,
            unit,
            completed: kinds("completed", &ends.completed)?,
            refused: kinds("refused", &ends.refused)?,
            once: kinds("once", &ends.once)?,
        };
        let mut seen = BTreeSet::new();
        for Match { kind, .. } in ending.kinds() {
            if !seen.insert(kind) {
                let Kind { aggregate_type, kind } = kind;
                return self.unfit("ends", format!("names {aggregate_type} {kind} twice"));
            }
        }
        if seen.len() > 32 {
            return self.unfit("ends", "names more than 32 kinds of events");
        }
        Ok(ending)
    }

    pub(super) fn no_option(&self, problem: &str) -> Error {
        Error::Option { path: self.path.clone(), problem: problem.to_owned() }
    }
}

fn to_json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(is) => (*is).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(entries) => entries.iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()
        }
    }
}
