//! `yett policy replay`: the audit log judged by a draft.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::terminal::Terminal;
use super::decided::{Decided, place};
use super::recorded::{Again, Read, Recorded, Stood, Why};
use crate::config::Judged;
use crate::decide::Engine;
use crate::policy::Policy;
use crate::protocol::Method;

/// Most accesses and changes that are told apart; what comes after is counted.
const TOLD: usize = 10_000;

/// What replay says nothing about.
const NOT_REPLAYED: &str =
    "not replayed: what is left out of lists and listen streams, questions of servers, DLP, injection, limits, kill switches";

/// Arguments of `policy replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// The recorded decisions: a log, an audit directory or a data directory
    #[arg(long, value_name = "DIR")]
    audit: PathBuf,
    #[command(flatten)]
    recorded: Recorded,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What has come of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    same: u64,
    /// How many of these by their effect alone.
    by_effect: u64,
    /// How many were refused by a later station, whatever the policy says.
    later: u64,
    changed: u64,
    undecidable: BTreeMap<Why, u64>,
    /// By the reason for which somebody before the policy has decided.
    before: BTreeMap<String, u64>,
    odd: u64,
    changes: BTreeMap<Change, Seen>,
    untold: u64,
}

/// One kind of change of one access.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    access: String,
    old: Decided,
    new: Decided,
}

#[derive(Debug)]
struct Seen {
    count: u64,
    example: String,
}

pub(super) async fn run(replay: &Replay, judged: &Judged, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (mut traffic, mut past) = replay.recorded.open(&replay.audit, judged.servers.clone()).await?;
    let engine = Engine::new(&judged.policy);
    let mut tally = Tally::default();
    while let Some(read) = traffic.next_decision(terminal) {
        match read {
            Read::Before(reason) => tally.before(reason),
            Read::Odd => tally.odd += 1,
            Read::Decided(stood) => match past.asked(&stood).await? {
                Err(why) => tally.cannot(why),
                Ok(asks) => match asks.decide(&stood, &engine) {
                    Err(why) => tally.cannot(why),
                    Ok(again) => tally.compare(&stood, again),
                },
            },
        }
    }
    if replay.json {
        terminal.line(tally.as_json(&judged.policy));
    } else {
        tally.tell(&judged.policy, terminal);
    }
    Ok(match (traffic.broken, tally.changed) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Bad,
        _ => Exit::Failed,
    })
}

impl Tally {
    fn before(&mut self, reason: String) {
        // They are words of ours, but the log is only read here.
        let known = self.before.len() < TOLD || self.before.contains_key(&reason);
        *self.before.entry(if known { reason } else { "others".to_owned() }).or_default() += 1;
    }

    fn cannot(&mut self, why: Why) {
        *self.undecidable.entry(why).or_default() += 1;
    }

    fn compare(&mut self, stood: &Stood, again: Again) {
        let Again { decided: mut new, exact } = again;
        let mut old = stood.decided.clone();
        self.later += u64::from(stood.later.is_some());
        // What is not known for sure is not compared.
        if !exact {
            new.shadow.clone_from(&old.shadow);
        }
        let comparable = exact && stood.has_rule;
        if new.effect == old.effect && (!comparable || new.rule == old.rule) && new.shadow == old.shadow {
            self.same += 1;
            self.by_effect += u64::from(!comparable);
            return;
        }
        self.changed += 1;
        if !exact {
            (old.shadow, new.shadow) = (Vec::new(), Vec::new());
        }
        let change = Change { access: label(stood), old, new };
        if let Some(seen) = self.changes.get_mut(&change) {
            seen.count += 1;
        } else if self.changes.len() < TOLD {
            self.changes.insert(change, Seen { count: 1, example: stood.call.to_string() });
        } else {
            self.untold += 1;
        }
    }

    fn tell(&self, policy: &Policy, terminal: &mut Terminal) {
        let undecidable: u64 = self.undecidable.values().sum();
        terminal.line(format_args!("judged by policy {}", policy.hash));
        terminal.line(format_args!("{:>8} the same", self.same));
        for (count, what) in [
            (self.by_effect, "of these by their effect: their arguments were not kept, or a later station's rule is on record"),
            (self.later, "of all allowed and then refused by a later station, which this does not judge"),
        ] {
            if count > 0 {
                terminal.line(format_args!("{count:>12} {what}"));
            }
        }
        terminal.line(format_args!("{:>8} changed", self.changed));
        terminal.line(format_args!("{undecidable:>8} cannot be decided again"));
        for (why, count) in &self.undecidable {
            terminal.line(format_args!("{count:>12} {}", why.as_str()));
        }
        let before: u64 = self.before.values().sum();
        terminal.line(format_args!("{before:>8} decided before the policy was asked"));
        for (reason, count) in &self.before {
            terminal.line(format_args!("{count:>12} {}", reason.escape_debug()));
        }
        if self.odd > 0 {
            terminal.line(format_args!("{:>8} not in a form that this release reads", self.odd));
        }
        for (change, seen) in &self.changes {
            let Change { access, old, new } = change;
            let at = place(new, policy).map(|at| format!(" ({at})")).unwrap_or_default();
            let (count, example) = (seen.count, &seen.example);
            let plural = if count == 1 { "" } else { "s" };
            terminal.line(format_args!("{access}: {old} -> {new}{at}, {count} call{plural}, e.g. {example}"));
        }
        if self.untold > 0 {
            terminal.line(format_args!("and {} calls with other changes", self.untold));
        }
        terminal.note(NOT_REPLAYED);
    }

    fn as_json(&self, policy: &Policy) -> Value {
        let told =
            |decided: &Decided| json!({ "effect": decided.effect.as_str(), "rule": decided.rule, "shadow": decided.shadow });
        let changes = self.changes.iter().map(|(change, seen)| {
            let at = place(&change.new, policy);
            let (old, new) = (told(&change.old), told(&change.new));
            json!({
                "access": change.access, "old": old, "new": new, "at": at, "calls": seen.count, "example": seen.example,
            })
        });
        let undecidable: BTreeMap<&str, u64> = self.undecidable.iter().map(|(why, count)| (why.as_str(), *count)).collect();
        json!({
            "policy": policy.hash,
            "same": self.same,
            "same_by_effect": self.by_effect,
            "refused_later": self.later,
            "changed": self.changed,
            "undecidable": undecidable,
            "before_policy": self.before,
            "unreadable": self.odd,
            "changes": changes.collect::<Vec<_>>(),
            "changes_untold": self.untold,
        })
    }
}

/// `tools/call crm/search`, by what the record says in plain. SECURITY: a URI stands in the vault alone, and is not told from there.
pub(super) fn label(stood: &Stood) -> String {
    let method = if stood.method == Method::Other { "another method" } else { stood.method.name() };
    let server = stood.server.escape_debug();
    match &stood.name {
        Some(name) => format!("{method} {server}/{}", name.escape_debug()),
        None => format!("{method} {server}"),
    }
}
