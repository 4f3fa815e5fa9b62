//! Ids of tasks (2025-11-25, and the extension of 2026-07-28). A server's id is good for whoever holds it; so callers get another one,
//! under our seal, which leads to the server's for that caller on that route only, and which says what tool was called.
//!
//! The seal is always the same for the same task, so that a client knows it again, and it outlives this process. What is not
//! sealed but remembered, for as long as there is room, is which of a server's own ids are whose: where a server names tasks unasked, in
//! lists and notifications, a caller hears of those only.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;

use crate::chain::OwnTasks;
use crate::layers::authn::Principal;
use crate::master_key::random_bytes;
use crate::protocol::{Asked, Task};
use crate::seal::{Label, StableKey};
use crate::secret::Secret;

/// Before the base64, so that what it is can be told, and its form can change.
const PREFIX: &str = "yett-task1.";

/// The longest id of a server, and the longest that a client can have got for one.
const LONGEST: usize = 1024;
const LONGEST_SHOWN: usize = 2048;

/// Callers whose tasks are remembered, and how many of each.
const CALLERS: usize = 1_000;
const OF_ONE: usize = 128;

/// Seals ids of tasks, and remembers whose they are.
#[derive(Default)]
pub struct Tasks {
    key: OnceLock<StableKey>,
    known: Mutex<Known>,
}

/// Why an id cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It is empty, or too long.
    #[error("a server has given a task an id that is empty or too long")]
    Id,
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// The tasks of one caller on one route.
pub struct CallersTasks {
    tasks: Arc<Tasks>,
    label: Label,
    caller: [u8; 32],
    /// Those that the request itself names.
    here: Vec<Task>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

impl fmt::Debug for CallersTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallersTasks")
    }
}

impl Tasks {
    /// Under this key: ids outlive the process, and other replicas with it know them. Without one the key is this process's own.
    pub(super) fn sealed_by(key: StableKey) -> Self {
        Self { key: OnceLock::from(key), ..Self::default() }
    }

    fn key(&self) -> Result<&StableKey, TaskError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let bytes = random_bytes::<32>().ok_or(TaskError::Random)?;
        let key = StableKey::new(&Secret::new(bytes.to_vec())).map_err(|_length| TaskError::Random)?;
        Ok(self.key.get_or_init(|| key))
    }
}

impl CallersTasks {
    /// Of `caller`, at the resource of a route.
    pub fn new(tasks: Arc<Tasks>, caller: &Principal, resource: &str) -> Self {
        let identity = caller.identity();
        // One that is missing is not one that is empty.
        let present = identity.map(|part| u8::from(part.is_some()));
        let whose = identity.map(Option::unwrap_or_default).into_iter().chain([resource]);
        let parts: Vec<&[u8]> = whose.map(str::as_bytes).chain([present.as_slice()]).collect();
        let label = Label::new("task", &parts);
        let caller = sha256(label.as_bytes());
        Self { tasks, label, caller, here: Vec::new() }
    }

    /// The task of the id that the caller shows, if it is one that they were given.
    pub fn open(&self, shown: &str) -> Option<Task> {
        let encoded = shown.strip_prefix(PREFIX).filter(|_| shown.len() <= LONGEST_SHOWN)?;
        let plain = self.tasks.key().ok()?.open(&self.label, &URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        // Names of tools have no line ends, and neither has what was sealed before the first one.
        let (tool, id) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
        Some(Task { shown: shown.to_owned(), id: id.to_owned(), tool: tool.to_owned() })
    }

    /// Remembers those that the request names: their caller has shown that they are theirs.
    pub fn naming(&mut self, tasks: Vec<Task>) {
        for task in &tasks {
            self.learn(&task.id, &task.tool);
        }
        self.here = tasks;
    }

    /// What the caller gets in place of a server's id, for the task that a call of `tool` has made.
    pub fn show(&self, id: &str, tool: &str) -> Result<String, TaskError> {
        if id.is_empty() || id.len() > LONGEST {
            return Err(TaskError::Id);
        }
        let sealed = self.tasks.key()?.seal(&self.label, format!("{tool}\n{id}").as_bytes());
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed.map_err(|_sealing| TaskError::Random)?)))
    }

    /// Remembers that the task of that id is this caller's.
    pub fn learn(&self, id: &str, tool: &str) {
        self.tasks.known.lock().learn(self.caller, sha256(id.as_bytes()), tool);
    }

    /// Remembers that the client has made a task of what the server has asked; the id is the client's.
    pub fn learn_asked(&self, id: &str, asked: Asked) {
        self.tasks.known.lock().learn(self.caller, of_client(id), asked.method());
    }
}

impl OwnTasks for CallersTasks {
    fn tool_of(&self, id: &str) -> Option<Arc<str>> {
        if let Some(task) = self.here.iter().find(|task| task.id == id) {
            return Some(task.tool.as_str().into());
        }
        self.tasks.known.lock().tool_of(&self.caller, &sha256(id.as_bytes()))
    }

    fn is_named(&self, id: &str) -> bool {
        self.here.iter().any(|task| task.id == id)
    }

    fn asked_of(&self, id: &str) -> Option<Asked> {
        let method = self.tasks.known.lock().tool_of(&self.caller, &of_client(id))?;
        Asked::by(Some(&method), None)
    }
}

