//! The questions of a scan, as a client asks them: 2026-07-28 first, else with a handshake; then its tools, page by page.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::classes::{Thing, Tool, is_plain, one_line};
use crate::connect::{Bridge, Credential, Settings, Source};
use crate::protocol::json::{Limits, Value};
use crate::protocol::{Message, Side, visit_below};
use crate::scan::injection::{Effort, MODEL, Scanner, SurfaceKind};
use crate::secret::Secret;

/// The largest answer.
const MESSAGE: usize = 16 << 20;

/// Pages that are read.
const PAGES: usize = 200;

/// Tools that are read: each has its lines in a file that may have 1 MiB.
const TOOLS: usize = 2_000;

/// Prompts, and resources, that are read.
const THINGS: usize = 1_000;

/// Characters of a title or description that are shown.
const ABOUT: usize = 80;

const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"yett-scan","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"io.modelcontextprotocol/clientCapabilities":{}}"#
);

const INITIALIZE: &str = concat!(
    r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"yett-scan","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// What a server offers.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// The revision it speaks.
    pub(super) revision: String,
    pub(super) tools: Vec<Tool>,
    pub(super) prompts: Vec<Thing>,
    /// What it lists; what its templates make is for somebody to think about.
    pub(super) resources: Vec<Thing>,
    /// Rules that its own words about itself fit.
    pub(super) findings: Vec<&'static str>,
    /// Why the list is not whole, if it is not.
    pub(super) cut: Option<&'static str>,
}

/// A conversation with a route of a gateway.
pub(super) struct Wire {
    answers: BufReader<ReadHalf<DuplexStream>>,
    questions: WriteHalf<DuplexStream>,
    scanner: Scanner,
    asked: u64,
    bridge: JoinHandle<std::io::Result<()>>,
    stop: CancellationToken,
}

impl Wire {
    /// As whoever has this key.
    pub(super) fn open(url: &str, key: &Secret<String>, scanner: Scanner) -> anyhow::Result<Self> {
        let credential = Credential::open(Source::Given(key.clone()))?;
        let bridge = Bridge::new(Settings { url: url.parse()?, authorities: None, credential, max_message: MESSAGE })?;
        let (ours, theirs) = duplex(64 << 10);
        let (input, output) = split(theirs);
        let stop = CancellationToken::new();
        let until = stop.clone();
        let bridge = TaskTracker::new().spawn(async move { bridge.run(input, output, until).await });
        let (answers, questions) = split(ours);
        Ok(Self { answers: BufReader::new(answers), questions, scanner, asked: 0, bridge, stop })
    }

    /// Everything that is asked, within `patience`.
    pub(super) async fn ask(&mut self, patience: Duration) -> anyhow::Result<Offer> {
        let asking = tokio::time::timeout(patience, self.offer());
        asking.await.map_err(|_elapsed| anyhow!("the server has not answered everything within {} s", patience.as_secs()))?
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        let _ = self.bridge.await;
    }

    async fn offer(&mut self) -> anyhow::Result<Offer> {
        let mut offer = Offer::default();
        let discovered = self.request("server/discover", META).await?;
        let is_modern = discovered.result().is_some();
        let about = if is_modern {
            "2026-07-28".clone_into(&mut offer.revision);
            discovered
        } else {
            let shaken = self.request("initialize", INITIALIZE).await?;
            let Some(result) = shaken.result() else { bail!("the server refuses a handshake: {}", refusal(&shaken)) };
            offer.revision = one_line(result.get("protocolVersion").and_then(Value::as_str).unwrap_or_default(), 20);
            self.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
            shaken
        };
        let result = about.result();
        offer.findings = result.map(|result| self.findings(result, true)).unwrap_or_default();
        let offers = |kind: &str| result.and_then(|result| result.path(&["capabilities", kind])).is_some();
        let [tools, prompts, resources] = ["tools", "prompts", "resources"].map(offers);
        let (mut found, mut cut) = (Vec::new(), None);
        if tools {
            cut = self.pages("tools", is_modern, TOOLS, |wire, item| found.push(wire.tool(item))).await?;
        }
        offer.tools = found;
        let mut found = Vec::new();
        if prompts {
            let ended = self.pages("prompts", is_modern, THINGS, |wire, item| found.push(wire.thing(item, "name"))).await?;
            cut = cut.or(ended);
        }
        offer.prompts = found;
        let mut found = Vec::new();
        if resources {
            let ended = self.pages("resources", is_modern, THINGS, |wire, item| found.push(wire.thing(item, "uri"))).await?;
            cut = cut.or(ended);
        }
        (offer.resources, offer.cut) = (found, cut);
        Ok(offer)
    }

