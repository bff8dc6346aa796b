//! Tables are what a plain fold of the events makes of them: whatever crashes, breaks, or is rebuilt.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod crashing;
mod faults;
mod queries;
mod rebuilding;
mod toy;
