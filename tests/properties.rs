//! Random operations on several files at once, against a model of two directories.
//!
//! The cases are the same each time; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more, and for
//! others.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use common::{contents, given_back, on, Bed, Route};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind,
    PublishOptions,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, Index};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use testbed::{deny, in_thread, Rule};

const DIRECTORIES: [&str; 2] = ["one", "two"];

/// What the names in them stand for at first: nothing, unless they say so.
const NAMES: [&str; 6] = ["a", "b", "directory", "symlink", "missing/c", "d/"];

#[derive(Clone, Debug)]
enum Step {
    Open(&'static str),
    Write(Index, String),
    Reopen(Index),
    Drop(Index),
    Publish(Index, Publication),
    /// By somebody else.
    Remove(String),
}

#[derive(Clone, Debug)]
struct Publication {
    path: String,
    replace: bool,
    durability: Durability,
    fault: Option<Fault>,
}

impl Publication {
    fn has_place(&self) -> bool {
        !self.path.contains("missing") && !self.path.ends_with('/')
    }
}

/// What fails with `EIO` this time, if there is a place for the name.
#[derive(Clone, Copy, Debug)]
enum Fault {
    LinkAndRename,
    Rename,
}

fn path() -> impl Strategy<Value = String> {
    (select(&DIRECTORIES), select(&NAMES)).prop_map(|(dir, name)| format!("{dir}/{name}"))
}

fn publication() -> impl Strategy<Value = Publication> {
    use Durability::{Contents, Full, None as Nothing};
    let durability = prop_oneof![8 => Just(Nothing), 1 => Just(Contents), 1 => Just(Full)];
    let fault = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Fault::LinkAndRename)),
        1 => Just(Some(Fault::Rename)),
    ];
    (path(), any::<bool>(), durability, fault).prop_map(|(path, replace, durability, fault)| {
        Publication {
            path,
            replace,
            // Before a sync some file systems need a temporary name, and so a rename, in any case.
            durability: fault.map_or(durability, |_| Nothing),
            fault,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => select(&DIRECTORIES).prop_map(Step::Open),
        4 => (any::<Index>(), "[a-z]{1,8}").prop_map(|(file, text)| Step::Write(file, text)),
        1 => any::<Index>().prop_map(Step::Reopen),
        1 => any::<Index>().prop_map(Step::Drop),
        6 => (any::<Index>(), publication()).prop_map(|(file, how)| Step::Publish(file, how)),
        1 => path().prop_map(Step::Remove),
    ]
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File(String),
    Directory,
    Symlink,
}

/// How often which outcome was seen, so that none is missed for want of cases.
type Tally = BTreeMap<String, u32>;

/// The files that were opened and the names that should be there, beside those that are.
struct Model<'a> {
    bed: &'a Bed,
    files: Vec<(LinkableFile, String)>,
    names: BTreeMap<String, Entry>,
    tally: Tally,
}

impl<'a> Model<'a> {
    fn new(bed: &'a Bed) -> Self {
        let mut names = BTreeMap::new();
        for dir in DIRECTORIES {
            fs::create_dir(bed.path(dir)).unwrap();
            fs::create_dir(bed.path(dir).join("directory")).unwrap();
            symlink("a", bed.path(dir).join("symlink")).unwrap();
            names.insert(format!("{dir}/directory"), Entry::Directory);
            names.insert(format!("{dir}/symlink"), Entry::Symlink);
        }
        Self {
            bed,
            files: Vec::new(),
            names,
            tally: Tally::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Open(dir) => {
                let mut options = fs::OpenOptions::new();
                let file = options.read(true).anonymous_in(self.bed.path(dir)).unwrap();
                self.files.push((file, String::new()));
            }
            Step::Remove(path) => {
                if let Some(Entry::File(_) | Entry::Symlink) = self.names.get(path) {
                    fs::remove_file(self.bed.path(path)).unwrap();
                    self.names.remove(path);
                }
            }
            _ if self.files.is_empty() => {}
            Step::Write(file, text) => {
                let (file, written) = file.get_mut(&mut self.files);
                file.write_all(text.as_bytes()).unwrap();
                written.push_str(text);
            }
            Step::Reopen(file) => {
                let (file, written) = file.get(&self.files);
                assert_eq!(contents(file.reopen().unwrap()), *written);
            }
            Step::Drop(file) => drop(self.files.swap_remove(file.index(self.files.len()))),
            Step::Publish(file, how) => {
                let (file, written) = self.files.swap_remove(file.index(self.files.len()));
                self.publish(file, written, how);
            }
        }
    }