/// The two sides name their tasks apart.
fn of_client(id: &str) -> [u8; 32] {
    sha256(format!("client\n{id}").as_bytes())
}

/// Whose tasks are whose. Bounded: of too many, those that have not been heard of for longest are forgotten.
#[derive(Default)]
struct Known {
    callers: HashMap<[u8; 32], OfOneCaller>,
    clock: u64,
}

#[derive(Default)]
struct OfOneCaller {
    tasks: VecDeque<([u8; 32], Arc<str>)>,
    used: u64,
}

impl Known {
    fn learn(&mut self, caller: [u8; 32], id: [u8; 32], tool: &str) {
        self.clock += 1;
        if self.callers.len() >= CALLERS && !self.callers.contains_key(&caller) {
            let oldest = self.callers.iter().min_by_key(|(_, entry)| entry.used).map(|(caller, _)| *caller);
            oldest.and_then(|oldest| self.callers.remove(&oldest));
        }
        let own = self.callers.entry(caller).or_default();
        own.used = self.clock;
        own.tasks.retain(|(known, _)| *known != id);
        if own.tasks.len() >= OF_ONE {
            own.tasks.pop_front();
        }
        own.tasks.push_back((id, tool.into()));
    }

    fn tool_of(&self, caller: &[u8; 32], id: &[u8; 32]) -> Option<Arc<str>> {
        let own = self.callers.get(caller)?;
        own.tasks.iter().find(|(known, _)| known == id).map(|(_, tool)| Arc::clone(tool))
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tasks: &Arc<Tasks>, subject: &str, resource: &str) -> CallersTasks {
        CallersTasks::new(Arc::clone(tasks), &Principal::for_test(subject, &[]), resource)
    }

    #[test]
    fn an_id_opens_for_whom_it_was_shown_only_and_is_the_same_each_time() {
        let tasks = Arc::new(Tasks::default());
        let ada = of(&tasks, "ada", "r");
        let shown = ada.show("t-1", "slow").unwrap();
        assert!(!shown.contains("t-1") && shown == ada.show("t-1", "slow").unwrap(), "{shown}");
        let task = ada.open(&shown).unwrap();
        assert_eq!((&*task.id, &*task.tool, &task.shown), ("t-1", "slow", &shown));
        for (what, other) in [("another caller", of(&tasks, "eve", "r")), ("another route", of(&tasks, "ada", "s"))] {
            assert_eq!(other.open(&shown), None, "{what}");
            assert_ne!(other.show("t-1", "slow").unwrap(), shown, "{what}");
        }
        assert_eq!(of(&Arc::default(), "ada", "r").open(&shown), None, "another process without the key");
        assert_ne!(ada.show("t-1", "other").unwrap(), shown, "another tool's");
        for made_up in ["", "t-1", "yett-task1.", &format!("{shown}A"), shown.split_at(shown.len() - 1).0] {
            assert_eq!(ada.open(made_up), None, "{made_up}");
        }
    }

    #[test]
    fn ids_of_a_length_that_no_header_takes_are_refused() {
        let ada = of(&Arc::default(), "ada", "r");
        assert_eq!(ada.show("", "slow"), Err(TaskError::Id));
        assert_eq!(ada.show(&"x".repeat(LONGEST + 1), "slow"), Err(TaskError::Id));
        let longest = ada.show(&"x".repeat(LONGEST), &"t".repeat(128)).unwrap();
        assert!(longest.len() <= LONGEST_SHOWN && ada.open(&longest).is_some());
        assert_eq!(ada.open(&format!("{PREFIX}{}", "A".repeat(10 << 10))), None);
    }

    #[test]
    fn an_id_of_several_lines_stays_one() {
        let ada = of(&Arc::default(), "ada", "r");
        assert_eq!(ada.open(&ada.show("a\nb", "slow").unwrap()).unwrap().id, "a\nb");
    }

    #[test]
    fn what_is_whose_is_remembered_within_bounds() {
        let tasks = Arc::new(Tasks::default());
        let (ada, eve) = (of(&tasks, "ada", "r"), of(&tasks, "eve", "r"));
        ada.learn("first", "slow");
        assert_eq!(ada.tool_of("first").as_deref(), Some("slow"));
        assert_eq!((eve.tool_of("first"), ada.tool_of("other")), (None, None));
        ada.learn_asked("first", Asked::Sampling);
        assert_eq!((ada.asked_of("first"), ada.tool_of("first").as_deref()), (Some(Asked::Sampling), Some("slow")), "apart");
        assert_eq!((eve.asked_of("first"), ada.asked_of("other")), (None, None));
        for number in 0..OF_ONE {
            ada.learn(&number.to_string(), "slow");
        }
        assert_eq!(ada.tool_of("first"), None, "the oldest is forgotten");
        for number in 0..CALLERS {
            of(&tasks, &number.to_string(), "r").learn("x", "slow");
        }
        assert_eq!((ada.tool_of("1"), tasks.known.lock().callers.len()), (None, CALLERS));
        let mut ada = of(&tasks, "ada", "r");
        let shown = ada.open(&ada.show("first", "slow").unwrap()).unwrap();
        ada.naming(vec![shown]);
        assert!(ada.is_named("first"));
        assert_eq!(of(&tasks, "ada", "r").tool_of("first").as_deref(), Some("slow"), "who shows it has it");
    }
}
