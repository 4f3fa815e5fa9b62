//! What holds of every policy: random ones, of random callers, asked for random things.
//!
//! [`world`] is what policies say, [`words`] what the words in them mean, [`chance`] makes some, and [`oracle`] says plainly what is to
//! become of an access. The engine reads the same policies from their files.

mod accesses;
mod chance;
mod changes;
mod decided;
mod oracle;
mod told;
mod words;
mod world;

pub(super) use accesses::{Who, access};
pub(super) use chance::{asked, rule, who, world};
pub(super) use oracle::Oracle;
pub(super) use told::{Kind, Told};
pub(super) use words::{ARGUMENTS, X};
pub(super) use world::{Place, World};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;
use yett::config::{Judged, load_policy};
use yett::decide::{Arguments, Engine, Explanation, Held, Hints, Ruling, Scene, Shown};
use yett::protocol::json::{Document, Limits};
use yett::protocol::{Access, ListKind, Method};

use accesses::Known;

const PEERS: [Option<&str>; 3] = [None, Some("127.0.0.9"), Some("10.1.1.1")];

/// A world, read from its files.
struct Stage {
    engine: Engine,
    judged: Judged,
    /// What each server says of its tools.
    hints: Vec<Hints>,
    text: String,
}

/// A caller at one server of it.
struct At<'a> {
    held: Held<'a>,
    text: &'a str,
}

impl Stage {
    fn set(world: &World) -> Self {
        let folder = TempDir::new().unwrap();
        world.write(folder.path());
        let files = world.policies().into_iter().map(|(name, text)| format!("--- {name}\n{text}"));
        let text = files.collect::<String>();
        let judged = load_policy(&folder.path().join("yett.yaml"), None).unwrap_or_else(|report| panic!("{report}\n{text}"));
        let hints = |place: &world::Place| Hints::none().and(place.hints.iter().copied()).unwrap_or_default();
        Self { engine: Engine::new(&judged.policy), judged, hints: world.places.iter().map(hints).collect(), text }
    }

    /// `known` at the server of this number.
    fn at<'a>(&'a self, known: &'a Known, place: usize, now: Timestamp, peer: Option<&str>) -> At<'a> {
        let peer = peer.map(|address| address.parse().unwrap());
        let scene = Scene { server: &self.judged.servers[place], now, peer, hints: &self.hints[place] };
        At { held: self.engine.held_by(known.caller(), scene), text: &self.text }
    }
}

impl At<'_> {
    /// `None`: with arguments that nobody has given.
    fn decides(&self, access: &Access, arguments: Option<usize>) -> Ruling {
        with(arguments, |arguments| self.held.decide(access, arguments))
    }

    fn explains(&self, access: &Access, arguments: Option<usize>) -> Explanation {
        with(arguments, |arguments| self.held.explain(access, arguments))
    }

    fn shows(&self, list: ListKind, name: &str) -> Shown {
        self.held.shows(list, name)
    }
}

fn with<T>(arguments: Option<usize>, ask: impl FnOnce(Arguments<'_>) -> T) -> T {
    let Some(at) = arguments else { return ask(Arguments::Unknown) };
    let document = ARGUMENTS[at].0.map(|text| Document::parse(Bytes::from_static(text.as_bytes()), Limits::default()).unwrap());
    ask(Arguments::Known(document.as_ref().map(Document::root)))
}

/// All arguments that an access can have, and none that are known yet.
fn all_arguments(access: &Access) -> impl Iterator<Item = Option<usize>> {
    let has_some = matches!(access.method, Method::ToolsCall | Method::PromptsGet);
    let most = if has_some { ARGUMENTS.len() } else { 2 };
    (0..most).map(Some).chain([None])
}

/// The names that lists are asked for.
fn listed() -> Vec<(ListKind, &'static str)> {
    let tools = words::TOOLS.iter().chain([&words::NO_TOOL]).map(|name| (ListKind::Tools, *name));
    let prompts = words::PROMPTS.iter().map(|name| (ListKind::Prompts, *name));
    let uris = words::URIS.iter().flat_map(|uri| [ListKind::Resources, ListKind::Templates].map(|list| (list, uri.text)));
    tools.chain(prompts).chain(uris).collect()
}

fn somewhere(place: usize) -> Option<&'static str> {
    PEERS[place % PEERS.len()]
}
