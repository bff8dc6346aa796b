//! What can go wrong in the host. A refusal by a guest and a guest's fault are data, never errors.

/// An engine failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum EngineError {
    /// Surely without effect, and worth another try.
    #[error("try again: {0}")]
    Retry(String),
    /// Another owner has taken over.
    #[error("fenced: {0}")]
    Fenced(String),
    /// What was asked for is no longer there (retention).
    #[error("no longer in the log: {0}")]
    Trimmed(String),
    /// Stored bytes are not what they must be.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Anything that cannot be mended by trying again.
    #[error("{0}")]
    Fatal(String),
}
