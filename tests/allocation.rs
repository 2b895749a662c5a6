//! Memory: a new name costs none.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use common::{on, Route, LEVELS};
use linkable::{OpenOptionsAnonymousExt, PublishOptions};
use testbed::{deny, Rule};

/// The system's allocator, which counts what each thread asks it for.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        System.dealloc(memory, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(body: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    body();
    ALLOCATIONS.with(Cell::get) - before
}

fn publish_new() {
    // Where there is no journal, a file has a temporary name first, which takes memory.
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("new");
    let mut options = OpenOptions::new();
    options.read(true).mode(0o640).custom_flags(libc::O_SYNC);
    for durability in LEVELS {
        let count = allocations(|| {
            let mut file = options.anonymous_in(&dir).unwrap();
            file.write_all(b"contents").unwrap();
            PublishOptions::new()
                .durability(durability)
                .publish(file, &path)
                .unwrap();
        });
        assert_eq!(count, 0, "{durability:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn publishing_a_new_file_allocates_nothing() {
    on(Route::Anonymous, |_| publish_new());
}

#[test]
fn publishing_through_procfs_allocates_nothing() {
    on(Route::Anonymous, |_| {
        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        publish_new();
    });
}

#[test]
fn the_counter_sees_an_allocation() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}
