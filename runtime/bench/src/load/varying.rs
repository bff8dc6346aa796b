//! What of a load is wanted this time: overlays of its configuration, and poison.

use std::collections::BTreeMap;

use crate::load::names::Known;
use crate::load::{Error, Load, Options};
use crate::value::Maker;

/// What poisoned units have instead of their values, and what is laid over the configuration.
pub(super) struct Poisoning {
    pub(super) texts: Vec<Option<String>>,
    pub(super) config: toml::Table,
}

impl Load {
    /// The chosen variants, and what they lay over the configuration.
    pub(super) fn chosen(
        &self,
        options: &Options,
    ) -> Result<(BTreeMap<String, String>, Vec<toml::Table>), Error> {
        for name in options.variants.keys() {
            if !self.variants.contains_key(name) {
                return Err(self.no_option(&format!(
                    "--{name}: this load has no [variants.{name}]; it varies in {}",
                    listed(self.variants.keys())
                )));
            }
        }
        let mut chosen = BTreeMap::new();
        let mut overlays = Vec::new();
        for (name, variant) in &self.variants {
            let choice = options.variants.get(name).unwrap_or(&variant.default);
            let Some(overlay) = variant.choices.get(choice) else {
                let there = listed(variant.choices.keys());
                if options.variants.contains_key(name) {
                    return Err(self.no_option(&format!(
                        "--{name}: there is no `{choice}`: there are {there}"
                    )));
                }
                return self.unfit(
                    format!("variants.{name}.default"),
                    format!("is `{choice}`, which is not there: there are {there}"),
                );
            };
            chosen.insert(name.clone(), choice.clone());
            overlays.push(overlay.clone());
        }
        Ok((chosen, overlays))
    }

    /// What poisoned units have instead of their values, and what is laid over the configuration.
    pub(super) fn poison(
        &self,
        options: &Options,
        known: &Known<'_>,
    ) -> Result<Option<Poisoning>, Error> {
        let mut texts = vec![None; known.makers.len()];
        for (name, text) in self.poison.iter().flat_map(|poison| &poison.values) {
            let place = format!("poison.values.{name}");
            let Some(number) = known.numbers.get(name.as_str()) else {
                return self.unfit(
                    place,
                    format!("is no value: there are {}", listed(self.values.keys())),
                );
            };
            let is_number = matches!(known.makers[*number], Maker::Number { decimals: 0, .. });
            if is_number && text.parse::<u64>().is_err() {
                return self.unfit(
                    place,
                    format!("is `{text}`: it must be a whole number, as the value is"),
                );
            }
            texts[*number] = Some(text.clone());
        }
        match (&self.poison, options.poison) {
            (None, Some(_)) => Err(self.no_option("--poison: this load has no [poison]")),
            (Some(poison), Some(_)) => {
                let config = poison.config.clone();
                Ok(Some(Poisoning { texts, config }))
            }
            (_, None) => Ok(None),
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
