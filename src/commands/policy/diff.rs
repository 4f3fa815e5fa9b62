//! `yett policy diff`: what changes between two folders, asked of everything that they name, and of recorded traffic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::terminal::Terminal;
use super::decided::{Decided, place};
use super::recorded::{Read, Recorded, Why};
use super::{access, registry, replay, server};
use crate::config::Judged;
use crate::decide::{Arguments, Caller, Engine, Hints, Scene};
use crate::policy::Case;

/// Most changes that are told apart; what comes after is counted.
const TOLD: usize = 10_000;

/// Arguments of `policy diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// The folder that is judged by now
    pub(super) old: PathBuf,
    /// The folder that it is compared with
    pub(super) new: PathBuf,
    /// Compare over these recorded decisions too: a log, an audit directory or a data directory
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    recorded: Recorded,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Two policies, put the same questions.
struct Both<'j> {
    old: &'j Judged,
    new: &'j Judged,
    engines: [Engine; 2],
    now: Timestamp,
    /// How many questions there were.
    asked: u64,
    changes: BTreeMap<Change, Seen>,
    changed: u64,
}

/// An access whose decision changes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    who: String,
    access: String,
    old: Decided,
    new: Decided,
}

/// How often, in recorded traffic, and a call that was one of them.
#[derive(Debug)]
struct Seen {
    count: u64,
    example: Option<String>,
}

/// What recorded traffic says.
#[derive(Debug, Default)]
struct Traffic {
    judged: u64,
    before: u64,
    odd: u64,
    undecidable: BTreeMap<Why, u64>,
    broken: u64,
}

pub(super) async fn run(diff: &Diff, old: &Judged, new: &Judged, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let engines = [Engine::new(&old.policy), Engine::new(&new.policy)];
    let mut both = Both { old, new, engines, now: Timestamp::now(), asked: 0, changes: BTreeMap::new(), changed: 0 };
    both.ask_of_roles_and_callers();
    both.ask_tests()?;
    let traffic = match &diff.audit {
        Some(audit) => Some(both.ask_recorded(audit, &diff.recorded, terminal).await?),
        None => None,
    };
    if diff.json {
        terminal.line(both.as_json(traffic.as_ref()));
    } else {
        both.tell(traffic.as_ref(), terminal);
    }
    Ok(match (traffic.map_or(0, |traffic| traffic.broken), both.changed) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Bad,
        _ => Exit::Failed,
    })
}

