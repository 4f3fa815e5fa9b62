//! What lies open, judged again: by another policy as soon as there is one, and by the same one where the time counts.
//!
//! A stream is asked about in the terms of the request that opened it. Its arguments were judged then and are kept by nobody, so what
//! depends on them goes on.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::in_force::Rulebook;
use super::reply::ReplyJudge;
use crate::chain::{Changes, Listed, Reason, Withdrawn};
use crate::decide::{Arguments, Failure, Held, Hints, Ruling, Shown, Verdict};
use crate::protocol::{Access, ListKind, Target};
use crate::state::Turns;

/// How much of what `subscriptions/listen` has asked for is kept, in bytes. Who asked for more asks again under another policy.
const MOST_KEPT: usize = 16 << 10;

/// How many things of one listener are put before modules again.
const MOST_ASKED: usize = 16;

/// What one stream stands on, as far as policy goes.
pub(super) struct Standing {
    /// Judges what comes on it.
    judge: Arc<ReplyJudge>,
    access: Access,
    /// What it listens to, where it does.
    listens: Option<Listens>,
    /// Where it hears that lists have changed, if it does.
    hears: Option<Hears>,
    last: Mutex<Judged>,
}

/// Where a client hears of changes.
pub(super) struct Hears {
    pub(super) changes: Changes,
    /// What its session was shown, on whichever stream: it hears each change on one of them.
    pub(super) listed: Option<Listed>,
}

/// By what it was judged last.
struct Judged {
    by: Arc<Rulebook>,
    /// Whether the same policy may say something else at another time.
    timed: bool,
    /// How often approvals of definitions had turned.
    turns: u64,
}

/// What a stream listens to, as it was asked for.
#[derive(Debug)]
pub(super) struct Listens {
    lists: Vec<ListKind>,
    /// `None`: too much to be kept.
    named: Option<Named>,
    /// What of it was granted.
    granted: Vec<bool>,
}

#[derive(Debug)]
struct Named {
    uris: Vec<String>,
    /// What has made the tasks.
    tools: Vec<String>,
}

/// What is asked again while a reply lies open. What a listener names is kept apart, and not without bounds.
pub(super) fn asked_again(access: &Access) -> Access {
    let target = if let Target::Listen { .. } = &access.target {
        Target::Listen { resources: Vec::new(), lists: Vec::new(), tasks: Vec::new() }
    } else {
        access.target.clone()
    };
    Access { target, ..*access }
}

impl Standing {
    /// Judged first `by` what let it begin.
    pub(super) fn new(
        (judge, by): (Arc<ReplyJudge>, Arc<Rulebook>),
        access: Access,
        listens: Option<Listens>,
        hears: Option<Hears>,
    ) -> Self {
        let timed = {
            let hints = judge.hints();
            let held = judge.held(&by, &hints);
            listens.as_ref().map_or_else(|| held.is_timed(&access), |listens| listens.is_timed(&held))
        };
        let turns = judge.in_force.turns();
        if let Some(Hears { changes, listed: Some(listed) }) = &hears {
            let (newest, hints) = (judge.in_force.newest(), judge.hints());
            let held = judge.held(&newest, &hints);
            // What has changed while the session had no stream, or was told on one that nobody may have read.
            let _changed = listed.look(held.view(), turns.count(), |since| is_any_shown(&turns, since, &held));
            changes.tell(listed.stale());
        }
        let last = Mutex::new(Judged { by, timed, turns: turns.count() });
        Self { judge, access, listens, hears, last }
    }

    /// Whether it stands still.
    pub(super) fn holds(&self, now: Timestamp) -> Result<(), Reason> {
        let (newest, turns) = (self.judge.in_force.newest(), self.judge.in_force.turns());
        let mut last = self.last.lock();
        let (is_new, has_turned) = (!Arc::ptr_eq(&last.by, &newest), self.has_turned(last.turns, turns.count()));
        if !is_new && !last.timed && !has_turned {
            return Ok(());
        }
        let hints = self.judge.hints();
        let held = self.held(&newest, &hints, now);
        let Ruling { verdict, .. } = held.decide(&self.access, Arguments::Unknown);
        if verdict.denies() {
            return Err(self.withdrawn(&newest, &verdict));
        }
        let timed = if let Some(listens) = &self.listens {
            match listens.compared(&held, is_new) {
                Compared::Same => {}
                Compared::Less => return Err(self.withdrawn(&newest, &verdict)),
                // What was not granted then was not passed on: who wants it asks again.
                Compared::More => return Err(Reason::StreamOver),
            }
            listens.is_timed(&held)
        } else {
            held.is_timed(&self.access)
        };
        if is_new || has_turned {
            self.tell(&last, (&newest, &turns), now);
        }
        *last = Judged { by: newest, timed, turns: turns.count() };
        Ok(())
    }

