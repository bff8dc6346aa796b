//! Lines for the operator. Bounded by the host in number and length; never a result of anything.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something is broken.
    Error = 0,
    /// Something is odd.
    Warn = 1,
    /// Something that operators like to know.
    Info = 2,
    /// Something that developers like to know.
    Debug = 3,
}

/// Writes a line. Natively lines are kept, per thread, until a test [takes](written) them.
pub fn write(level: Level, text: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::wasm::write(level, text);
    #[cfg(not(target_arch = "wasm32"))]
    native::write(level, text);
}

#[cfg(not(target_arch = "wasm32"))]
pub use native::written;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::Level;

    /// How many lines are kept; older ones are dropped.
    const LINES_MAX: usize = 1_000;

    thread_local! {
        static LINES: RefCell<VecDeque<(Level, String)>> = const { RefCell::new(VecDeque::new()) };
    }

    pub(super) fn write(level: Level, text: &str) {
        LINES.with_borrow_mut(|lines| {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back((level, text.to_owned()));
        });
    }

    /// Takes the lines that this thread's handlers have written, the newest thousand at most.
    #[must_use]
    pub fn written() -> Vec<(Level, String)> {
        LINES.with_borrow_mut(|lines| lines.drain(..).collect())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_for_the_test_that_takes_them_the_newest_thousand() {
        assert_eq!(written(), []);
        for i in 0..1_001 {
            write(Level::Warn, &i.to_string());
        }
        let lines = written();
        assert_eq!(lines.len(), 1_000);
        assert_eq!(lines[0], (Level::Warn, "1".to_owned()));
        assert_eq!(written(), []);
    }
}
