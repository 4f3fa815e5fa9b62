//! Paths below a folder.

use crate::policy::arguments::{PathRule, plain_path};

/// Whether `path` is plain, and one of the folders or below it. Links are not followed: nobody here can see them.
pub(super) fn fits(rule: &PathRule, path: &str) -> bool {
    let below = |folder: &String| {
        path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || (rest.starts_with('/') && rest.len() > 1))
    };
    (path == "/" || plain_path(path)) && rule.under.iter().any(|folder| below(folder) || (folder.is_empty() && path == "/"))
}
