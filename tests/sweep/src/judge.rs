//! What was promised, by the contract and the documentation, and whether it was kept.

use linkable::{Durability, PublishErrorKind};

use crate::call::{About, Call, Phase};
use crate::directory::{Found, State};
use crate::fault::{Fault, Harm};
use crate::manual::errno_name;
use crate::operation::{Operation, Outcome};
use crate::route::Route;

/// All that is known of a run once the operation has returned.
pub(crate) struct Run<'a> {
    pub(crate) operation: Operation,
    pub(crate) route: Route,
    pub(crate) faults: &'a [Fault],
    pub(crate) calls: &'a [Call],
    /// Whether it has left a handle behind.
    pub(crate) keeps_handle: bool,
    pub(crate) outcome: &'a Outcome,
}

/// Broken promises, in words.
pub(crate) type Broken = Vec<String>;

impl Run<'_> {
    /// Everything that can be told when the operation has returned.
    pub(crate) fn judge(&self, found: &Found) -> Broken {
        [
            self.target(found),
            self.without_faults(),
            self.errno(),
            self.kind(),
            self.contents_sync(),
            self.safe_order(),
            self.name_sync(),
            self.left_name_sync(),
            self.fallback(),
            self.open_errno(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The target is new if it is said to be published, also if that may not last, and else as it
    /// was.
    fn target(&self, found: &Found) -> Option<String> {
        let before = self.operation.target_before();
        let promised = if self.outcome.published {
            State::New
        } else {
            before
        };
        let allowed = match found.target {
            State::New => self.link_could_not_be_taken_back(),
            State::Private => self.outcome.published && self.mode_could_not_be_kept(),
            _ => false,
        };
        (found.target != promised && !allowed)
            .then(|| format!("the target is {}, not {promised}", found.target))
    }

    /// Whether the system did not let `write` see or set what it keeps of a file that may be there.
    /// Then nobody gets more access, and perhaps less.
    fn mode_could_not_be_kept(&self) -> bool {
        let keeps = |call: &Call| {
            matches!(call.name, "fchmod" | "lgetxattr" | "llistxattr")
                || call.about == About::Target && call.name.contains("stat")
        };
        self.operation.writes_file()
            && self
                .calls
                .iter()
                .any(|call| keeps(call) && !call.was_made())
    }

    /// Whether a hard link has named the target, and neither of the file's two names could be removed
    /// then. That is an error: the next attempt removes the temporary one.
    fn link_could_not_be_taken_back(&self) -> bool {
        let linked = |call: &Call| call.name == "linkat" && call.names_target() && call.was_made();
        let Some(linked) = self.calls.iter().position(linked) else {
            return false;
        };
        let harmed = |about| {
            let of = |call: &&Call| {
                matches!(call.name, "unlinkat" | "statx" | "newfstatat") && call.about == about
            };
            self.calls[linked..]
                .iter()
                .filter(of)
                .any(|call| !call.was_made())
        };
        self.keeps_handle && harmed(About::Temporary) && harmed(About::Target)
    }

    /// Only a publish onto a taken name fails when nothing else does.
    fn without_faults(&self) -> Option<String> {
        let happens = self.faults.iter().any(|fault| fault.harm != Harm::Kill);
        (!happens && !self.is_as_without_faults()).then(|| "fails without a fault".to_owned())
    }

    fn is_as_without_faults(&self) -> bool {
        let refused = self.operation.is_refused();
        let kind = refused.then_some(PublishErrorKind::AlreadyExists);
        self.outcome.error.is_some() == refused && self.outcome.kind == kind
    }

    /// The errno of an error is one that the kernel has given.
    fn errno(&self) -> Option<String> {
        let error = self.outcome.error.as_ref()?;
        let Some(errno) = self.outcome.errno() else {
            return Some(format!("an error without an errno: {error}"));
        };
        let injected = |call: &Call| call.harm == Some(Harm::Errno(errno));
        let taken = self.operation.target_is_taken() && errno == libc::EEXIST;
        let of_route = |call: &Call| self.route.refuses(call) == Some(errno);
        let known = self
            .calls
            .iter()
            .any(|call| injected(call) || of_route(call));
        (!known && !taken).then(|| format!("nothing has said {}", errno_name(errno)))
    }

    /// The errno is among those that the documentation of the kind names.
    fn kind(&self) -> Option<String> {
        use PublishErrorKind as Kind;
        let (kind, errno) = (self.outcome.kind?, self.outcome.errno()?);
        let documented: &[i32] = match kind {
            Kind::AlreadyExists => &[libc::EEXIST],
            Kind::NotFound => &[libc::ENOENT, libc::ENOTDIR],
            Kind::CrossesDevices => &[libc::EXDEV, libc::ENOENT],
            Kind::IsADirectory => &[libc::EISDIR, libc::ENOTDIR, libc::EBUSY],
            Kind::MountPoint => &[libc::EBUSY],
            Kind::NeverLinkable => &[libc::ENOENT],
            Kind::ProcUnavailable => &[libc::ENOENT, libc::EINVAL],
            Kind::LinkForbidden => &[
                libc::EPERM,
                libc::EACCES,
                libc::ENOSYS,
                libc::ENOENT,
                libc::EINVAL,
                libc::EOPNOTSUPP,
            ],
            Kind::Unsupported => &[libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP],
            _ => return None,
        };
        // The directory is there, and the target is none: one fault alone makes nobody think else.
        let absurd = matches!(kind, Kind::NotFound | Kind::IsADirectory) && self.lone().is_some();
        (absurd || !documented.contains(&errno))
            .then(|| format!("{kind:?} for {}", errno_name(errno)))
    }

    /// The contents are synced before the name is there, and a failure of that is final.
    fn contents_sync(&self) -> Option<String> {
        let level = self.operation.durability()?;
        let before = &self.calls[..self.naming().unwrap_or(self.calls.len())];
        let syncs = || {
            before
                .iter()
                .filter(|call| (call.flushes() || call.writes_out()) && call.about == About::File)
        };
        // Where syncfs(2) fails, the files are synced one by one; and where there is no
        // sync_file_range(2), by fsync(2).
        let has_another_way = |call: &Call| {
            let missing = failed(call).is_some_and(|errno| NO_WRITE_OUT.contains(&errno));
            call.name == "syncfs" || call.writes_out() && missing
        };
        let spoilt = syncs()
            .filter(|call| !has_another_way(call))
            .find_map(failed);
        let said = (self.outcome.kind == Some(PublishErrorKind::SyncFailed))
            .then(|| self.outcome.errno())
            .flatten();
        if self.operation_tells_kinds() && said != spoilt {
            return Some(
                "SyncFailed for another reason, or none for a sync that failed".to_owned(),
            );
        }
        if self.outcome.published && spoilt.is_some() {
            return Some("published although the sync of the contents failed".to_owned());
        }
        let whole = level == Durability::None || syncs().any(Call::was_made);
        (self.outcome.published && !whole).then(|| "named before it was synced".to_owned())
    }

    /// Contents are written out, and not synced, only where that is known to do; and a file that was
    /// unnamed is named before the sync unless it is known not to need that.
    fn safe_order(&self) -> Option<String> {
        let level = self.operation.durability()?;
        let happens = |call: &Call| matches!(call.harm, Some(Harm::Errno(_)));
        // Without this file the kernel is too old for what it tells of, or there is no journal.
        let is_answer = |call: &Call| matches!(failed(call), None | Some(libc::ENOENT));
        // A batch asks more than once, and what it was told once is so.
        let is_told = |before: &[Call]| {
            let looks = |call: &&Call| call.name == "fstatfs" || call.about == About::Journal;
            let looks: Vec<_> = before.iter().filter(looks).collect();
            let mut asked = looks.chunk_by(|_, next| next.name != "fstatfs");
            asked.any(|answers| answers.iter().all(|call| is_answer(call)))
        };
        let first = self.calls.iter().position(Call::writes_out);
        let before = first.map(|first| &self.calls[..first]);
        if before.is_some_and(|before| !(self.route.orders_data() && is_told(before))) {
            return Some("written out where that is not known to do".to_owned());
        }
        // What comes after is about a run that nothing has disturbed.
        if level == Durability::None || self.calls.iter().any(happens) {
            return None;
        }
        if self.route.orders_data() && !self.operation.syncs_file_system() && first.is_none() {
            return Some("synced where it is enough to write out".to_owned());
        }
        let position = |is: &dyn Fn(&Call) -> bool| self.calls.iter().position(is);
        let sync = position(&|call| call.flushes() && call.about == About::File);
        let name = position(&|call| call.name == "linkat" && call.about == About::Temporary);
        let named_first = name.is_some_and(|name| sync.is_some_and(|sync| name < sync));
        (self.route.forgets_unnamed() && !named_first)
            .then(|| "synced before it had a name".to_owned())
    }

    /// The directory that the temporary name was in is synced, too, when `Full` returns `Ok`, unless
    /// it may not be read.
    fn left_name_sync(&self) -> Option<String> {
        let promised = self.operation.is_from_elsewhere() && self.outcome.error.is_none();
        let left = |call: &&Call| call.about == About::Left;
        let mut calls = self.calls.iter().filter(left);
        let kept = calls.any(|call| {
            let unreadable = call.name == "openat" && failed(call) == Some(libc::EACCES);
            call.flushes() && call.was_made() || unreadable
        });
        (promised && !kept).then(|| "Ok although the temporary name can come back".to_owned())
    }

    /// The name is synced when `Full` returns `Ok`; if that failed, and only then, it is
    /// `NotDurable`.
    fn name_sync(&self) -> Option<String> {
        let naming = self.naming().filter(|_| self.outcome.published)?;
        let syncs = || self.calls[naming..].iter().filter(|call| call.flushes());
        let promised = self.operation.durability() == Some(Durability::Full);
        let failed = syncs().any(|call| failed(call).is_some());
        let kept = syncs().any(Call::was_made) && !failed;
        let told = self.outcome.kind == Some(PublishErrorKind::NotDurable);
        // A call that was interrupted may be handed to the caller, too.
        let interrupted = syncs().any(|call| call.harm == Some(Harm::Errno(libc::EINTR)));
        // That is how xfs tells that it has shut down.
        let shut_down = self.calls[naming..]
            .iter()
            .any(|call| call.name.contains("stat") && self::failed(call) == Some(libc::EIO));
        if told && !failed && !interrupted && !shut_down {
            return Some("NotDurable without a sync that failed".to_owned());
        }
        (promised && !kept && !told).then(|| "Ok although the name was not synced".to_owned())
    }

    /// Where there is another way, it is gone.
    fn fallback(&self) -> Option<String> {
        let (call, errno) = self.lone()?;
        let other_way = match (call.name, call.flag, call.about) {
            ("openat", "O_TMPFILE", _) => UNSUPPORTED.contains(&errno),
            ("openat", "O_CREAT", About::Temporary) | ("linkat", _, About::Temporary)
                if errno == libc::EEXIST =>
            {
                true
            }
            ("linkat", "AT_EMPTY_PATH", _) => match errno {
                libc::ENOENT | libc::EINVAL | libc::EPERM => true,
                libc::EEXIST => !self.operation.never_replaces(),
                _ => false,
            },
            ("linkat", "AT_SYMLINK_FOLLOW", _) => errno == libc::ENOENT,
            ("renameat2", "RENAME_NOREPLACE", _) => {
                [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP].contains(&errno)
            }
            // A directory that may be written and not read.
            ("openat", "O_DIRECTORY", _) => errno == libc::EACCES,
            ("sync_file_range", ..) if call.writes_out() => NO_WRITE_OUT.contains(&errno),
            // All others only look for the cheapest way, or begin what is done later.
            ("close" | "sync_file_range" | "fstatfs" | "read" | "readlink", ..)
            | ("openat", _, About::Procfs | About::Journal) => true,
            // What cannot be seen is not preserved, and so not replaced.
            ("statx", _, About::Target) => !self.operation.keeps(),
            _ => false,
        };
        (other_way && !self.is_as_without_faults())
            .then(|| "fails although there is another way".to_owned())
    }

    /// Every errno of open(2) but those that mean "unsupported" is the caller's answer.
    fn open_errno(&self) -> Option<String> {
        let (call, errno) = self.lone()?;
        let final_answer =
            call.flag == "O_TMPFILE" && !UNSUPPORTED.contains(&errno) && errno != libc::EINTR;
        (final_answer && self.outcome.errno() != Some(errno))
            .then(|| "an error of open(2) is kept from the caller".to_owned())
    }

    /// No name is left behind that nobody asked for, when the handle is gone, too.
    pub(crate) fn litter(&self, found: &Found) -> Option<String> {
        if !found.strange.is_empty() {
            return Some(format!("made {:?}", found.strange));
        }
        let allowed = usize::from(self.clean_up_was_hit());
        (found.temporary > allowed).then(|| format!("{} temporary names are left", found.temporary))
    }

    /// Whether the very calls that were to remove the temporary name, for the last time, have
    /// failed: unlinkat(2), or the look whether the name still is the file's.
    ///
    /// As long as there is a handle, its drop is the last time. Without one, a look is a part of
    /// the clean-up only if the operation was over by then: it had failed, or the file is
    /// published.
    fn clean_up_was_hit(&self) -> bool {
        self.calls.iter().enumerate().any(|(index, call)| {
            let in_drop = call.phase == Phase::Drop;
            let last_time = in_drop || !self.keeps_handle;
            !call.was_made()
                && call.about == About::Temporary
                && match call.name {
                    "unlinkat" => last_time,
                    "statx" | "newfstatat" => {
                        in_drop
                            || last_time && self.is_over_before(index)
                            || self.is_told_of_a_lost_name(index)
                    }
                    _ => false,
                }
        })
    }

    fn is_over_before(&self, index: usize) -> bool {
        let failed = self.calls[..index].iter().any(|call| !call.was_made());
        self.operation == Operation::Drop || self.outcome.published || failed
    }

    /// Whether the kernel says, wrongly, that the name just linked beside the target is gone. Then
    /// it may be in a directory that was moved away, and the file must not be renamed from where it
    /// is not, but linked again.
    fn is_told_of_a_lost_name(&self, index: usize) -> bool {
        let links = |call: &Call| call.name == "linkat" && call.about == About::Temporary;
        let gone = self.calls[index].harm == Some(Harm::Errno(libc::ENOENT));
        gone && self.calls[..index].iter().any(links)
    }

    fn operation_tells_kinds(&self) -> bool {
        matches!(self.operation, Operation::Publish { .. })
    }

    /// The last call that was to name the target.
    fn naming(&self) -> Option<usize> {
        self.calls.iter().rposition(Call::names_target)
    }

    /// The call and the errno of a fault that is the only one.
    fn lone(&self) -> Option<(&Call, i32)> {
        let [fault] = self.faults else { return None };
        match (self.calls.get(fault.at), fault.harm) {
            (Some(call), Harm::Errno(errno)) if !fault.lasting => Some((call, errno)),
            _ => None,
        }
    }
}

/// `O_TMPFILE` does not exist here.
const UNSUPPORTED: [i32; 4] = [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOSYS, libc::EINVAL];

/// There is no sync_file_range(2) here.
const NO_WRITE_OUT: [i32; 5] = [
    libc::ENOSYS,
    libc::ESPIPE,
    libc::EINVAL,
    libc::EPERM,
    libc::EACCES,
];

/// With which errno a call failed, if it was not just interrupted.
fn failed(call: &Call) -> Option<i32> {
    match call.harm {
        Some(Harm::Errno(errno)) if errno != libc::EINTR => Some(errno),
        _ => None,
    }
}

/// What a killed process may leave behind: the target old or new, and one temporary name if it had
/// to have one: on the named routes, and in the middle of a replace.
pub(crate) fn after_kill(
    operation: Operation,
    route: Route,
    faults: &[Fault],
    found: &Found,
) -> Broken {
    let mut broken = Broken::new();
    let untouched = found.target == operation.target_before();
    let is_new =
        found.target == State::New || operation.writes_file() && found.target == State::Private;
    if !untouched && (operation.is_refused() || !is_new) {
        broken.push(format!("killed, the target is {}", found.target));
    }
    // A fault before the kill may have led to the named route, or to a name before the sync.
    let syncs = !matches!(operation.durability(), None | Some(Durability::None));
    let fell_back = faults.len() > 1 && (operation.opens() || syncs);
    let needs_name = !route.is_anonymous() || route.forgets_unnamed() || operation.replaces();
    let allowed = usize::from(needs_name || fell_back);
    if found.temporary > allowed {
        broken.push(format!(
            "killed, {} temporary names are left",
            found.temporary
        ));
    }
    if !found.strange.is_empty() {
        broken.push(format!("killed, made {:?}", found.strange));
    }
    broken
}
