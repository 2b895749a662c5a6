//! Whether what is left after a power cut is what was promised.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::AddAssign;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use linkable::Durability;

use crate::library::MODE;
use crate::workload::{Note, Save, BYSTANDER};

/// What is known of the saves at one point of the log.
#[derive(Default)]
pub(crate) struct Known {
    /// Every save that has begun, by path.
    begun: HashMap<String, Vec<Save>>,
    /// The newest version of each path whose save has returned.
    returned: HashMap<String, u32>,
    /// How many saves have begun and not returned.
    in_flight: usize,
    /// How many that ever were at once.
    most_in_flight: usize,
    /// How many have returned.
    done: usize,
    /// Whether a bystander syncs meanwhile.
    disturbed: bool,
}

impl Known {
    pub(crate) fn new(disturbed: bool) -> Self {
        Self {
            disturbed,
            ..Self::default()
        }
    }

    pub(crate) fn learn(&mut self, note: &Note) {
        match note {
            Note::Begun(save) => {
                self.begun
                    .entry(save.path.clone())
                    .or_default()
                    .push(save.clone());
                self.in_flight += 1;
                self.most_in_flight = self.most_in_flight.max(self.in_flight);
            }
            Note::Returned(save) => {
                self.returned.insert(save.path.clone(), save.version);
                self.in_flight -= 1;
                self.done += 1;
            }
        }
    }

    /// How many temporary names there may be, at the most.
    fn temporary_names(&self, level: Durability, named: bool) -> usize {
        match (level, named) {
            // Whatever has returned has synced its rename.
            (Durability::Full, _) => self.in_flight,
            // A rename that nobody has synced may not be on the disk, and the name still there.
            (_, true) => self.in_flight + self.done,
            // The same, of replaces that somebody else's sync has found half done.
            (_, false) if self.disturbed => self.most_in_flight,
            (_, false) => self.in_flight,
        }
    }
}

/// How many things were wrong, at how many points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) points: u32,
    /// Points with files that are no version, or have the wrong mode.
    pub(crate) torn: u32,
    /// Points without a version that had been promised.
    pub(crate) lost: u32,
    /// Points with more temporary names than there may be.
    pub(crate) litter: u32,
    pub(crate) unmountable: u32,
}

impl Verdict {
    pub(crate) fn bad(self) -> u32 {
        self.torn + self.lost + self.litter + self.unmountable
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.points += other.points;
        self.torn += other.torn;
        self.lost += other.lost;
        self.litter += other.litter;
        self.unmountable += other.unmountable;
    }
}

/// One point: the file system is mounted at `root`, and so much is `known`.
pub(crate) fn judge(
    root: &Path,
    known: &Known,
    level: Durability,
    named: bool,
) -> (Verdict, Vec<String>) {
    let mut found = Found::default();
    if let Err(error) = found.walk(root, root, known) {
        found.torn.push(format!("cannot be read: {error}"));
    }
    let lost = known.begun.iter().filter_map(|(path, saves)| {
        let old = saves.iter().any(|save| save.replace).then_some(0);
        let promised = match level {
            Durability::Full => known.returned.get(path).copied().or(old),
            _ => old,
        };
        let version = found.versions.get(path).copied();
        let whole = !found
            .torn
            .iter()
            .any(|torn| torn.starts_with(&format!("{path} ")));
        (whole && version < promised).then(|| format!("{path} {version:?} not {promised:?}"))
    });
    let lost: Vec<_> = lost.collect();
    let litter = found.litter > known.temporary_names(level, named);
    let verdict = Verdict {
        points: 1,
        torn: u32::from(!found.torn.is_empty()),
        lost: u32::from(!lost.is_empty()),
        litter: u32::from(litter),
        unmountable: 0,
    };
    let mut texts = found.torn;
    texts.extend(lost);
    if litter {
        texts.push(format!(
            "{} temporary names, {} in flight",
            found.litter, known.in_flight
        ));
    }
    (verdict, texts)
}

#[derive(Default)]
struct Found {
    versions: HashMap<String, u32>,
    torn: Vec<String>,
    litter: usize,
}

impl Found {
    fn walk(&mut self, root: &Path, directory: &Path, known: &Known) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if name.contains(".linkable-") {
                self.litter += 1;
            } else if path.is_dir() {
                if name != "lost+found" && name != BYSTANDER {
                    self.walk(root, &path, known)?;
                }
            } else if let Err(what) = self.identify(&path, &name, known) {
                self.torn.push(format!("{name} {what}"));
            }
        }
        Ok(())
    }

    fn identify(&mut self, path: &Path, name: &str, known: &Known) -> Result<(), String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let mode = path
            .metadata()
            .map_err(|error| error.to_string())?
            .permissions()
            .mode()
            & 0o7777;
        let before = Save::before(name.to_owned());
        let begun = known.begun.get(name).map_or(&[][..], Vec::as_slice).iter();
        let version = begun
            .rev()
            .chain([&before])
            .find(|save| save.contents() == bytes);
        match version {
            None => Err(format!("is no version, {} bytes", bytes.len())),
            Some(_) if mode != MODE => Err(format!("has mode {mode:o}")),
            Some(save) => {
                self.versions.insert(name.to_owned(), save.version);
                Ok(())
            }
        }
    }
}
