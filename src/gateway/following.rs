//! Reloads when the files have changed: `yett.yaml`, and what of the policy folder is read.
//!
//! They are looked at every second, by what can be known without reading them; a link is followed to what it leads to, so that the folders
//! by which Kubernetes swaps a mounted map are seen, and so is a file that was renamed over another. Only what has held still for a look is
//! read: an editor is between two writes for a moment. What says the same as when it was read last is not read again, whatever became
//! of that, so a bad file is told once, and not every second; unless it was refused for a reason that is not in the files, and may pass.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use crate::admin::Reload as _;
use crate::config::{self, OnDisk};
use crate::policy::paths;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// After how many looks at which they had changed it is told that they are not read.
const RESTLESS: u32 = 30;

/// How many looks go by at most until what was refused in passing is tried again.
const AGAIN: u32 = 60;

/// Files: which they are, how long, and when they were changed.
type Stamps = Vec<(PathBuf, Option<[u64; 5]>)>;

/// What is known of the files.
struct Files {
    file: PathBuf,
    folder: Option<PathBuf>,
    /// When they were looked at last.
    seen: Stamps,
    /// When they were read last.
    read: Stamps,
    /// At how many looks in a row they had changed.
    restless: u32,
}

/// When what was refused in passing is tried again: at each look at first, and less and less often.
#[derive(Default)]
struct Again {
    /// How many looks lie between the last try and the next.
    gap: u32,
    /// How many of them are to come.
    left: u32,
}

/// Follows the files of the configuration until `stop`.
pub(super) async fn follow(reloader: Arc<Reloader>, stop: CancellationToken) {
    let Some(file) = reloader.file().map(Path::to_owned) else { return };
    // Shared, so that what is known of them outlasts a look that panics.
    let files = Arc::new(Mutex::new(Files::new(file)));
    let mut again = Again::default();
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        let (files, is_due) = (Arc::clone(&files), again.is_due(reloader.may_fare_better()));
        // Files may lie on a disk that is slow to answer.
        let looked = tokio::task::spawn_blocking(move || files.lock().look(is_due)).await;
        let found = looked.unwrap_or_else(|panicked| {
            tracing::error!(
                error = &panicked as &dyn std::error::Error,
                "the files of the configuration could not be looked at; they are at the next look"
            );
            None
        });
        if found.is_some_and(|found| !reloader.has_tried(&found)) {
            // It is told, counted and recorded there.
            let _told = reloader.reload("file").await;
        }
    }
}

impl Again {
    /// Whether it is to be tried at this look, if there is anything to be tried again.
    fn is_due(&mut self, refused: bool) -> bool {
        if !refused {
            *self = Self::default();
            return false;
        }
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return false;
        }
        self.gap = (self.gap * 2).clamp(1, AGAIN);
        self.left = self.gap;
        true
    }
}

impl Files {
    fn new(file: PathBuf) -> Self {
        Self { file, folder: None, seen: Stamps::new(), read: Stamps::new(), restless: 0 }
    }

    /// What stands in the files, if that may be something else than it was, or is to be tried `again`, and they have held still since the
    /// last look.
    fn look(&mut self, again: bool) -> Option<OnDisk> {
        let now = stamps(&self.file, self.folder.as_deref());
        let still = now == self.seen;
        self.restless = if still { 0 } else { self.restless.saturating_add(1) };
        if self.restless == RESTLESS {
            let changing: Vec<_> = now.iter().filter(|stamp| !self.seen.contains(stamp)).map(|(path, _)| path).collect();
            tracing::warn!(
                ?changing,
                "files of the configuration change all the time: they are not followed until they hold still"
            );
        }
        let to_read = still && (again || now != self.read);
        self.seen = now;
        if !to_read {
            return None;
        }
        let found = config::on_disk(&self.file);
        if found.folder != self.folder {
            // Another folder: it has to hold still as well.
            self.folder = found.folder;
            return None;
        }
        self.read.clone_from(&self.seen);
        Some(found)
    }
}

