//! Reloads when the files have changed: `yett.yaml`, and what of the policy folder is read.
//!
//! They are looked at every second, by what can be known without reading them; a link is followed to what it leads to, so that the folders
//! by which Kubernetes swaps a mounted map are seen, and so is a file that was renamed over another. Only what has held still for a look is
//! read: an editor is between two writes for a moment. What says the same as when it was read last is not read again, whatever became
//! of that, so a bad file is told once, and not every second.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use crate::admin::Reload as _;
use crate::config::{self, OnDisk};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Files by name: which they are, how long, and when they were changed.
type Stamps = Vec<(OsString, Option<[u64; 5]>)>;

/// What is known of the files.
struct Files {
    file: PathBuf,
    folder: Option<PathBuf>,
    /// When they were looked at last.
    seen: Stamps,
    /// When they were read last.
    read: Stamps,
}

/// Follows the files of the configuration until `stop`.
pub(super) async fn follow(reloader: Arc<Reloader>, stop: CancellationToken) {
    let Some(file) = reloader.file().map(Path::to_owned) else { return };
    let mut files = Files { file, folder: None, seen: Stamps::new(), read: Stamps::new() };
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        // Files may lie on a disk that is slow to answer.
        let looked = tokio::task::spawn_blocking(move || {
            let found = files.look();
            (files, found)
        });
        let Ok((looked, found)) = looked.await else { return };
        files = looked;
        if found.is_some_and(|found| !reloader.has_tried(&found)) {
            // It is told, counted and recorded there.
            let _told = reloader.reload("file").await;
        }
    }
}

impl Files {
    /// What stands in the files, if that may be something else than it was, and they have held still since the last look.
    fn look(&mut self) -> Option<OnDisk> {
        let now = stamps(&self.file, self.folder.as_deref());
        let settled = now == self.seen && now != self.read;
        self.seen = now;
        if !settled {
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
    let mut stamps = vec![(OsString::new(), stamp(file))];
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten();
    // Others are not read.
    let named = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    stamps.extend(named.map(|entry| (entry.file_name(), stamp(&entry.path()))));
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
        let mut files = Files { file, folder: None, seen: Stamps::new(), read: Stamps::new() };
        let mut until_read = || (1..10).find_map(|look| files.look().map(|found| (look, found)));
        let (_, first) = until_read().unwrap();
        assert_eq!(first.folder.as_ref(), Some(&folder));
        assert_eq!(until_read(), None, "nothing has changed");
        fs::write(folder.join("a.yaml"), "version: 1\n").unwrap();
        let (looks, second) = until_read().unwrap();
        assert!(looks == 2 && second.policy != first.policy, "{looks}");
        // As editors do it: another file of the same name, here of the same length too.
        fs::write(folder.join(".a.yaml.swp"), "version: 2\n").unwrap();
        assert_eq!(until_read(), None, "not read by anybody");
        fs::rename(folder.join(".a.yaml.swp"), folder.join("a.yaml")).unwrap();
        let (_, third) = until_read().unwrap();
        assert!(third.policy != second.policy && third.configuration == second.configuration);
        fs::remove_file(folder.join("a.yaml")).unwrap();
        assert_eq!(until_read().unwrap().1, first);
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
        let mut files = Files { file: root.join("yett.yaml"), folder: None, seen: Stamps::new(), read: Stamps::new() };
        let mut until_read = || (1..10).find_map(|_| files.look());
        let first = until_read().unwrap();
        link("..2", "..data");
        let second = until_read().unwrap();
        assert!(first.policy.is_some() && second.policy.is_some() && first.policy != second.policy);
    }
}
