//! Decides over every system call of the main thread, by seccomp_unotify(2).
//!
//! The thread stands still in its call while the supervisor, another thread of the same process,
//! makes up its mind: let the kernel go on, answer with an errno, or kill the process.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::call::{argument, is_noise, Call, Phase};
use crate::fault::{Fault, Harm};
use crate::route::Route;

/// What is done to the main thread.
pub(crate) struct Supervisor {
    state: Arc<Mutex<State>>,
}

struct State {
    route: Route,
    faults: Vec<Fault>,
    /// The part of the run whose calls are logged and harmed, if it has begun.
    phase: Option<Phase>,
    log: Vec<Call>,
    /// Faults that last, and the call that they are about.
    lasting: Vec<(&'static str, Harm)>,
}

/// What the kernel is told of a call.
enum Answer {
    GoOn,
    Errno(i32),
    Success,
}

/// Where the main thread leaves the listener: it can tell nobody by a call that waits for an
/// answer.
static LISTENER: AtomicI32 = AtomicI32::new(-1);

impl Supervisor {
    /// From here on each call of this thread, which is the only one, is decided over.
    pub(crate) fn start(route: Route, faults: Vec<Fault>) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            route,
            faults,
            phase: None,
            log: Vec::new(),
            lasting: Vec::new(),
        }));
        let supervised = Arc::clone(&state);
        thread::spawn(move || supervise(&supervised));
        LISTENER.store(ask_about_every_call()?, Ordering::Release);
        Ok(Self { state })
    }

    /// Begins a part of the run whose calls count.
    pub(crate) fn enter(&self, phase: Phase) {
        lock(&self.state).phase = Some(phase);
    }

    /// Ends that part.
    pub(crate) fn leave(&self) {
        lock(&self.state).phase = None;
    }

    /// Kills the process if it was to be killed after the last call.
    pub(crate) fn finish(&self) {
        let is_last = |state: &State| {
            let end = (state.log.len(), Harm::Kill);
            state
                .faults
                .iter()
                .any(|fault| (fault.at, fault.harm) == end)
        };
        // Not with the lock: kill(2) is a call, too.
        let killed = is_last(&lock(&self.state));
        if killed {
            kill();
        }
    }

    /// The calls so far.
    pub(crate) fn log(&self) -> Vec<Call> {
        lock(&self.state).log.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the shortest of filters, and returns the descriptor on which it asks.
fn ask_about_every_call() -> io::Result<RawFd> {
    let mut program = [libc::sock_filter {
        code: 0x06, // BPF_RET | BPF_K
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter outlives the call, which copies it.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &program,
        )
    };
    match RawFd::try_from(listener) {
        Ok(listener) if listener >= 0 => Ok(listener),
        _ => Err(io::Error::last_os_error()),
    }
}

fn supervise(state: &Mutex<State>) {
    let listener = loop {
        match LISTENER.load(Ordering::Acquire) {
            -1 => thread::yield_now(),
            // SAFETY: nobody else closes it.
            listener => break unsafe { OwnedFd::from_raw_fd(listener) },
        }
    };
    loop {
        // SAFETY: zero is a value of both, and the kernel wants to find zeros in the first one.
        // Each ioctl(2) takes what it is given.
        unsafe {
            let mut question: libc::seccomp_notif = zeroed();
            if libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &mut question,
            ) != 0
            {
                continue;
            }
            let mut answer: libc::seccomp_notif_resp = zeroed();
            answer.id = question.id;
            // The main thread may need memory while it has the lock.
            let decision = if is_noise(&question.data) {
                Answer::GoOn
            } else {
                lock(state).decide(&question.data)
            };
            match decision {
                Answer::GoOn => {
                    answer.flags =
                        u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).expect("a flag");
                }
                Answer::Errno(errno) => answer.error = -errno,
                Answer::Success => {}
            }
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &mut answer,
            );
        }
    }
}

impl State {
    fn decide(&mut self, data: &libc::seccomp_data) -> Answer {
        let phase = self.phase.unwrap_or(Phase::Operation);
        // SAFETY: the main thread of this process stands in the call.
        let call = unsafe { Call::read(data, phase) };
        let Some(mut call) = call else {
            if self.phase.is_some() {
                eprintln!("no man page tells what system call {} can say", data.nr);
                // SAFETY: ends the process and whatever the main thread is about.
                unsafe { libc::_exit(2) };
            }
            return Answer::GoOn;
        };
        if self.phase.is_some() {
            call.harm = self.harm(&call);
            self.log.push(call);
        }
        match call.harm {
            Some(Harm::Kill) => kill(),
            Some(Harm::Errno(errno)) => {
                if call.name == "close" {
                    // Whatever close(2) says, on Linux the descriptor is closed.
                    // SAFETY: the main thread was about to do so.
                    unsafe { libc::close(argument(data, 0)) };
                }
                Answer::Errno(errno)
            }
            None => self.answer_of_route(&call, data),
        }
    }

    /// What is to be done to the next call.
    fn harm(&mut self, call: &Call) -> Option<Harm> {
        let at = self.log.len();
        if let Some(fault) = self.faults.iter().find(|fault| fault.at == at) {
            if fault.lasting {
                self.lasting.push((call.name, fault.harm));
            }
            return Some(fault.harm);
        }
        let mut lasting = self.lasting.iter();
        lasting
            .find(|(name, _)| *name == call.name)
            .map(|(_, harm)| *harm)
    }

    fn answer_of_route(&self, call: &Call, data: &libc::seccomp_data) -> Answer {
        if let ("fstatfs", Some(kind)) = (call.name, self.route.file_system()) {
            // SAFETY: the descriptor and the structure are those of the main thread's call.
            unsafe {
                let stat = data.args[1] as *mut libc::statfs;
                libc::fstatfs(argument(data, 0), stat);
                (*stat).f_type = kind;
            }
            return Answer::Success;
        }
        self.route.refuses(call).map_or(Answer::GoOn, Answer::Errno)
    }
}

fn kill() -> ! {
    // SAFETY: nothing is left to be unsafe.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        thread::park();
    }
}
