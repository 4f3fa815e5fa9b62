//! `yett serve`: runs until a signal, or until the audit log fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::terminal::Terminal;
use super::{ConfigPath, Exit, load};
use crate::audit::Log;
use crate::clock::SystemClock;
use crate::gateway::Gateway;
use crate::telemetry;

pub(super) async fn run(path: ConfigPath, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let watched = terminal.is_watched();
    let Some(mut config) = load(&path, terminal) else {
        return Ok(Exit::Bad);
    };
    telemetry::init_logs(&config.telemetry.logs, watched);
    telemetry::hide_panics();
    if watched {
        // Nobody balances load in front of a terminal.
        config.shutdown.delay = Duration::ZERO;
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let gateway = Gateway::start(config, Arc::new(SystemClock)).await?;
    loop {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            Some(()) = hang_up.recv() => {
                // How it went is told and recorded by whoever does it.
                let _ = gateway.reload("signal").await;
                continue;
            }
            () = gateway.failed() => {
                tracing::error!("the audit log cannot be written: nothing can be served without it");
                gateway.stop().await;
                return Ok(Exit::Failed);
            }
        }
        break;
    }
    let log = Arc::clone(gateway.log());
    tokio::select! {
        clean = gateway.stop() => Ok(if clean { Exit::Done } else { Exit::Failed }),
        _ = terminate.recv() => give_up(log).await,
        _ = interrupt.recv() => give_up(log).await,
    }
}

/// Ends at once. Calls in flight are dropped with the process, which must not look as if their callers had left.
async fn give_up(log: Arc<Log>) -> anyhow::Result<Exit> {
    tokio::task::spawn_blocking(move || log.close()).await?;
    Ok(Exit::Failed)
}
