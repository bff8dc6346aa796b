//! What the host takes of one item. It checks by itself; the SDK checks too, so that what is over
//! gets a name, and is found by native tests.

/// A reply, a refusal's code or its details, in bytes: they are kept in the aggregate's record.
pub const ANSWER_BYTES_MAX: usize = 1024;
/// A body or a state, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// A key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// What follows the aggregate's key in the key of a row, in bytes. It fits whatever key clients choose.
pub const SUFFIX_BYTES_MAX: usize = 255;
/// Events of one command, commands of one event, or changes of rows by one.
pub const MESSAGES_PER_ITEM_MAX: usize = 1024;

/// Says what is over its bound.
pub(crate) fn within(what: &str, unit: &str, size: usize, max: usize) -> Result<(), String> {
    if size <= max {
        return Ok(());
    }
    Err(format!("{what} has {size} {unit}, more than the host takes ({max})"))
}

/// A text for people, cut to at most `max` bytes.
pub(crate) fn cut(text: &mut String, max: usize) {
    const CUT: &str = "…";
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max - CUT.len()));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_contract() {
        let contract = include_str!("../../wit/columns.wit");
        for bound in [
            format!("a reply, a refusal's reason and its details {ANSWER_BYTES_MAX} bytes each"),
            format!(
                "a body, a state, a row of a table and a text of `inspect` or `show` {BODY_BYTES_MAX} bytes"
            ),
            format!("a key {KEY_BYTES_MAX} bytes"),
            format!("a command causes {MESSAGES_PER_ITEM_MAX} events"),
            format!("an event {MESSAGES_PER_ITEM_MAX} commands"),
        ] {
            assert!(contract.contains(&bound), "wit/columns.wit does not say: {bound}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters_and_never_longer_than_its_bound() {
        for extra in 0..4 {
            let mut text = "x".repeat(extra) + &"ä".repeat(20);
            cut(&mut text, 20);
            assert!(text.len() <= 20 && text.ends_with('…'), "{text}");
        }
        let mut short = "ä".repeat(10);
        cut(&mut short, 20);
        assert_eq!(short, "ä".repeat(10));
    }
}
