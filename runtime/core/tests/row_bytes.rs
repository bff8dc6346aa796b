//! What rows of reference tables cost in memory, counted by an allocator, is no more than is reckoned.
#![allow(clippy::unwrap_used, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use zamu_core::projection::reference::ROW_BYTES;
use zamu_core::references::Rows;

/// What an allocation takes beside its size, and what that is rounded up to, as in glibc.
const HEAD: usize = 8;
const ROUNDED: usize = 16;

/// The system's allocator, with a count of what this thread has.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn count(change: impl FnOnce(usize) -> usize) {
    // A thread that ends has nothing to count any more.
    let _ = TAKEN.try_with(|taken| taken.set(change(taken.get())));
}

fn takes(layout: Layout) -> usize {
    (layout.size() + HEAD).next_multiple_of(ROUNDED)
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|taken| taken.wrapping_add(takes(layout)));
        // SAFETY: the caller keeps the contract of `alloc`, which is that of the trait.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|taken| taken.wrapping_sub(takes(layout)));
        // SAFETY: the pointer came from `alloc` above with this layout, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Bytes that others have had a hand on, as those have that were written to the store.
fn shared(text: String) -> Bytes {
    let bytes = Bytes::from(text.into_bytes());
    drop(bytes.clone());
    bytes
}

#[test]
fn a_row_in_memory_costs_no_more_than_is_reckoned_for_it_and_more_than_half() {
    let before = TAKEN.get();
    let mut rows = Rows::default();
    let empty = TAKEN.get() - before;
    assert!(empty < 6_000, "a partition without rows takes {empty} bytes");
    let mut contents = 0;
    let (mut most, mut least) = (0, usize::MAX);
    for n in 0..40_000 {
        let (key, row) = (format!("key-{n:06}"), format!("a row of its own, number {n:08}"));
        contents += key.len() + row.len();
        rows.insert(shared(key), shared(row));
        if n >= 1_000 {
            let cost = (TAKEN.get() - before - empty - contents) / (n + 1);
            (most, least) = (most.max(cost), least.min(cost));
        }
    }
    assert!(most <= ROW_BYTES, "a row takes up to {most} bytes besides");
    assert!(least >= ROW_BYTES / 2, "a row takes no more than {least} bytes besides at times");
}
