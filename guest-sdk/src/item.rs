//! What is being worked on, so that a panic can say so.

use std::cell::RefCell;
use std::fmt::Write as _;

struct Current {
    index: u32,
    kind: &'static str,
    aggregate_type: &'static str,
    /// Kept between items, for its allocation.
    key: Vec<u8>,
    active: bool,
}

thread_local! {
    static CURRENT: RefCell<Current> = const {
        RefCell::new(Current {
            index: 0,
            kind: "",
            aggregate_type: "",
            key: Vec::new(),
            active: false,
        })
    };
}

/// Work on an item begins.
pub(crate) fn begin(index: u32, kind: &'static str, aggregate_type: &'static str, key: &[u8]) {
    CURRENT.with_borrow_mut(|current| {
        current.index = index;
        current.kind = kind;
        current.aggregate_type = aggregate_type;
        current.key.clear();
        current.key.extend_from_slice(key);
        current.active = true;
    });
}

/// The last item of a call is done.
pub(crate) fn end() {
    CURRENT.with_borrow_mut(|current| current.active = false);
}

/// A panic's message with the item it happened at, if it happened at one.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
pub(crate) fn describe_panic(location: Option<&std::panic::Location<'_>>, text: &str) -> String {
    let mut message = "panicked".to_owned();
    if let Some(location) = location {
        // Writing to a String cannot fail.
        let _ = write!(message, " at {location}");
    }
    let _ = write!(message, ": {text}");
    CURRENT.with(|current| {
        if let Ok(current) = current.try_borrow()
            && current.active
        {
            let _ = write!(
                message,
                " (item {}: {} for {}/{})",
                current.index,
                current.kind,
                current.aggregate_type,
                String::from_utf8_lossy(&current.key)
            );
        }
    });
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_at_which_item_it_happened_while_there_is_one() {
        assert_eq!(describe_panic(None, "oops"), "panicked: oops");
        begin(3, "Increment", "counter", b"abc");
        let here = std::panic::Location::caller();
        let text = describe_panic(Some(here), "oops");
        let expected = format!("panicked at {here}: oops (item 3: Increment for counter/abc)");
        assert_eq!(text, expected);
        begin(4, "Reset", "counter", b"\xff");
        assert_eq!(describe_panic(None, "x"), "panicked: x (item 4: Reset for counter/\u{fffd})");
        end();
        assert_eq!(describe_panic(None, "oops"), "panicked: oops");
    }
}
