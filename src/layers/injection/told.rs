//! Orders that stand over the messages of a stream: a client that shows progress as it comes puts them together.

use std::ops::Range;
use std::sync::Arc;

use super::reply::{ReplyScan, STRIPPED};
use crate::chain::{Action, Category, Joints, Reason, Rejection};
use crate::policy::{On, Surface};
use crate::scan::injection::{Effort, Hit, MODEL, SurfaceKind};

/// What reads on from one message to the next.
pub(super) struct Told(pub(super) Arc<ReplyScan>);

impl Joints for Told {
    /// An order is no longer, as over the blocks of a result.
    const EDGE: usize = 256;

    fn judge(&mut self, joined: &str, seam: usize) -> Result<Vec<(Range<usize>, String)>, Rejection> {
        let scan = &self.0;
        if scan.policy.results == Surface::Off {
            return Ok(Vec::new());
        }
        let mut hits = self.over(joined, seam);
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        scan.weigh(&mut hits, 0, On::Response, scan.tool.as_deref());
        let flagged = hits.iter().any(Hit::is_flag);
        match scan.policy.results {
            Surface::Block if flagged => {
                scan.note(&hits, Action::Blocked);
                Err(Reason::BlockedResult(Category::Injection).into())
            }
            Surface::Strip if flagged => {
                scan.note(&hits, Action::Stripped);
                Ok(super::reply::spans(&hits).into_iter().map(|span| (span, STRIPPED.to_owned())).collect())
            }
            // What a model reads is the result, and of that no half is an order.
            Surface::Block | Surface::Label | Surface::Log | Surface::Off | Surface::Quarantine | Surface::Strip => {
                scan.note(&hits, Action::Logged);
                Ok(Vec::new())
            }
        }
    }

    /// Nothing waits where nothing is taken out.
    fn begins(&self, text: &str) -> Option<usize> {
        let takes_out = matches!(self.0.policy.results, Surface::Block | Surface::Strip);
        if takes_out { self.0.scanner.begins(text, SurfaceKind::Result) } else { None }
    }
}

impl Told {
    /// What is found over the seam: of texts that touch, and of texts that stand apart. The model judges texts as they are written.
    fn over(&self, joined: &str, seam: usize) -> Vec<Hit> {
        let (mut effort, mut all, mut hits) = (Effort::default(), Vec::new(), Vec::new());
        let (before, behind) = joined.split_at_checked(seam).unwrap_or((joined, ""));
        for between in ["", "\n"] {
            let text = format!("{before}{between}{behind}");
            self.0.scanner.scan(&text, SurfaceKind::Result, &mut effort, &mut hits);
            let over = hits.drain(..).filter(|hit| hit.rule != MODEL && hit.start < seam && hit.end > seam + between.len());
            for hit in over.map(|hit| Hit { end: hit.end - between.len(), ..hit }) {
                if !all.contains(&hit) {
                    all.push(hit);
                }
            }
        }
        all
    }
}
