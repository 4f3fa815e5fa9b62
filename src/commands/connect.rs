//! `yett connect`: stands for a route of a gateway in front of clients that start their servers as programs.
//!
//! Exit codes: 0 the client has closed standard input, or a signal came; 2 usage, or a token or CA file that cannot be used.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use http::Uri;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, stdin, stdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::terminal::Terminal;
use crate::config::{Environment, LogFormat, LogLevel, Logs, Process, gateway_url, units};
use crate::connect::{Bridge, Credential, Kept, Settings, Source, is_token};
use crate::secret::Secret;
use crate::telemetry;

/// Largest CA file.
const MAX_AUTHORITIES: u64 = 1 << 20;

/// Longest line that is read as a token.
const MAX_TOKEN: u64 = 64 << 10;

/// Arguments of `connect`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token is taken from --token-file, else from YETT_TOKEN, else from what --login has kept for this URL."
)]
pub(super) struct Arguments {
    /// The gateway's route: `https://HOST/mcp/SERVER`
    url: String,
    /// A file that holds the token, for its owner's eyes only; read again when it changes
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// CA certificates (PEM) to trust in place of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Send the token over plain http to another machine
    #[arg(long)]
    insecure_http: bool,
    /// The largest message, either way
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    max_message: String,
    /// Keep the token that standard input brings, for later runs with this URL
    #[arg(long, conflicts_with_all = ["logout", "token_file"])]
    login: bool,
    /// Forget the token that was kept for this URL
    #[arg(long, conflicts_with = "token_file")]
    logout: bool,
}

pub(super) async fn run(arguments: Arguments, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let url = gateway_url(&arguments.url, arguments.insecure_http);
    let url = url.map_err(|invalid| anyhow!("the URL {}: {}", invalid.problem, invalid.hint))?;
    if arguments.login {
        return login(&url, terminal).await;
    }
    if arguments.logout {
        let forgotten = kept()?.forget(&url).context("the token cannot be removed")?;
        terminal.note(if forgotten { "forgotten" } else { "no token was kept for this URL" });
        return Ok(if forgotten { Exit::Done } else { Exit::Bad });
    }
    let watched = terminal.is_watched();
    // What is told at `info` is of use to whoever looks for a fault; clients show users what stands on standard error.
    let logs = Logs { level: LogLevel::Warn, format: LogFormat::Text, directives: Process.variable("RUST_LOG") };
    telemetry::init_logs(&logs, watched);
    telemetry::hide_panics();

    let settings = settings(&arguments, url).await?;
    let bridge = Bridge::new(settings)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let running = bridge.run(stdin(), stdout(), stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => ended,
        _ = terminate.recv() => { stop.cancel(); running.await }
        _ = interrupt.recv() => { stop.cancel(); running.await }
    }
    .context("standard input cannot be read")?;
    Ok(Exit::Done)
}

async fn settings(arguments: &Arguments, url: Uri) -> anyhow::Result<Settings> {
    let max_message = units::size(&arguments.max_message).ok().filter(|size| (1 << 10..=1 << 30).contains(size));
    let max_message = max_message.context("`--max-message` is a size from 1KiB to 1GiB, such as `4MiB`")?;
    let authorities = match &arguments.ca {
        Some(path) => Some(authorities(path).await.with_context(|| format!("cannot read `{}`", path.display()))?),
        None => None,
    };
    let credential = Credential::open(source(arguments, &url))?;
    Ok(Settings { url, authorities, credential, max_message })
}

/// The first place that there is. One that is named and cannot be used is an error, never passed over.
fn source(arguments: &Arguments, url: &Uri) -> Source {
    if let Some(path) = &arguments.token_file {
        return Source::File(path.clone());
    }
    if let Some(token) = Process.variable("YETT_TOKEN") {
        return Source::Environment(Secret::new(token));
    }
    match kept().map(|kept| kept.file(url)) {
        Ok(file) if file.exists() => Source::Kept(file),
        Ok(_) | Err(_) => Source::None,
    }
}

async fn authorities(path: &Path) -> anyhow::Result<Vec<u8>> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MAX_AUTHORITIES).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    });
    Ok(read.await??)
}

async fn login(url: &Uri, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    if terminal.is_watched() {
        terminal.note("Paste the token and press Enter (it is shown; `yett connect --login URL < FILE` shows nothing):");
    }
    let mut token = String::new();
    BufReader::new(stdin().take(MAX_TOKEN)).read_line(&mut token).await.context("standard input cannot be read")?;
    let token = Secret::new(token);
    if !is_token(token.expose()) {
        bail!("that is no token: one word of visible characters is expected");
    }
    let file = kept()?.keep(url, &token).context("the token cannot be kept")?;
    terminal.note(format!("kept in `{}`, for this user alone", file.display()));
    Ok(Exit::Done)
}

/// Where this user's tokens are. A cache may be emptied by anybody who needs room, so they are state.
fn kept() -> anyhow::Result<Kept> {
    let absolute = |name| Process.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    Ok(Kept::below(&state.context("neither XDG_STATE_HOME nor HOME names a folder to keep tokens in")?))
}
