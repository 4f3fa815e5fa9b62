//! Orders that stand over the messages of a stream: a client that shows progress as it comes puts them together.

use std::sync::Arc;

use super::reply::{ReplyScan, STRIPPED, spans};
use crate::chain::{Action, Category, Joined, Joints, Judged, Reason, Rejection};
use crate::policy::{On, Surface};
use crate::protocol::Message;
use crate::protocol::json::NodeId;
use crate::scan::injection::{Effort, Hit, MODEL, SurfaceKind};

/// What reads on from one message to the next.
pub(super) struct Told(pub(super) Arc<ReplyScan>);

impl Joints for Told {
    /// An order is no longer, as over the blocks of a result.
    const EDGE: usize = 256;

    type Place = ();

    fn place(&self, _: &Message, _: NodeId) {}

    fn add((): &mut (), (): ()) {}

    fn settle(&mut self, _: bool) {}

    fn judge(&mut self, joined: &Joined<'_>, (): &()) -> Result<Judged, Rejection> {
        let scan = &self.0;
        if scan.policy.results == Surface::Off || joined.seam == 0 {
            return Ok(Judged::default());
        }
        let mut hits = self.over(joined.text, joined.seam);
        if hits.is_empty() {
            return Ok(Judged::default());
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
                let replaced: Vec<_> = spans(&hits).into_iter().map(|span| (span, STRIPPED.to_owned())).collect();
                let done = replaced.last().map_or(0, |(span, _)| span.end);
                Ok(Judged { replaced, done })
            }
            // What a model reads is the result, and of that no half is an order.
            Surface::Block | Surface::Label | Surface::Log | Surface::Off | Surface::Quarantine | Surface::Strip => {
                scan.note(&hits, Action::Logged);
                // Told once, and not with every message that follows.
                Ok(Judged { done: hits.iter().map(|hit| hit.end).max().unwrap_or(0), ..Judged::default() })
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
