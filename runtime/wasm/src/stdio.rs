//! What a guest writes to its standard streams: lines of the handler's log, in the same bounds as
//! lines that it writes to the log itself. What a guest's own library holds back (Rust's, the start of
//! a line) comes with a later call of the same instance, or never.

use crate::fault::MESSAGE_BYTES_MAX;
use crate::imports::Lines;
use crate::text::clean;

/// A standard stream that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Lines of level info.
    Out,
    /// Lines of level warning.
    Err,
}

/// What was written in this call and is no line yet.
#[derive(Default)]
pub(crate) struct Stdio {
    out: Vec<u8>,
    err: Vec<u8>,
    /// The end of all that went to [`Stream::Err`] while this item was worked on.
    last_words: Vec<u8>,
}

impl Stdio {
    /// A new call begins.
    pub(crate) fn begin(&mut self) {
        self.out.clear();
        self.err.clear();
        self.last_words.clear();
    }

    /// Work on another item begins: what was said of the one before does not explain its faults.
    pub(crate) fn begin_item(&mut self) {
        self.last_words.clear();
    }

    /// The guest wrote these bytes. A line is logged when it ends; more of it than there is room
    /// for is not kept.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8], lines: &mut Lines) {
        if stream == Stream::Err {
            keep_last(&mut self.last_words, bytes);
        }
        let (line, level) = self.line(stream);
        let mut parts = bytes.split(|byte| *byte == b'\n');
        // There is at least one part, and the last one has not ended.
        let unfinished = parts.next_back().unwrap_or_default();
        for part in parts {
            append(line, part, lines);
            log(line, level, lines);
        }
        append(line, unfinished, lines);
    }

    /// The call is over: what has not ended is a line as well.
    pub(crate) fn end(&mut self, lines: &mut Lines) {
        for stream in [Stream::Out, Stream::Err] {
            let (line, level) = self.line(stream);
            if !line.is_empty() {
                log(line, level, lines);
            }
        }
    }

    /// What a guest said before it gave up, if anything: a panic goes to the standard error where
    /// nobody sends it elsewhere.
    pub(crate) fn last_words(&self) -> Option<String> {
        let words = String::from_utf8_lossy(&self.last_words);
        let words = clean(words.trim(), MESSAGE_BYTES_MAX);
        (!words.is_empty()).then_some(words)
    }

    fn line(&mut self, stream: Stream) -> (&mut Vec<u8>, u8) {
        match stream {
            Stream::Out => (&mut self.out, INFO),
            Stream::Err => (&mut self.err, WARNING),
        }
    }
}

/// Levels of `wit/imports.wit`.
const WARNING: u8 = 1;
const INFO: u8 = 2;

fn append(line: &mut Vec<u8>, bytes: &[u8], lines: &Lines) {
    let room = lines.left().saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn log(line: &mut Vec<u8>, level: u8, lines: &mut Lines) {
    lines.write(level, &String::from_utf8_lossy(line));
    line.clear();
}

fn keep_last(kept: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(MESSAGE_BYTES_MAX)..];
    let too_many = (kept.len() + bytes.len()).saturating_sub(MESSAGE_BYTES_MAX);
    kept.drain(..too_many);
    kept.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn lines(log_lines: u32, log_bytes: usize) -> Lines {
        Lines::new("test".into(), &Limits { log_lines, log_bytes, ..Limits::default() })
    }

    #[test]
    fn a_line_is_counted_when_it_ends_however_it_was_written() {
        let (mut stdio, mut lines) = (Stdio::default(), lines(10, 100));
        for part in ["a", " line\nanother", " line", "\n", "\n", "the rest"] {
            stdio.write(Stream::Out, part.as_bytes(), &mut lines);
        }
        assert_eq!(lines.written(), 3);
        stdio.end(&mut lines);
        assert_eq!(lines.written(), 4);
        stdio.end(&mut lines);
        assert_eq!(lines.written(), 4);
    }

    #[test]
    fn what_is_over_the_bound_is_counted_and_not_kept() {
        let (mut stdio, mut lines) = (Stdio::default(), lines(2, 10));
        stdio.write(Stream::Err, &[b'x'; 1 << 20], &mut lines);
        assert_eq!(stdio.err.len(), 10);
        assert_eq!(stdio.last_words.len(), MESSAGE_BYTES_MAX);
        stdio.write(Stream::Err, b"\none\ntwo\n", &mut lines);
        assert_eq!((lines.written(), lines.dropped()), (1, 2));
        assert!(stdio.last_words().is_some_and(|words| words.ends_with("x one two")));
    }

    #[test]
    fn a_new_call_has_nothing_of_the_last_one() {
        let (mut stdio, mut lines) = (Stdio::default(), lines(10, 100));
        stdio.write(Stream::Out, b"half", &mut lines);
        stdio.write(Stream::Err, b" \xff\xfe half ", &mut lines);
        assert_eq!(stdio.last_words().as_deref(), Some("\u{fffd}\u{fffd} half"));
        stdio.begin();
        stdio.end(&mut lines);
        assert_eq!((lines.written(), stdio.last_words()), (0, None));
    }
}