fn stamps(file: &Path, folder: Option<&Path>) -> Stamps {
    let mut stamps = vec![(file.to_owned(), stamp(file))];
    // What nobody reads may change all the time.
    stamps.extend(folder.map(paths).unwrap_or_default().into_iter().map(|path| {
        let stamp = stamp(&path);
        (path, stamp)
    }));
    stamps.sort_unstable();
    stamps
}

/// See the module: what a link leads to.
fn stamp(path: &Path) -> Option<[u64; 5]> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    let bits = i64::cast_unsigned;
    Some([meta.dev(), meta.ino(), meta.len(), bits(meta.mtime()), bits(meta.mtime_nsec())])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_has_held_still_for_a_look_is_read_and_only_once() {
        let place = tempfile::tempdir().unwrap();
        let (file, folder) = (place.path().join("yett.yaml"), place.path().join("policies"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "policies: policies/\n").unwrap();
        let mut files = Files::new(file);
        let mut until_read = || (1..10).find_map(|look| files.look(false).map(|found| (look, found)));
        let (_, first) = until_read().unwrap();
        assert_eq!(first.folder.as_ref(), Some(&folder));
        assert_eq!(until_read(), None, "nothing has changed");
        fs::write(folder.join("a.yaml"), "version: 1\n").unwrap();
        let (looks, second) = until_read().unwrap();
        assert!(looks == 2 && second.policy != first.policy, "{looks}");
        // As editors do it: another file of the same name, here of the same length too.
        fs::write(folder.join(".a.yaml.swp"), "version: 2\n").unwrap();
        fs::write(folder.join("notes.md"), "version: 2\n").unwrap();
        assert_eq!(until_read(), None, "not read by anybody");
        fs::rename(folder.join(".a.yaml.swp"), folder.join("a.yaml")).unwrap();
        let (_, third) = until_read().unwrap();
        assert!(third.policy != second.policy && third.configuration == second.configuration);
        fs::remove_file(folder.join("a.yaml")).unwrap();
        assert_eq!(until_read().unwrap().1, first);
        // Of detectors all is seen, since all that is not read is an error.
        fs::create_dir_all(folder.join("detectors/pii")).unwrap();
        assert_eq!(until_read(), None, "no file is there");
        fs::write(folder.join("detectors/pii/a.yaml"), "version: 1\n").unwrap();
        let with = until_read().unwrap().1.policy;
        assert!(with.is_some() && with != first.policy);
        fs::create_dir(folder.join("detectors/pi")).unwrap();
        assert_eq!(until_read().unwrap().1.policy, None);
        fs::remove_dir_all(folder.join("detectors")).unwrap();
        assert_eq!(until_read().unwrap().1, first);
        // Refused for its name, so it is seen: whoever wrote it is to be told.
        fs::write(folder.join("a.Rego"), "").unwrap();
        assert_eq!(until_read().unwrap().1.policy, None);
        assert_eq!((files.look(false), files.look(true).is_some()), (None, true), "read again when it is to be tried again");
    }

    #[test]
    fn what_was_refused_in_passing_is_tried_again_less_and_less_often_and_at_once_after_the_next_refusal() {
        let mut again = Again::default();
        let mut due = || (1..=130).filter(|_| again.is_due(true)).collect::<Vec<u32>>();
        assert_eq!(due(), [1, 2, 4, 8, 16, 32, 64, 124]);
        assert!(!again.is_due(false) && again.is_due(true));
    }

    #[test]
    fn a_mounted_map_is_seen_to_change_by_its_links() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        for (version, text) in [("..1", "version: 1\n"), ("..2", "version: 1 \n")] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("a.yaml"), text).unwrap();
        }
        fs::write(root.join("yett.yaml"), "policies: .\n").unwrap();
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, root.join("..new")).unwrap();
            fs::rename(root.join("..new"), root.join(name)).unwrap();
        };
        link("..1", "..data");
        link("..data/a.yaml", "a.yaml");
        let mut files = Files::new(root.join("yett.yaml"));
        let mut until_read = || (1..10).find_map(|_| files.look(false));
        let first = until_read().unwrap();
        link("..2", "..data");
        let second = until_read().unwrap();
        assert!(first.policy.is_some() && second.policy.is_some() && first.policy != second.policy);
    }
}
