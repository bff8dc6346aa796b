//! The switch in each of the forms in which its handlers can write what they tell each other. What a
//! scenario says is true in all of them.

use serde_json::{Map, Value};
pub use zamu_guest::Codec;

/// The handlers that have such a setting.
pub const HANDLERS: [&str; 2] = ["accounts", "transfers"];

/// The configuration of handlers by name, with these handlers writing in this form.
///
/// # Errors
/// If the configuration of one of them is no JSON object.
pub fn writing(
    configuration: &[(String, String)],
    handlers: &[&str],
    codec: Codec,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = configuration.to_vec();
    for handler in handlers {
        let at = all.iter().position(|(name, _)| name == handler);
        let (_, json) = match at {
            Some(at) => &mut all[at],
            None => {
                all.push(((*handler).to_owned(), "{}".to_owned()));
                let last = all.len() - 1;
                &mut all[last]
            }
        };
        let mut document: Map<String, Value> = serde_json::from_str(json)?;
        document.insert("codec".to_owned(), serde_json::to_value(codec)?);
        *json = Value::Object(document).to_string();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_form_is_added_to_what_is_configured() {
        let configured = [("accounts".to_owned(), r#"{"coverRequired":true}"#.to_owned())];
        let all = writing(&configured, &HANDLERS, Codec::Protobuf).unwrap();
        let of = |name: &str| &all.iter().find(|(of, _)| of == name).unwrap().1;
        assert_eq!(all.len(), 2);
        assert_eq!(of("accounts"), r#"{"codec":"protobuf","coverRequired":true}"#);
        assert_eq!(of("transfers"), r#"{"codec":"protobuf"}"#);
    }
}
