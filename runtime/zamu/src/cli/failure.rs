//! Why a command line did not do what it should, and the exit code that tells scripts.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong here, on the way, or there: exit code 1.
    Error(anyhow::Error),
    /// The aggregate's handler refused the command: exit code 3.
    Refused(String),
    /// The handler broke on the command: exit code 4.
    Fault(String),
    /// What was decided once more is not what the log has: exit code 1.
    Differs(String),
    /// Not all of it could be audited: exit code 2.
    NotAudited(anyhow::Error),
    /// Whoever reads our output has had enough: no failure.
    Closed,
}

impl Failure {
    /// Tells why, and gives the exit code.
    #[expect(clippy::print_stderr, reason = "this is where errors are told")]
    pub(crate) fn report(self) -> ExitCode {
        let code = self.code();
        if !matches!(self, Self::Closed) {
            eprintln!("{self}");
        }
        ExitCode::from(code)
    }

    fn code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Error(_) | Self::Differs(_) => 1,
            Self::NotAudited(_) => 2,
            Self::Refused(_) => 3,
            Self::Fault(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "error: {error:#}"),
            Self::Differs(what) => write!(f, "differs: {what}"),
            Self::NotAudited(why) => write!(f, "not audited: {why:#}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Fault(reason) => write!(f, "fault: {reason}"),
            Self::Closed => f.write_str("the output was closed"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Error(anyhow::Error::new(error).context("cannot write the output"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_can_tell_failures_apart() {
        let error = || anyhow::anyhow!("x");
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for (failure, code) in [
            (Failure::Closed, 0),
            (Failure::from(closed), 0),
            (Failure::from(error()), 1),
            (Failure::from(full), 1),
            (Failure::Differs("x".into()), 1),
            (Failure::NotAudited(error()), 2),
            (Failure::Refused("x".into()), 3),
            (Failure::Fault("x".into()), 4),
        ] {
            assert_eq!(failure.code(), code, "{failure}");
        }
    }
}
