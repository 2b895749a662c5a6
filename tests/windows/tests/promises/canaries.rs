//! Tests that fail. `run` sees to it that they are seen to fail.

use std::process;

#[test]
#[ignore = "it fails"]
fn a_failing_test() {
    assert_eq!(1 + 1, 3);
}

#[test]
#[ignore = "it panics"]
fn a_panic_in_a_thread() {
    let thread = std::thread::spawn(|| panic!("a canary"));
    thread.join().unwrap();
}

#[test]
#[ignore = "it crashes"]
fn a_crash() {
    process::abort();
}
