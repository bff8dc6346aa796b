//! Text from guests, made harmless for terminals and log files.

/// Keeps at most `bytes_max` bytes of a text, on one line and without control characters.
pub(crate) fn clean(text: &str, bytes_max: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        let character = match character {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || reorders(c) => continue,
            c => c,
        };
        if kept.len() + character.len_utf8() > bytes_max {
            break;
        }
        kept.push(character);
    }
    kept
}

/// Characters that change the direction of the text around them.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn one_line_and_no_control_characters() {
        assert_eq!(clean("a\n\u{1b}[31mb\u{7}\u{202e}c\td", 100), "a [31mbc d");
    }

    #[test]
    fn is_cut_between_characters() {
        assert_eq!(clean("ééé", 5), "éé");
        assert_eq!(clean("ééé", 0), "");
    }
}
