//! The system calls of an operation, as strace(1) sees them.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{self, Command};

use rustix::fs::{access, Access};
use testbed::in_thread;

/// Tells the traced process that it is one.
const TRACED: &str = "LINKABLE_TEST_IS_TRACED";
/// Asked for by the traced process around the operation, so that strace logs it.
const BEGIN: &str = "/linkable-test-begin";
const END: &str = "/linkable-test-end";

/// What debug builds of std and every allocator do besides; and to ask for the time, which is a call
/// only where the vDSO cannot tell it.
const NOISE: [&str; 10] = [
    "brk",
    "clock_gettime",
    "fcntl",
    "futex",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "restart_syscall",
];

/// One system call.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    /// As strace writes it, with arguments and result.
    pub text: String,
}

/// Traces what the test does that it is made for.
pub struct Strace {
    test: &'static str,
}

impl Strace {
    /// Runs `operation` under strace with `options`, and returns its calls.
    ///
    /// For that the test runs once more, alone, in a process of its own. What comes before the call
    /// of this function is done in both processes, each in directories of its own; what comes after,
    /// in the first only.
    pub fn calls(&self, options: &[&str], operation: impl FnOnce()) -> Vec<Call> {
        if env::var_os(TRACED).is_some() {
            let mark = |mark| assert!(access(mark, Access::EXISTS).is_err());
            mark(BEGIN);
            operation();
            mark(END);
            process::exit(0);
        }
        // What the second process leaves behind goes with it. Others may have to go through it. On
        // tmpfs the calls are the same wherever else the tests run.
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o755)).unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        // If it hangs, it is a failure and not the end of all tests.
        let output = Command::new("timeout")
            .args(["60", "strace", "-f"])
            .arg("-o")
            .arg(log.path())
            .args(options)
            .arg(env::current_exe().unwrap())
            .args([self.test, "--exact", "--include-ignored", "--nocapture"])
            .env(TRACED, "1")
            .env("TMPDIR", scratch.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        parse(log.path())
    }
}

/// Runs `promise`, the test of this name, if there is strace(1). If not, that is reported, and is a
/// failure where the environment variable `CI` is set.
pub fn on_strace(test: &'static str, promise: impl FnOnce(&Strace) + Send + 'static) {
    match Command::new("strace").arg("--version").output() {
        Ok(_) => in_thread(move || promise(&Strace { test })),
        Err(error) => {
            assert!(env::var_os("CI").is_none(), "strace: {error}");
            // Not by eprintln!, of which the harness shows nothing if a test passes.
            let report = format!("SKIPPED: {test} needs strace: {error}\n");
            io::stderr().write_all(report.as_bytes()).unwrap();
        }
    }
}

/// Makes of each promise, a function of the same file, a test under strace.
macro_rules! traced {
    ($($(#[$attribute:meta])* $promise:ident,)*) => {
        mod traced {
            $($(#[$attribute])* #[test] fn $promise() {
                let test = concat!("traced::", stringify!($promise));
                crate::common::trace::on_strace(test, super::$promise);
            })*
        }
    };
}
pub(crate) use traced;

fn parse(log: &Path) -> Vec<Call> {
    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = log
        .lines()
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END))
        .filter_map(|line| {
            // "1234  openat(AT_FDCWD, …) = 3"
            let text = line.split_once(' ')?.1.trim();
            // The rest of a call that another thread's was in between.
            if text.starts_with("<...") {
                return None;
            }
            let name = text.split_once('(')?.0.to_owned();
            let text = text.to_owned();
            Some(Call { name, text })
        })
        .filter(|call| !NOISE.contains(&call.name.as_str()))
        .collect();
    assert!(!calls.is_empty(), "no trace of the operation in:\n{log}");
    for call in &calls {
        println!("{}", call.text);
    }
    calls
}

pub fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.name.as_str()).collect()
}