impl Both<'_> {
    /// Every role by itself, and every caller whom a binding means, for all that is named of any server; with arguments unknown.
    fn ask_of_roles_and_callers(&mut self) {
        let (old, new) = (self.old, self.new);
        let policies = [&old.policy, &new.policy];
        let roles: BTreeSet<&str> = policies.iter().flat_map(|policy| &policy.roles).map(|role| role.name.as_str()).collect();
        let (callers, scopes) = (registry::callers([old, new]), registry::scopes(policies));
        let anybody = Caller { scopes: Some(&scopes), ..Caller::default() };
        for server in &old.servers {
            let scene = Scene { server, now: self.now, peer: None, hints: Hints::none() };
            let asks = registry::accesses(server, policies);
            let asked: Vec<_> = asks.into_iter().map(|(shown, asks)| (shown, access::of(&asks).1)).collect();
            for role in &roles {
                let decided: Vec<_> = {
                    let held = self.engines.each_ref().map(|engine| engine.held_as(role, anybody, scene));
                    let decide = |asked| held.each_ref().map(|held| Decided::from(held.decide(asked, Arguments::Unknown)));
                    asked.iter().map(|(shown, asked)| (shown, decide(asked))).collect()
                };
                for (shown, decided) in decided {
                    self.compare(&format!("role {role}"), shown, decided, None);
                }
            }
            for (who, caller) in &callers {
                let decided: Vec<_> = {
                    let held = self.engines.each_ref().map(|engine| engine.held_by(access::caller(caller), scene));
                    let decide = |asked| held.each_ref().map(|held| Decided::from(held.decide(asked, Arguments::Unknown)));
                    asked.iter().map(|(shown, asked)| (shown, decide(asked))).collect()
                };
                for (shown, decided) in decided {
                    self.compare(who, shown, decided, None);
                }
            }
        }
    }

    /// What the tests of either folder ask.
    fn ask_tests(&mut self) -> anyhow::Result<()> {
        let (old, new) = (self.old, self.new);
        let asked = |case: &Case| (case.asks.clone(), case.caller.clone(), case.arguments.clone(), case.at, case.peer);
        let mut named: HashMap<&str, Vec<&Case>> = HashMap::new();
        for case in old.policy.cases.iter().chain(&new.policy.cases) {
            // Most tests stand in both folders, and ask the same.
            let known = named.entry(&case.name).or_default();
            if known.iter().any(|known| asked(known) == asked(case)) {
                continue;
            }
            known.push(case);
            let Case { caller, asks, .. } = case;
            let (name, asked) = access::of(asks);
            let scene =
                Scene { server: server(old, name)?, now: case.at.unwrap_or(self.now), peer: case.peer, hints: Hints::none() };
            let document = case.arguments.as_deref().map(access::arguments).transpose()?;
            let arguments = document.as_ref().map_or(Arguments::Unknown, |document| Arguments::Known(Some(document.root())));
            let decided = self.engines.each_ref().map(|engine| {
                let held = engine.held_by(access::caller(caller), scene);
                Decided::from(held.decide(&asked, arguments))
            });
            self.compare(&format!("test `{}`", case.name), &access::shown(asks), decided, None);
        }
        Ok(())
    }

    async fn ask_recorded(&mut self, audit: &Path, recorded: &Recorded, terminal: &mut Terminal) -> anyhow::Result<Traffic> {
        let (mut traffic, mut past) = recorded.open(audit, self.old.servers.clone()).await?;
        let mut told = Traffic::default();
        while let Some(read) = traffic.next_decision(terminal) {
            let stood = match read {
                Read::Before(_) => {
                    told.before += 1;
                    continue;
                }
                Read::Odd => {
                    told.odd += 1;
                    continue;
                }
                Read::Decided(stood) => stood,
            };
            let [old, new] = &self.engines;
            let decided = past.asked(&stood).await?.and_then(|asks| Ok([asks.decide(&stood, old)?, asks.decide(&stood, new)?]));
            match decided {
                Err(why) => *told.undecidable.entry(why).or_default() += 1,
                Ok(decided) => {
                    told.judged += 1;
                    let decided = decided.map(|again| again.decided);
                    self.compare("recorded", &replay::label(&stood), decided, Some(stood.call.to_string()));
                }
            }
        }
        told.broken = traffic.broken;
        Ok(told)
    }

    /// A decision has changed when its effect has; by which rule it stays the same is of no interest here.
    fn compare(&mut self, who: &str, access: &str, [old, new]: [Decided; 2], example: Option<String>) {
        self.asked += u64::from(example.is_none());
        if old.effect == new.effect {
            return;
        }
        self.changed += 1;
        let change = Change { who: who.to_owned(), access: access.to_owned(), old, new };
        let is_known = self.changes.contains_key(&change);
        if is_known || self.changes.len() < TOLD {
            self.changes.entry(change).or_insert(Seen { count: 0, example }).count += 1;
        }
    }

    fn untold(&self) -> u64 {
        self.changed - self.changes.values().map(|seen| seen.count).sum::<u64>()
    }

    fn tell(&self, traffic: Option<&Traffic>, terminal: &mut Terminal) {
        for (Change { who, access, old, new }, seen) in &self.changes {
            let at = place(new, &self.new.policy).or_else(|| place(old, &self.old.policy));
            let at = at.map(|at| format!(" ({at})")).unwrap_or_default();
            let (count, plural) = (seen.count, if seen.count == 1 { "" } else { "s" });
            let calls = seen.example.as_ref().map(|example| format!(", {count} call{plural}, e.g. {example}"));
            terminal.line(format_args!("{}, {access}: {old} -> {new}{at}{}", who.escape_debug(), calls.unwrap_or_default()));
        }
        if self.untold() > 0 {
            terminal.line(format_args!("and {} other changes", self.untold()));
        }
        if let Some(traffic) = traffic {
            let undecidable: u64 = traffic.undecidable.values().sum();
            terminal.note(format_args!(
                "recorded: {} decisions compared, {undecidable} that cannot be made again, {} from before the policy was asked",
                traffic.judged, traffic.before
            ));
            for (why, count) in &traffic.undecidable {
                terminal.note(format_args!("{count:>12} {}", why.as_str()));
            }
            if traffic.odd > 0 {
                terminal.note(format_args!("{:>12} not in a form that this release reads", traffic.odd));
            }
        }
        terminal.note(format_args!("{} questions asked of both, {} answers differ", self.asked, self.changed));
    }

    fn as_json(&self, traffic: Option<&Traffic>) -> Value {
        let told = |decided: &Decided, judged: &Judged| json!({ "effect": decided.effect.as_str(), "rule": decided.rule, "at": place(decided, &judged.policy) });
        let changes = self.changes.iter().map(|(change, seen)| {
            let calls = seen.example.is_some().then_some(seen.count);
            json!({
                "who": change.who, "access": change.access,
                "old": told(&change.old, self.old), "new": told(&change.new, self.new),
                "calls": calls, "example": seen.example,
            })
        });
        let recorded = traffic.map(|traffic| {
            let undecidable: BTreeMap<&str, u64> =
                traffic.undecidable.iter().map(|(why, count)| (why.as_str(), *count)).collect();
            json!({ "judged": traffic.judged, "before_policy": traffic.before, "unreadable": traffic.odd, "undecidable": undecidable })
        });
        json!({
            "old": self.old.policy.hash,
            "new": self.new.policy.hash,
            "asked": self.asked,
            "changed": self.changed,
            "changes": changes.collect::<Vec<_>>(),
            "changes_untold": self.untold(),
            "recorded": recorded,
        })
    }
}
