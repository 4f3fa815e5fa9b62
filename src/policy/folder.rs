//! Which files of the folder make a policy: the folder itself, `lists` and `detectors` in it, and no other.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::scan::Class;
use crate::yaml::{Place, Report, closest};

/// Where lists of words may lie, beside the folder itself.
const LISTS: &str = "lists";

/// Where detectors of the policy's own lie, in a folder for each class.
const DETECTORS: &str = "detectors";

/// Where rules of the injection scan lie in it. In the sources its model lies there too.
const INJECTION: &str = "injection";

/// A file of the policy.
#[derive(Debug)]
pub(super) struct File {
    /// Its path below the folder: `lists/projects.txt`.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) what: What,
}

/// What a file holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Roles, rules and all the rest.
    Document,
    /// A Rego module.
    Module,
    /// Words.
    List,
    /// Detectors of a class.
    Detectors(Class),
    /// Rules of the injection scan.
    Rules,
}

/// One entry of the folder that makes a difference.
struct Entry {
    path: PathBuf,
    is: Is,
}

enum Is {
    /// It is read.
    Read(String, What),
    /// It looks like a part of the policy and is not read: why, and what to do.
    Refused(&'static str, String),
}

/// The files of the policy, sorted by name; what looks like one and is not read is an error.
pub(super) fn files(dir: &Path, report: &mut Report) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut entries = entries(dir)?;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    for Entry { path, is } in entries {
        match is {
            Is::Read(name, what) => files.push(File { name, path, what }),
            Is::Refused(why, hint) => {
                let file = report.add_file(path.display().to_string(), "");
                report.error(Place::whole(file), why).hint(hint);
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// Everything in the folder that makes a difference to the policy, be it by being refused; nothing where it cannot be read.
pub(crate) fn paths(dir: &Path) -> Vec<PathBuf> {
    entries(dir).unwrap_or_default().into_iter().map(|entry| entry.path).collect()
}

fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for (path, name) in of(dir)? {
        let is = match document(&name) {
            // Sub-folders are not read, whatever they are called, but for these two.
            Some(_) if path.is_dir() => continue,
            Some(is) => is,
            None => continue,
        };
        all.push(Entry { path, is });
    }
    let lists = dir.join(LISTS);
    if lists.is_dir() {
        for (path, name) in of(&lists)? {
            if let Some(Is::Read(name, What::List)) = document(&name) {
                all.push(Entry { path, is: Is::Read(format!("{LISTS}/{name}"), What::List) });
            }
        }
    }
    let detectors = dir.join(DETECTORS);
    if detectors.is_dir() {
        for (path, name) in of(&detectors)?.into_iter().filter(|(_, name)| !is_aside(name)) {
            class(path, &name.to_string_lossy(), &mut all)?;
        }
    }
    Ok(all)
}

fn of(dir: &Path) -> io::Result<Vec<(PathBuf, OsString)>> {
    fs::read_dir(dir)?.map(|entry| entry.map(|entry| (entry.path(), entry.file_name()))).collect()
}

/// What the name of a file in the folder makes of it; `None`: it is no part of the policy.
fn document(name: &OsStr) -> Option<Is> {
    let refused = |why: &'static str, hint: &str| Some(Is::Refused(why, hint.to_owned()));
    let Some(name) = name.to_str() else { return refused("the name of this file is not UTF-8", "rename it") };
    // Editors' backups, and the folders by which Kubernetes swaps a mounted map.
    if name.starts_with('.') {
        return None;
    }
    let read = |what| Some(Is::Read(name.to_owned(), what));
    match extension(name) {
        "rego" => read(What::Module),
        "txt" => read(What::List),
        "yaml" => read(What::Document),
        other if other.eq_ignore_ascii_case("rego") => refused("this file is not read", "name it `.rego`"),
        other if is_yaml(other) => refused("this file is not read", "name it `.yaml`"),
        _ => None,
    }
}

/// One entry of `detectors`. Nobody puts anything there that is not to be looked for, so all that is not read is told.
fn class(path: PathBuf, name: &str, all: &mut Vec<Entry>) -> io::Result<()> {
    if !path.is_dir() {
        let hint = "its folder says what it is about: move it to `detectors/pii`, `detectors/secrets` or `detectors/injection`";
        all.push(Entry { path, is: Is::Refused("this file is not read", hint.to_owned()) });
    } else if let Some(class) = Class::ALL.into_iter().find(|class| class.name() == name) {
        for (path, name) in of(&path)?.into_iter().filter(|(_, name)| !is_aside(name)) {
            let is = detectors(&path, &name, class);
            all.push(Entry { path, is });
        }
    } else if name == INJECTION {
        for (path, name) in of(&path)?.into_iter().filter(|(_, name)| !is_aside(name)) {
            all.extend(rules(&path, &name).map(|is| Entry { path, is }));
        }
    } else {
        let hint = match closest(name, Class::ALL.map(Class::name).into_iter().chain([INJECTION])) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "detectors are in `detectors/pii`, `detectors/secrets` and `detectors/injection`".to_owned(),
        };
        all.push(Entry { path, is: Is::Refused("this folder is not read", hint) });
    }
    Ok(())
}

fn detectors(path: &Path, name: &OsStr, class: Class) -> Is {
    let Some(name) = name.to_str() else {
        return Is::Refused("the name of this file is not UTF-8", "rename it".to_owned());
    };
    if path.is_dir() {
        return Is::Refused("this folder is not read", format!("put its files into `{DETECTORS}/{}` itself", class.name()));
    }
    match extension(name) {
        "yaml" => Is::Read(format!("{DETECTORS}/{}/{name}", class.name()), What::Detectors(class)),
        other if is_yaml(other) => Is::Refused("this file is not read", "name it `.yaml`".to_owned()),
        _ => Is::Refused("this file is not read", "files of detectors are `*.yaml`: move it somewhere else".to_owned()),
    }
}

/// A file of rules. What is none is of the model, or of whoever trains it.
fn rules(path: &Path, name: &OsStr) -> Option<Is> {
    let Some(name) = name.to_str() else {
        return Some(Is::Refused("the name of this file is not UTF-8", "rename it".to_owned()));
    };
    match extension(name) {
        _ if path.is_dir() => None,
        "yaml" => Some(Is::Read(format!("{DETECTORS}/{INJECTION}/{name}"), What::Rules)),
        other if is_yaml(other) => Some(Is::Refused("this file is not read", "name it `.yaml`".to_owned())),
        _ => None,
    }
}

/// What stands beside files of detectors and says nothing: editors' backups, the folders of Kubernetes, and a README.
fn is_aside(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || extension(&name).eq_ignore_ascii_case("md")
}

fn extension(name: &str) -> &str {
    Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default()
}

fn is_yaml(extension: &str) -> bool {
    ["yaml", "yml"].iter().any(|like| extension.eq_ignore_ascii_case(like))
}
