//! A child process has the same files, and a thread may have files of its own.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::IntoRawFd;

use common::{on_both_routes, Bed};
use linkable::{OpenOptionsAnonymousExt, PublishBatch};
use testbed::{in_child, in_thread};

on_both_routes! {
    a_forked_child_publishes_its_own_file_and_not_the_parents,
    a_thread_with_its_own_descriptors_publishes_its_own_file,
    a_forked_child_that_drops_a_file_leaves_it_to_its_parent,
    a_forked_child_that_converts_a_file_leaves_it_to_its_parent,
    a_forked_child_that_drops_a_batch_leaves_it_to_its_parent,
}

/// A procfs directory kept from before the fork would lead to the parent's descriptors.
fn a_forked_child_publishes_its_own_file_and_not_the_parents(bed: &Bed) {
    testbed::give_to_ordinary_user(bed.dir());
    let dir = bed.dir().to_owned();
    in_thread(move || {
        testbed::as_ordinary_user();
        let open = || OpenOptions::new().anonymous_in(&dir).unwrap();
        let (mut file, other, _third) = (open(), open(), open());
        file.write_all(b"inherited").unwrap();
        // So that whatever is remembered is remembered from the parent.
        other.publish(dir.join("parent")).unwrap();
        let path = dir.join("child");
        assert!(in_child(|| {
            file.publish(path).unwrap();
        }));
        assert_eq!(fs::read_to_string(dir.join("child")).unwrap(), "inherited");

        let path = dir.join("child's own");
        assert!(in_child(|| {
            let mut file = open();
            file.write_all(b"own").unwrap();
            file.publish(path).unwrap();
        }));
        assert_eq!(fs::read_to_string(dir.join("child's own")).unwrap(), "own");
        assert_eq!(fs::read_to_string(dir.join("parent")).unwrap(), "");
    });
}

fn a_thread_with_its_own_descriptors_publishes_its_own_file(bed: &Bed) {
    testbed::own_descriptors();
    bed.file("own").publish(bed.path("new")).unwrap();
    bed.file("own too").replace(bed.path("new")).unwrap();
    bed.holds_only("new", "own too");
}

fn a_forked_child_that_drops_a_file_leaves_it_to_its_parent(bed: &Bed) {
    let mut file = Some(bed.file("the parent's"));
    assert!(in_child(|| drop(file.take())));
    file.unwrap().publish(bed.path("new")).unwrap();
    bed.holds_only("new", "the parent's");
}

fn a_forked_child_that_converts_a_file_leaves_it_to_its_parent(bed: &Bed) {
    let mut file = Some(bed.file("the parent's"));
    assert!(in_child(|| {
        let _descriptor = file.take().unwrap().into_raw_fd();
    }));
    file.unwrap().replace(bed.path("new")).unwrap();
    bed.holds_only("new", "the parent's");
}

fn a_forked_child_that_drops_a_batch_leaves_it_to_its_parent(bed: &Bed) {
    let mut batch = PublishBatch::new();
    batch.add(bed.file("the parent's"), bed.path("new"));
    let mut batch = Some(batch);
    assert!(in_child(|| drop(batch.take())));
    batch.unwrap().commit().into_result().unwrap();
    bed.holds_only("new", "the parent's");
}
