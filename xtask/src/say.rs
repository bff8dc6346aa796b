//! What the commands print. Progress goes to the standard error, results to the standard output,
//! so that `--json` stays one object for whoever reads it.

use std::fmt::Display;
use std::time::Duration;

/// A step begins.
pub(crate) fn headline(text: impl Display) {
    line(format_args!("\n== {text}"));
}

/// Something worth knowing.
pub(crate) fn note(text: impl Display) {
    line(format_args!("   {text}"));
}

/// What went wrong, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    line(format_args!("error: {error:#}"));
}

/// What the command was asked for.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub(crate) fn result(text: impl Display) {
    println!("{text}");
}

/// A time as people say it.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{} s", time.as_secs()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[expect(clippy::print_stderr, reason = "this is the command's progress")]
fn line(text: impl Display) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        for (millis, text) in
            [(0, "0.0 s"), (1_540, "1.5 s"), (59_900, "59 s"), (61_000, "1 min 01 s")]
        {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }
}
