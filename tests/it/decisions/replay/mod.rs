//! Recorded decisions made again: under the same policy each is the same, under another exactly those change that it changes.

mod kept;
mod logs;
mod stage;
mod tasks;
mod worlds;

use std::path::Path;
use std::process::Output;

use serde_json::Value;

async fn replay(folder: &Path, more: &[&str]) -> (Output, Value) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_yett"));
    command.current_dir(folder).args(["policy", "replay", "--audit", "data", "--json"]).args(more);
    let output = command.output().await.unwrap();
    let told = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    (output, told)
}

/// How many decisions are the same, how many of these by their effect alone, and how many have changed.
fn counts(told: &Value) -> [u64; 3] {
    ["same", "same_by_effect", "changed"].map(|key| told[key].as_u64().unwrap())
}
