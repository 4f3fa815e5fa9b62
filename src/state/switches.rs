//! Kill switches: what the operator has stopped. Held in memory, written through to `state.db`, so that a restart keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sqlx::{Pool, Row as _, Sqlite};

use super::StoreError;

/// What one switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Every call.
    All,
    /// Every call to this server.
    Server(String),
}

impl Switch {
    /// Its name in the store and in records: `all`, `server:crm`.
    pub fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Server(server) => format!("server:{server}"),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None if name == "all" => Some(Self::All),
            Some(("server", server)) => Some(Self::Server(server.to_owned())),
            _ => None,
        }
    }
}

/// The switches that are on.
#[derive(Debug)]
pub struct Switches {
    pool: Pool<Sqlite>,
    on: ArcSwap<BTreeSet<Switch>>,
}

impl Switches {
    pub(super) async fn load(pool: Pool<Sqlite>) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT target FROM kill_switches").fetch_all(&pool).await?;
        let names = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
        let on = names.iter().filter_map(|name| Switch::from_name(name)).collect();
        Ok(Self { pool, on: ArcSwap::from_pointee(on) })
    }

    /// Whether calls to `server` are stopped.
    pub fn stops(&self, server: Option<&str>) -> bool {
        let on = self.on.load();
        !on.is_empty()
            && on.iter().any(|switch| match switch {
                Switch::All => true,
                Switch::Server(name) => Some(name.as_str()) == server,
            })
    }

    /// Those that are on, by name.
    pub fn list(&self) -> Vec<String> {
        self.on.load().iter().map(Switch::name).collect()
    }

    /// Turns a switch on or off. In memory first: the order to stop takes effect even when the store fails, which the error then says
    /// (SECURITY.md section 6, "works locally, persisted").
    pub async fn set(&self, switch: &Switch, on: bool) -> Result<(), StoreError> {
        self.on.rcu(|known| {
            let mut known = BTreeSet::clone(known);
            if on {
                known.insert(switch.clone());
            } else {
                known.remove(switch);
            }
            Arc::new(known)
        });
        let statement = if on {
            "INSERT INTO kill_switches (target) VALUES ($1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM kill_switches WHERE target = $1"
        };
        sqlx::query(statement).bind(switch.name()).execute(&self.pool).await?;
        Ok(())
    }
}
