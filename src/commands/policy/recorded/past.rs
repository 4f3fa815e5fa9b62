//! Recorded decisions made again: caller, access and arguments as they were, by the record and by what the vault keeps for it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;

use super::super::decided::Decided;
use super::stood::Stood;
use crate::config::Server;
use crate::decide::{Arguments, Engine, Hints, Profile, Scene, Verdict};
use crate::policy::Effect;
use crate::protocol::json::{Document, Limits};
use crate::protocol::{Access, Asked, Method, Shape, Target, Task};
use crate::vault::Reader;

/// Callers remembered. Beyond this the memory is emptied and fills again.
const REMEMBERED: usize = 10_000;

/// Why a decision cannot be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Why {
    /// It hangs on arguments that nobody has kept.
    Arguments,
    /// Which kind of question was answered is in no record.
    Question,
    /// What is kept is not what the record names.
    Content,
    /// What is said of the caller is gone.
    Gone,
    /// The release that wrote the record kept nothing of the caller.
    NoFacts,
    /// The configuration has no such server.
    NoServer,
    /// Its URI or name is in no record.
    Target,
    /// The vault has something that only a later release knows.
    Unknown,
}

impl Why {
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Arguments => "its arguments decide, and were not kept (`capture: full` keeps them)",
            Self::Content => "what is kept is not what the record names",
            Self::Gone => "the caller was erased, or the month has expired",
            Self::NoFacts => "written by a release that kept nothing of its callers",
            Self::NoServer => "the configuration has no such server",
            Self::Question => "an answer to a question whose kind is in no record",
            Self::Target => "its URI or name was not kept (`capture: full` keeps it)",
            Self::Unknown => "written by a later release",
        }
    }
}

/// A recorded question, to be put before any policy.
#[derive(Debug)]
pub(in super::super) struct Asks {
    profile: Arc<Profile>,
    server: Arc<Server>,
    access: AccessKept,
    arguments: ArgumentsKept,
}

/// What was asked, as far as it is known.
#[derive(Debug)]
enum AccessKept {
    /// This.
    Known(Access),
    /// One of these.
    OneOf(Vec<Access>),
    /// Something like this, whose name is not known.
    Like(Access),
}

/// With what.
#[derive(Debug)]
enum ArgumentsKept {
    Known(Option<Document>),
    Unknown,
}

/// What was decided again.
#[derive(Debug)]
pub(in super::super) struct Again {
    pub(in super::super) decided: Decided,
    /// Whether all was known that was known then; if not, the effect is certain, and the rule is not.
    pub(in super::super) exact: bool,
}

/// What is kept of the past.
#[derive(Debug)]
pub(in super::super) struct Past {
    vault: Reader,
    servers: Vec<Arc<Server>>,
    profiles: HashMap<String, Option<Arc<Profile>>>,
}

impl Past {
    pub(in super::super) fn new(vault: Reader, servers: Vec<Arc<Server>>) -> Self {
        Self { vault, servers, profiles: HashMap::new() }
    }

    /// What was asked, or why that is not known any more.
    pub(in super::super) async fn asked(&mut self, stood: &Stood) -> anyhow::Result<Result<Asks, Why>> {
        let Some(server) = self.servers.iter().find(|server| server.name == stood.server).map(Arc::clone) else {
            return Ok(Err(Why::NoServer));
        };
        let profile = match &stood.facts {
            None => return Ok(Err(Why::NoFacts)),
            Some(name) => match self.profile(name).await? {
                Ok(profile) => profile,
                Err(why) => return Ok(Err(why)),
            },
        };
        let kept = match self.kept(stood).await? {
            Ok(kept) => kept,
            Err(why) => return Ok(Err(why)),
        };
        let access = access(stood, kept.as_ref());
        Ok(arguments(stood, kept).map(|arguments| Asks { profile, server, access, arguments }))
    }

    async fn profile(&mut self, name: &str) -> anyhow::Result<Result<Arc<Profile>, Why>> {
        if !self.profiles.contains_key(name) {
            if self.profiles.len() >= REMEMBERED {
                self.profiles.clear();
            }
            let Some(said) = self.vault.profile(name).await.context("the vault cannot be read")? else {
                return Ok(Err(Why::Gone));
            };
            self.profiles.insert(name.to_owned(), Profile::of(&said).map(Arc::new));
        }
        Ok(self.profiles.get(name).and_then(Option::as_ref).map(Arc::clone).ok_or(Why::Unknown))
    }

    /// What was stored of the call, if the record names anything.
    async fn kept(&self, stood: &Stood) -> anyhow::Result<Result<Option<Bytes>, Why>> {
        let Some((kind, Some(sha256))) = &stood.kept else { return Ok(Ok(None)) };
        let contents = self.vault.content(stood.call.as_bytes()).await.context("the vault cannot be read")?;
        let Some(content) = contents.into_iter().find(|content| content.kind == *kind) else { return Ok(Err(Why::Gone)) };
        let text = Bytes::copy_from_slice(content.text.expose());
        Ok(if content.sha256 == *sha256 { Ok(Some(text)) } else { Err(Why::Content) })
    }
}

