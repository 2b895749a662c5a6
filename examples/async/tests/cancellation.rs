//! A save that is cancelled at each await, on both routes.

use std::future::{poll_fn, Future};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::pin::{pin, Pin};
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use std::{fs, iter};

use async_example::save;
use linkable::PublishOptions;
use rustix::process::{kill_process, Pid, Signal};
use testbed::{deny, in_thread, with_fault, Rule};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// What `tokio::io::copy` writes at once, several times.
const PIECES: usize = 5;
const PIECE: &[u8] = &[b'n'; 8 << 10];

/// How often the stream lets the future wait, if no other thread does.
const LEAST_POLLS: usize = PIECES.div_ceil(2) - 1;

/// A stream that has nothing yet each third time.
#[derive(Default)]
struct Slow {
    polls: usize,
    position: usize,
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.polls += 1;
        if self.polls % 3 == 1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = PIECES * PIECE.len() - self.position;
        let length = left.min(buffer.remaining()).min(PIECE.len());
        buffer.put_slice(&PIECE[..length]);
        self.position += length;
        Poll::Ready(Ok(()))
    }
}

/// When to drop the future.
#[derive(Clone, Copy, Debug)]
enum Cancel {
    /// While it waits.
    Waiting,
    /// When what it has waited for is there.
    Woken,
}

/// Polls a future so many times at most, and then drops it: `None`.
async fn cancelled<F: Future>(future: F, most_polls: usize, cancel: Cancel) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == most_polls {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == most_polls && matches!(cancel, Cancel::Waiting) => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.collect()
}

/// Cancels after each number of polls until it is ready before that; returns how many that were.
fn cancel_everywhere(cancel: Cancel, old: Option<&str>) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut options = PublishOptions::unsynced();
    options.replace(true);
    for polls in 0.. {
        let _ = fs::remove_file(&path);
        if let Some(old) = old {
            fs::write(&path, old).unwrap();
        }
        let runtime = runtime();
        let saving = save(Slow::default(), path.clone(), &options);
        let outcome = runtime.block_on(cancelled(saving, polls, cancel));
        // Waits for what other threads have begun.
        drop(runtime);

        let found = fs::read(&path).ok();
        let is_new = found.as_ref().map(Vec::len) == Some(PIECES * PIECE.len());
        let is_old = found.as_deref() == old.map(str::as_bytes);
        let left: Vec<_> = iter::repeat_n("file", usize::from(found.is_some())).collect();
        assert_eq!(names(dir.path()), left, "{cancel:?} after {polls} polls");
        assert!(is_new || is_old, "{cancel:?} after {polls} polls");
        if let Some(length) = outcome {
            assert_eq!(length.unwrap(), (PIECES * PIECE.len()) as u64);
            assert!(is_new);
            return polls;
        }
        assert!(is_old || polls > LEAST_POLLS, "published too early");
    }
    unreachable!()
}

fn nothing_is_left_wherever_it_is_cancelled() {
    for cancel in [Cancel::Waiting, Cancel::Woken] {
        for old in [None, Some("old")] {
            let polls = cancel_everywhere(cancel, old);
            println!("{cancel:?}, {old:?}: {polls} polls");
            assert!(polls > LEAST_POLLS);
        }
    }
}

#[test]
fn nothing_is_left_of_an_anonymous_file_wherever_it_is_cancelled() {
    in_thread(nothing_is_left_wherever_it_is_cancelled);
}

#[test]
fn nothing_is_left_of_a_named_file_wherever_it_is_cancelled() {
    in_thread(|| {
        deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
        nothing_is_left_wherever_it_is_cancelled();
    });
}

#[test]
fn the_error_of_the_last_bytes_is_returned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    // So few bytes that tokio has taken them all before it writes the first.
    let failed = with_fault(libc::ENOSPC, vec![Rule::call(libc::SYS_write)], move || {
        let saved = runtime().block_on(save(&b"few"[..], path, &PublishOptions::new()));
        saved.unwrap_err().kind()
    });
    assert_eq!(failed, io::ErrorKind::StorageFull);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn an_error_names_the_path() {
    let saved = runtime().block_on(save(
        &b""[..],
        "/no/such/file".into(),
        &PublishOptions::new(),
    ));
    let text = saved.unwrap_err().to_string();
    assert!(
        text.starts_with("cannot create a file in /no/such: "),
        "{text}"
    );
}

/// Runs the program, sends it a part of a file and then, if it is not to be cancelled, the rest.
fn run_program(path: &Path, is_cancelled: bool) -> (bool, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_async-example"))
        .arg(server.local_addr().unwrap().to_string())
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut client, _) = server.accept().unwrap();
    client.write_all(PIECE).unwrap();
    if is_cancelled {
        kill_process(Pid::from_child(&program), Signal::INT).unwrap();
        // Until the program closes it.
        let _ = client.read(&mut [0]);
    }
    drop(client);
    let output = program.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_program_saves_a_file_unless_it_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();

    let (is_saved, said) = run_program(&path, true);
    assert!(
        !is_saved && said.starts_with("async-example: cancelled: "),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(dir.path()), ["file"]);

    let (is_saved, said) = run_program(&path, false);
    assert!(is_saved && said == "8192 bytes\n", "{said}");
    assert_eq!(fs::read(&path).unwrap(), PIECE);
    assert_eq!(names(dir.path()), ["file"]);
}
