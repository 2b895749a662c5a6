//! Two threads change FILE at once, a hundred times each: load, change one key, replace. A third
//! one reads it all the time and never finds it torn.
//!
//!     cargo run --example save_config -- FILE
//!
//! FILE keeps its mode, owner and attributes, and may be a symlink.
//!
//! System calls of a save: open(2) and read(2) of FILE; statx(2) of it; open(2) of its directory
//! with `O_TMPFILE`; write(2); if FILE exists, those that give the new file its metadata; fsync(2),
//! linkat(2), and if FILE exists rename(2) over it.
use std::io::{self, Error, ErrorKind, Result, Write};
use std::{env, fs, path::Path, process::ExitCode, sync::Mutex, thread, time::Duration};

fn main() -> ExitCode {
    let Some(file) = env::args_os().nth(1) else {
        let _ = writeln!(io::stderr(), "usage: save_config FILE");
        return ExitCode::from(2);
    };
    let outcome = change_at_once(file.as_ref());
    let told = outcome.and_then(|n| writeln!(io::stdout(), "read {n} times, always whole"));
    if let Err(error) = &told {
        let _ = writeln!(io::stderr(), "save_config: {file:?}: {error}");
    }
    ExitCode::from(u8::from(told.is_err()))
}

fn change_at_once(file: &Path) -> Result<usize> {
    set(file, "first", 0).and_then(|()| set(file, "second", 0))?;
    let size = fs::read_to_string(file)?.lines().count();
    // Replacing merges nothing: without turns, one thread would undo what the other has changed.
    let turn = &Mutex::new(());
    let save = move |key, number| {
        let _turn = turn.lock();
        set(file, key, number)
    };
    thread::scope(|scope| {
        let threads = ["first", "second"]
            .map(|key| scope.spawn(move || (1..=100).try_for_each(|n| save(key, n))));
        let mut reads = 0;
        while threads.iter().any(|thread| !thread.is_finished()) {
            let text = patiently(|| fs::read_to_string(file))?;
            if text.lines().count() != size || !text.ends_with('\n') {
                return Err(Error::new(ErrorKind::InvalidData, "torn"));
            }
            reads += 1;
        }
        let [first, second] = threads.map(|thread| thread.join().expect("a thread panicked"));
        first.and(second).map(|()| reads)
    })
}

/// Sets one key of a file of `key = value` lines, and keeps all other lines.
fn set(file: &Path, key: &str, value: u32) -> Result<()> {
    let old = match patiently(|| fs::read_to_string(file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        old => old?,
    };
    let start = format!("{key} = ");
    let others = old.lines().filter(|line| !line.starts_with(&start));
    let others: String = others.flat_map(|line| [line, "\n"]).collect();
    patiently(|| linkable::write(file, format!("{others}{start}{value}\n")))
}

/// On Windows, a file may not be replaced at a moment when somebody has it open: try again.
fn patiently<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let tries = if cfg!(windows) { 1000 } else { 0 };
    for _ in 0..tries {
        match call() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            outcome => return outcome,
        }
        thread::sleep(Duration::from_millis(1));
    }
    call()
}
