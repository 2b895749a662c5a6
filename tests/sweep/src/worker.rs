//! One run: an operation with faults, in a process of its own.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process;

use linkable::{LinkableFile, PublishErrorKind};

use crate::call::Phase;
use crate::directory::{Found, State, SECOND};
use crate::fault::Fault;
use crate::judge::{Broken, Run};
use crate::operation::{new_contents, Operation, Outcome, TARGET, UMASK};
use crate::route::Route;
use crate::supervisor::Supervisor;

/// What becomes of the handle that an operation leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It is published, without a fault.
    Publish,
    /// It is dropped, and the faults go on.
    Drop,
}

/// What is to be done.
pub(crate) struct Plan {
    pub(crate) operation: Operation,
    pub(crate) route: Route,
    pub(crate) faults: Vec<Fault>,
    pub(crate) afterwards: Afterwards,
    /// An empty directory.
    pub(crate) dir: PathBuf,
}

/// So long a run may take: the slowest tries 65536 names.
const SECONDS: u32 = 60;

impl Plan {
    /// Does it, and prints the calls, and what was broken.
    pub(crate) fn carry_out(self) -> io::Result<()> {
        // SAFETY: of these, the first ends a run that does not end, the others take numbers.
        unsafe {
            libc::alarm(SECONDS);
            libc::umask(UMASK);
        }
        if self.route == Route::OldBtrfs {
            testbed::as_kernel("6.15.9");
        }
        // Not by std's hook, which makes calls of its own.
        panic::set_hook(Box::new(|panic| {
            let payload = panic.payload();
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or(payload.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("for no reason");
            // What std is told by the kernel comes behind a colon.
            eprintln!("panics: {}", text.split(':').next().unwrap_or(text));
            process::exit(101);
        }));
        let supervisor = Supervisor::start(self.route, self.faults.clone())?;
        let before = descriptors()?;
        let file = self.operation.prepare(&self.dir)?;

        supervisor.enter(Phase::Operation);
        let mut outcome = self.operation.perform(&self.dir, file);
        supervisor.leave();
        let handle = outcome.handle.take();
        let mut run = Run {
            operation: self.operation,
            route: self.route,
            faults: &self.faults,
            calls: &supervisor.log(),
            keeps_handle: handle.is_some(),
            outcome: &outcome,
        };
        let mut broken = run.judge(&Found::in_directory(&self.dir)?);
        if let Some(file) = handle {
            println!("handle");
            if self.afterwards == Afterwards::Publish {
                broken.extend(self.publish_again(file, &outcome)?);
            } else {
                supervisor.enter(Phase::Drop);
                drop(file);
                supervisor.leave();
            }
        }
        supervisor.finish();

        let calls = supervisor.log();
        run.calls = &calls;
        broken.extend(run.litter(&Found::in_directory(&self.dir)?));
        if descriptors()? != before {
            broken.push("a descriptor is leaked".to_owned());
        }
        if self.faults.iter().any(|fault| fault.at >= calls.len()) {
            broken.push("a fault is never met: the sweep itself is wrong".to_owned());
        }
        for call in &calls {
            println!("call {call}");
        }
        for broken in broken {
            println!("broken {broken}");
        }
        Ok(())
    }

    /// The handle is as good as before, unless it is spoilt: then it says so for ever.
    fn publish_again(&self, mut file: LinkableFile, outcome: &Outcome) -> io::Result<Broken> {
        if matches!(self.operation, Operation::Open | Operation::Write) {
            file.rewind()?;
            file.write_all(&new_contents())?;
        }
        let mut contents = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut contents)?;
        if contents != new_contents() {
            return Ok(vec!["the handle has lost its contents".to_owned()]);
        }

        let name = if self.operation.is_refused() {
            SECOND
        } else {
            TARGET
        };
        let mut again = self.operation.publish(file, &self.dir.join(name));
        if outcome.kind == Some(PublishErrorKind::SyncFailed) {
            let same = again.kind == outcome.kind && again.errno() == outcome.errno();
            let still = again.handle.take().is_some() && same;
            return Ok(complaint(
                !still,
                "a spoilt file is published, or not as spoilt as before",
            ));
        }
        let found = Found::in_directory(&self.dir)?;
        let state = if name == SECOND {
            found.second
        } else {
            found.target
        };
        let whole = again.error.is_none() && state == State::New;
        Ok(complaint(!whole, "the handle cannot be published again"))
    }
}

fn complaint(justified: bool, text: &str) -> Broken {
    justified.then(|| text.to_owned()).into_iter().collect()
}

/// How many descriptors are open, but for one that std keeps where there is no getrandom(2).
fn descriptors() -> io::Result<usize> {
    let mut open = 0;
    for descriptor in fs::read_dir("/proc/self/fd")? {
        let file = fs::read_link(descriptor?.path())?;
        open += usize::from(file != Path::new("/dev/urandom"));
    }
    Ok(open)
}