    fn publish(&mut self, file: LinkableFile, written: String, how: &Publication) {
        let expected = self.expected(&file, how);
        let saw = match (publish(file, self.bed, how), expected) {
            (Ok(file), Ok(())) => {
                assert_eq!(contents(file), written);
                let entry = Entry::File(written);
                match self.names.insert(how.path.clone(), entry) {
                    Some(_) => "replaced".to_owned(),
                    None => "published".to_owned(),
                }
            }
            (Err(error), Err(kind)) => {
                assert_eq!(error.kind(), kind, "{error:?}");
                let file = given_back(error);
                assert_eq!(contents(&file), written);
                self.files.push((file, written));
                format!("{kind:?}")
            }
            (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
        };
        *self.tally.entry(saw).or_default() += 1;
    }

    fn expected(&self, file: &LinkableFile, how: &Publication) -> Result<(), PublishErrorKind> {
        if !how.has_place() {
            return Err(PublishErrorKind::NotFound);
        }
        let there = self.names.get(&how.path);
        let renames = !file.is_anonymous() || how.replace && there.is_some();
        match (how.fault, there) {
            // This is seen before anything is linked or renamed.
            (_, Some(Entry::Directory)) if how.replace => Err(PublishErrorKind::IsADirectory),
            (Some(Fault::LinkAndRename), _) => Err(PublishErrorKind::Other),
            (Some(Fault::Rename), _) if renames => Err(PublishErrorKind::Other),
            (_, Some(_)) if !how.replace => Err(PublishErrorKind::AlreadyExists),
            _ => Ok(()),
        }
    }

    /// The names are those that should be there, and one for each file that has a temporary one.
    fn check(&self) {
        let mut names = BTreeMap::new();
        let mut temporary = 0;
        for dir in DIRECTORIES {
            for entry in fs::read_dir(self.bed.path(dir)).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                // What libfuse makes of a removed file that is open.
                if name.starts_with(".fuse_hidden") {
                    continue;
                }
                if name.starts_with(".linkable-") {
                    temporary += 1;
                    continue;
                }
                let kind = entry.file_type().unwrap();
                let what = if kind.is_dir() {
                    Entry::Directory
                } else if kind.is_symlink() {
                    Entry::Symlink
                } else {
                    Entry::File(fs::read_to_string(entry.path()).unwrap())
                };
                names.insert(format!("{dir}/{name}"), what);
            }
        }
        assert_eq!(names, self.names);
        let owners = self.files.iter().filter(|(file, _)| !file.is_anonymous());
        assert_eq!(temporary, owners.count(), "temporary names");
    }
}

fn publish(file: LinkableFile, bed: &Bed, how: &Publication) -> Result<fs::File, PublishError> {
    let path = bed.path(&how.path);
    let mut options = PublishOptions::new();
    options.replace(how.replace).durability(how.durability);
    let Some(fault) = how.fault.filter(|_| how.has_place()) else {
        return options.publish(file, path);
    };
    let mut rules = Rule::rename();
    if let Fault::LinkAndRename = fault {
        rules.push(Rule::call(libc::SYS_linkat));
    }
    in_thread(move || {
        deny(libc::EIO, &rules);
        options.publish(file, path)
    })
}

fn random_operations_match_the_model(route: Route) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if let RngSeed::Random = config.rng_seed {
        config.rng_seed = RngSeed::Fixed(0);
    }
    println!("{} cases, {:?}", config.cases, config.rng_seed);
    let tally = Arc::new(Mutex::new(Tally::new()));
    let outcome = TestRunner::new(config).run(&vec(step(), 1..40), |steps| {
        let tally = Arc::clone(&tally);
        on(route, move |bed| {
            let mut model = Model::new(bed);
            for step in &steps {
                model.take(step);
                model.check();
            }
            model.files.clear();
            model.check();
            for (saw, times) in model.tally {
                *tally.lock().unwrap().entry(saw).or_default() += times;
            }
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let tally = tally.lock().unwrap();
    println!("{tally:?}");
    let seen: Vec<_> = tally.keys().map(String::as_str).collect();
    let all = [
        "AlreadyExists",
        "IsADirectory",
        "NotFound",
        "Other",
        "published",
        "replaced",
    ];
    assert_eq!(seen, all);
}

mod anonymous {
    #[test]
    fn random_operations_match_the_model() {
        super::random_operations_match_the_model(super::Route::Anonymous);
    }
}

mod named {
    #[test]
    fn random_operations_match_the_model() {
        super::random_operations_match_the_model(super::Route::Named(libc::EOPNOTSUPP));
    }
}