    fn held<'a>(&'a self, book: &'a Rulebook, hints: &'a Hints, now: Timestamp) -> Held<'a> {
        self.judge.held_at(book, hints, now)
    }

    /// The outcome's record says by which policy, and by which rule if it was one.
    fn withdrawn(&self, by: &Rulebook, verdict: &Verdict) -> Reason {
        let rule = verdict.rule().filter(|_| verdict.denies()).map(|rule| (**rule).into());
        self.judge.context.trail.with(|decision| {
            decision.withdrawn = Some(Withdrawn { policy: Arc::clone(&by.hash), rule });
            decision.detail = verdict.failure().map(Failure::as_str).or(decision.detail);
        });
        Reason::NoLongerAllowed
    }

    /// Whether approvals have turned that whoever hears of changes here has not heard of.
    fn has_turned(&self, last: u64, count: u64) -> bool {
        let promises = |hears: &&Hears| !hears.changes.promised().is_empty();
        let known = |hears: &Hears| hears.listed.as_ref().map_or(Some(last), Listed::turns);
        self.hears.as_ref().filter(promises).is_some_and(|hears| known(hears) != Some(count))
    }

    /// Has the client hear of the lists that may be others for this caller now.
    fn tell(&self, last: &Judged, (newest, turns): (&Rulebook, &Turns), now: Timestamp) {
        let Some(hears) = self.hears.as_ref().filter(|hears| !hears.changes.promised().is_empty()) else { return };
        let hints = self.judge.hints();
        let held = self.held(newest, &hints, now);
        let is_shown = |since| is_any_shown(turns, since, &held);
        let changed = if let Some(listed) = &hears.listed {
            listed.look(held.view(), turns.count(), is_shown)
        } else {
            let turned = is_shown(last.turns).then_some(ListKind::Tools);
            held.view().differ_from(self.held(&last.by, &hints, now).view()).or(turned.into_iter().collect())
        };
        hears.changes.tell(changed);
    }
}

/// Whether a tool has turned since that the caller may be shown. SECURITY: of others they are told nothing, not even that something is approved.
fn is_any_shown(turns: &Turns, since: u64, held: &Held<'_>) -> bool {
    // Of many that turn at once the last are enough, where each costs much.
    let most = if held.has_modules() { MOST_ASKED } else { usize::MAX };
    let mut tools = turns.since(held.server(), since).take(most);
    tools.any(|tool| held.shows(ListKind::Tools, tool) != Shown::Deny)
}

enum Compared {
    Less,
    More,
    Same,
}

impl Listens {
    /// What a request asks for, of which `held` grants some.
    pub(super) fn new(target: &Target, held: &Held<'_>) -> Option<Self> {
        let Target::Listen { resources, lists, tasks } = target else { return None };
        let size: usize = resources.iter().chain(tasks.iter().map(|task| &task.tool)).map(|text| text.len() + 24).sum();
        let named = (size <= MOST_KEPT)
            .then(|| Named { uris: resources.clone(), tools: tasks.iter().map(|task| task.tool.clone()).collect() });
        let mut listens = Self { lists: lists.clone(), named, granted: Vec::new() };
        listens.granted = listens.granted_by(held);
        Some(listens)
    }

    fn granted_by(&self, held: &Held<'_>) -> Vec<bool> {
        let lists = self.lists.iter().map(|list| held.has_any(*list));
        let uris = self.named.iter().flat_map(|named| &named.uris).map(|uri| held.may_read(uri));
        let tools = self.named.iter().flat_map(|named| &named.tools).map(|tool| held.may_call(tool));
        lists.chain(uris).chain(tools).collect()
    }

    fn compared(&self, held: &Held<'_>, is_new: bool) -> Compared {
        // Modules cost too much to be asked about many things of every stream at once: whoever names many asks again.
        let is_costly = |named: &Named| held.has_modules() && named.uris.len() + named.tools.len() > MOST_ASKED;
        if is_new && self.named.as_ref().is_none_or(is_costly) {
            return Compared::More;
        }
        let now = self.granted_by(held);
        let mut pairs = self.granted.iter().zip(&now);
        if pairs.clone().any(|(then, now)| *then && !*now) {
            Compared::Less
        } else if pairs.any(|(then, now)| then != now) {
            Compared::More
        } else {
            Compared::Same
        }
    }

    fn is_timed(&self, held: &Held<'_>) -> bool {
        let Some(named) = &self.named else { return false };
        named.uris.iter().any(|uri| held.is_resource_timed(uri)) || named.tools.iter().any(|tool| held.is_tool_timed(tool))
    }
}