impl Asks {
    /// What a policy makes of it.
    pub(in super::super) fn decide(&self, stood: &Stood, engine: &Engine) -> Result<Again, Why> {
        let hints = stood.name.as_deref().filter(|_| stood.hinted).and_then(|tool| Hints::none().and([tool])).unwrap_or_default();
        let scene = Scene { server: &self.server, now: stood.at, peer: Some(stood.peer), hints: &hints };
        let held = engine.held_by(self.profile.caller(&stood.authn), scene);
        let arguments = match &self.arguments {
            ArgumentsKept::Known(arguments) => Arguments::Known(arguments.as_ref().map(Document::root)),
            ArgumentsKept::Unknown => Arguments::Unknown,
        };
        let exact = matches!(self.arguments, ArgumentsKept::Known(_));
        let decide = |access: &Access| {
            let ruling = held.decide(access, arguments);
            if ruling.verdict.effect() == Effect::Depends { Err(Why::Arguments) } else { Ok(ruling) }
        };
        match &self.access {
            // It brings answers, and by the policy nobody may have asked.
            AccessKept::Known(access) if access.method == Method::TasksUpdate && !held.lets_ask_anything() => {
                let ruling = decide(access)?;
                if ruling.verdict.denies() { Ok(Again { decided: ruling.into(), exact }) } else { Err(Why::Question) }
            }
            AccessKept::Known(access) => decide(access).map(|ruling| {
                // What is not granted at all is not with any arguments, and no rule is asked.
                let is_none = matches!(ruling.verdict, Verdict::NoServer | Verdict::UnknownMethod | Verdict::UnknownTarget);
                Again { decided: ruling.into(), exact: exact || is_none }
            }),
            AccessKept::Like(access) => {
                let ruling = decide(access).map_err(|_arguments| Why::Target)?;
                // That alone is said of whatever is asked.
                if ruling.verdict != Verdict::NoServer {
                    return Err(Why::Target);
                }
                Ok(Again { decided: ruling.into(), exact: true })
            }
            AccessKept::OneOf(accesses) => {
                let all: Vec<Decided> =
                    accesses.iter().map(|access| decide(access).map(Decided::from)).collect::<Result<_, _>>()?;
                match all.split_first() {
                    Some((first, rest)) if rest.iter().all(|other| other == first) => {
                        Ok(Again { decided: first.clone(), exact: true })
                    }
                    _ => Err(Why::Question),
                }
            }
        }
    }
}

/// What was asked, by the record and what was kept of it.
fn access(stood: &Stood, kept: Option<&Bytes>) -> AccessKept {
    let of = |target| Access { method: stood.method, target, shape: Shape::Request, answers: false, task: false };
    let known = |target| AccessKept::Known(of(target));
    let is_target = stood.kept.as_ref().is_some_and(|(kind, _)| kind == "target");
    let target = kept.filter(|_| is_target).and_then(|text| String::from_utf8(text.to_vec()).ok());
    let like = |make: fn(String) -> Target| {
        target.clone().map_or_else(|| AccessKept::Like(of(make(String::new()))), |text| known(make(text)))
    };
    // A name that no record may hold is no tool's, and is the same as any other such name.
    let name = || stood.name.clone().unwrap_or_default();
    if !stood.method.exists_in(stood.version) {
        return known(Target::Method(stood.method.name().to_owned()));
    }
    match (stood.method, &stood.name) {
        (Method::ToolsCall, _) => known(Target::Tool(name())),
        (Method::TasksCancel | Method::TasksGet | Method::TasksResult | Method::TasksUpdate, _) => {
            known(Target::Task(Task { shown: String::new(), id: String::new(), tool: name() }))
        }
        (Method::PromptsGet | Method::Complete, Some(name)) => known(Target::Prompt(name.clone())),
        (Method::PromptsGet, None) => AccessKept::Like(of(Target::Prompt(String::new()))),
        (Method::Complete | Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, _) => {
            like(Target::Resource)
        }
        (Method::Other, _) => like(Target::Method),
        (Method::Listen, _) => known(Target::Listen { resources: Vec::new(), lists: Vec::new(), tasks: Vec::new() }),
        (Method::EndSession | Method::Push, _) => known(Target::Session),
        (Method::Answer, _) => {
            let asked = [Asked::Elicitation, Asked::Roots, Asked::Sampling].into_iter();
            AccessKept::OneOf(asked.map(|asked| of(Target::Answer(asked))).collect())
        }
        (
            Method::Cancelled
            | Method::Discover
            | Method::Initialize
            | Method::Initialized
            | Method::Ping
            | Method::Progress
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::RootsListChanged
            | Method::SetLevel
            | Method::TasksList
            | Method::TasksStatus
            | Method::ToolsList,
            _,
        ) => known(Target::None),
    }
}

/// With what, where that is what was judged.
fn arguments(stood: &Stood, kept: Option<Bytes>) -> Result<ArgumentsKept, Why> {
    let has_none = !matches!(stood.method, Method::ToolsCall | Method::PromptsGet) || !stood.method.exists_in(stood.version);
    let kind = stood.kept.as_ref().map(|(kind, _)| kind.as_str());
    // What was masked is what was judged only where nothing was.
    let judged = kind == Some("full") || (kind == Some("masked") && !stood.edited);
    match kept {
        _ if has_none => Ok(ArgumentsKept::Known(None)),
        _ if !judged => Ok(ArgumentsKept::Unknown),
        None => Ok(ArgumentsKept::Known(None)),
        Some(text) => {
            // It has passed the limits of a listener.
            let document = Document::parse(text, Limits::NONE).map_err(|_syntax| Why::Content)?;
            Ok(ArgumentsKept::Known(Some(document)))
        }
    }
}
