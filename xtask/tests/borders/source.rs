//! Rust text, as far as the borders need it: what is left without comments, literals and tests, and
//! which paths it names. Not a parser of Rust; enough of one for formatted code that compiles.

/// The code of `text`: comments and the contents of literals are gone, and with them the items
/// under `#[cfg(test)]`.
pub(crate) fn code(text: &str) -> String {
    without_tests(&without_comments_and_literals(text))
}

fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest),
            ['r', '"' | '#', ..] if !ends_in_word(&out) && raw_string(rest).is_some() => {
                raw_string(rest).unwrap_or(1)
            }
            ['\'', '\\', _, ..] => {
                3 + rest[3..].iter().position(|&c| c == '\'').map_or(0, |end| end + 1)
            }
            ['\'', _, '\'', ..] => 3,
            _ => {
                out.push(rest[0]);
                1
            }
        };
    }
    out
}

fn ends_in_word(out: &str) -> bool {
    // `br"..."` ends in a letter too, but then the string alone is what must go.
    out.chars().last().is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_')
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut at = 2 + hashes;
    while at < rest.len() {
        let closes =
            rest[at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(rest.len())
}

fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..start]);
        rest = after_item(&rest[start..]);
    }
    out + rest
}

/// What follows the item at the start: it ends at its first `;` or with its braces.
fn after_item(item: &str) -> &str {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ';' || c == '}') && depth == 0 {
            return &item[at + 1..];
        }
    }
    ""
}

/// The paths in `code` that begin with `crate`, `super` or `self`, use trees spread out.
pub(crate) fn paths(code: &str) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = matches!(tokens[at].as_str(), "crate" | "super" | "self")
            && tokens.get(at + 1).is_some_and(|token| token == "::");
        if begins {
            tree(&tokens, &mut at, &mut Vec::new(), &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Words and `::`; every other character stands alone; blanks are gone.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in code.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.push(c),
            Some(last) if c == ':' && last == ":" => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        in_word = is_word;
    }
    tokens
}

/// Reads `a::b::{c, d::e}` from `at` on.
fn tree(tokens: &[String], at: &mut usize, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let depth = path.len();
    while let Some(token) = tokens.get(*at) {
        if token == "{" {
            *at += 1;
            while tokens.get(*at).is_some_and(|token| token != "}") {
                if tokens[*at] == "," {
                    *at += 1;
                } else {
                    let before = *at;
                    tree(tokens, at, path, found);
                    *at = (*at).max(before + 1);
                }
            }
            *at += 1;
            path.truncate(depth);
            return;
        }
        if token.chars().all(|c| c.is_alphanumeric() || c == '_') {
            path.push(token.clone());
            *at += 1;
        }
        if tokens.get(*at).is_some_and(|token| token == "::") {
            *at += 1;
        } else {
            break;
        }
    }
    found.push(path.clone());
    // `as other` names nothing new.
    if tokens.get(*at).is_some_and(|token| token == "as") {
        *at += 2;
    }
    path.truncate(depth);
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let text = r##"
        //! [`crate::shard`]
        use crate::model::Id; // crate::store
        /* crate::log /* crate::log */ crate::log */
        const A: &str = "crate::turn \" crate::turn";
        const B: &str = r#"crate::guest" crate::guest"#;
        const C: char = '"'; fn f<'a>(x: &'a str) -> char { '\'' }
        #[cfg(test)]
        use crate::prng::Prng;
        #[cfg(test)]
        mod tests { use crate::restore; fn g() { if true {} } }
        use crate::error::Halt;
    "##;
    assert_eq!(paths(&code(text)), [["crate", "model", "Id"], ["crate", "error", "Halt"]]);
}

#[test]
fn use_trees_are_spread_out() {
    let found = paths("use crate::{a::{B, c::D as E}, f}; fn g() -> super::h::I { self::j() }");
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::B", "crate::a::c::D", "crate::f", "super::h::I", "self::j"]);
}