    /// Every item of a list, up to `most`; why it is not whole, if it is not.
    async fn pages(
        &mut self,
        list: &str,
        is_modern: bool,
        most: usize,
        mut take: impl FnMut(&Self, Value<'_>),
    ) -> anyhow::Result<Option<&'static str>> {
        let mut taken = 0;
        let mut cursors = std::collections::HashSet::new();
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let parts =
                [if is_modern { META } else { "" }, &cursor].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            let page = self.request(&format!("{list}/list"), &parts.join(",")).await?;
            let Some(result) = page.result() else {
                if list != "tools" {
                    return Ok(Some("the server refuses to list prompts or resources that it says it has"));
                }
                bail!("the server refuses to list its tools: {}", refusal(&page))
            };
            for item in result.get(list).into_iter().flat_map(Value::items) {
                if taken == most {
                    return Ok(Some(if list == "tools" {
                        "the server lists more tools than are read (2,000)"
                    } else {
                        "the server lists more prompts or resources than are read (1,000 each)"
                    }));
                }
                taken += 1;
                take(self, item);
            }
            let Some(next) = result.get("nextCursor").filter(|next| next.as_str().is_some()) else { return Ok(None) };
            cursor = format!(r#""cursor":{}"#, next.raw());
            if !cursors.insert(cursor.clone()) {
                return Ok(Some("the server's pages go in a circle"));
            }
        }
        Ok(Some("the server's list has more pages than are read (200)"))
    }

    /// A prompt or a resource, which is called by its `key`.
    fn thing(&self, item: Value<'_>, key: &str) -> Thing {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let about = [text("title"), text("description")].into_iter().map(|text| one_line(text, ABOUT));
        let name = text(key).to_owned();
        Thing {
            is_plain: is_plain(&name, key == "uri"),
            about: about.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            findings: self.findings(item, false),
            name,
        }
    }

    fn tool(&self, item: Value<'_>) -> Tool {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let hint = |key: &str| item.path(&["annotations", key]).and_then(Value::as_bool) == Some(true);
        let titles = [
            text("title"),
            item.path(&["annotations", "title"]).and_then(Value::as_str).unwrap_or_default(),
            text("description"),
        ];
        let about = titles.into_iter().map(|text| one_line(text, ABOUT)).find(|text| !text.is_empty());
        Tool {
            name: text("name").to_owned(),
            about: about.unwrap_or_default(),
            says_it_reads: hint("readOnlyHint"),
            says_it_destroys: hint("destructiveHint"),
            findings: self.findings(item, false),
        }
    }

    /// The rules that some text below fits, those that count. Instructions speak to a model by definition, in orders: that alone is no sign.
    fn findings(&self, root: Value<'_>, is_about_itself: bool) -> Vec<&'static str> {
        let (mut hits, mut effort) = (Vec::new(), Effort::default());
        visit_below(root, &mut |text| self.scanner.scan(text.text, SurfaceKind::Definition, &mut effort, &mut hits));
        hits.retain(|hit| hit.is_flag() && !(is_about_itself && [MODEL, "addressed-to-ai"].contains(&hit.rule)));
        let mut rules: Vec<&'static str> = hits.into_iter().map(|hit| hit.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// `params` are the members of `params`, as JSON.
    async fn request(&mut self, method: &str, params: &str) -> anyhow::Result<Message> {
        self.asked += 1;
        let id = self.asked;
        self.write(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)).await?;
        let id = id.to_string();
        loop {
            let mut line = Vec::new();
            let most = MESSAGE as u64 + (1 << 20);
            let read = (&mut self.answers).take(most).read_until(b'\n', &mut line).await?;
            if read == 0 || line.last() != Some(&b'\n') {
                bail!("the conversation ended before `{method}` was answered");
            }
            let limits = Limits { string: MESSAGE, ..Limits::default() };
            let message = Message::parse(Bytes::from(line), limits, Side::Server).context("what came is no message")?;
            // Whatever else the server says concerns nobody here.
            if message.method().is_none() && message.id().is_some_and(|answered| answered.as_json() == id) {
                return Ok(message);
            }
        }
    }

    async fn write(&mut self, line: &str) -> anyhow::Result<()> {
        self.questions.write_all(line.as_bytes()).await?;
        Ok(self.questions.write_all(b"\n").await?)
    }
}

/// Why, in the words of whoever has refused.
fn refusal(message: &Message) -> String {
    let error = message.error();
    let code = error.and_then(|error| error.get("code")).map_or("no code", Value::raw).to_owned();
    let said = error.and_then(|error| error.get("message")).and_then(Value::as_str).unwrap_or_default();
    format!("{} ({})", one_line(said, 200), one_line(&code, 20))
}
