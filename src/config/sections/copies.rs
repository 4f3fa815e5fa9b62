//! `audit.copies:`, where heads of the audit log are kept by somebody else.

use std::time::Duration;

use http::Uri;

use super::Context;
use super::locations::key_set_url;
use crate::config::units::{duration, within};
use crate::config::{CopyTo, HeadCopy};
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Node, Report, name, parsed, text};

/// A minute of history is what a thief of the host could write anew; a file a minute is what an archive can hold.
const EVERY: Duration = Duration::from_mins(1);

const NOT_HTTPS: Invalid = Invalid::new("is not an https URL", "write `https://host/path`; `http` is for this machine alone");

pub(super) fn copy(node: &Node, context: &Context<'_>, names: &mut Vec<String>, report: &mut Report) -> Option<HeadCopy> {
    let mut fields = Fields::of(node, "audit.copies", report)?;
    let name = fields.required("name", name);
    let folder = fields.optional("folder", text);
    let url = fields.optional("url", parsed(collector));
    let bearer = fields.optional("bearer", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let limits = within(duration, Duration::from_secs(1)..=Duration::from_hours(24), "from 1s to 24h");
    let every = fields.optional("every", limits).unwrap_or(EVERY);
    let (has_folder, has_url) = (fields.has("folder"), fields.has("url"));
    if has_folder == has_url {
        let place = node.place;
        fields.report().error(place, "a copy goes to a `folder` or to a `url`").hint("write one of the two");
    }
    if fields.has("bearer") && !has_url {
        let place = fields.place("bearer");
        fields.report().error(place, "`bearer` goes with a `url`").hint("remove it");
    }
    if let Some(name) = &name {
        if names.contains(name) {
            let place = fields.place("name");
            fields.report().error(place, format!("two copies are called `{name}`")).hint("metrics and messages name them");
        }
        names.push(name.clone());
    }
    fields.finish(&[]);
    let to = match (folder, url) {
        (Some(folder), None) => CopyTo::Folder(context.base.join(folder)),
        (None, Some(url)) => CopyTo::Url { url, bearer },
        _ => return None,
    };
    Some(HeadCopy { name: name?, to, every })
}

/// Whoever can read or change heads on their way learns how much is recorded, or keeps them from their keeper.
fn collector(text: &str) -> Result<Uri, Invalid> {
    let url = key_set_url(text).map_err(|_not_https| NOT_HTTPS)?;
    if url.query().is_some() { Err(Invalid::new("has a query", "credentials belong under `bearer`")) } else { Ok(url) }
}
