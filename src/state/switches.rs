//! Kill switches: what the operator has stopped. Held in memory, written through to the store, so that a restart keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sqlx::Row as _;

use super::StoreError;
use super::store::{Store, within};

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
    store: Store,
    on: ArcSwap<BTreeSet<Switch>>,
    /// Orders that hold here, which the store does not know.
    unsaid: Mutex<BTreeMap<Switch, bool>>,
}

impl Switches {
    pub(super) async fn load(store: Store) -> Result<Self, StoreError> {
        let on = ArcSwap::from_pointee(read(&store).await?);
        Ok(Self { store, on, unsaid: Mutex::default() })
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
    /// (SECURITY.md section 6, "works locally, persisted"); it is stored once that works again.
    pub async fn set(&self, switch: &Switch, on: bool) -> Result<(), StoreError> {
        self.unsaid.lock().insert(switch.clone(), on);
        self.on.rcu(|known| {
            let mut known = BTreeSet::clone(known);
            turn(&mut known, switch, on);
            Arc::new(known)
        });
        within(self.write(switch, on)).await?;
        self.said(switch, on);
        Ok(())
    }

    /// Takes what other processes have set. Orders of this one that could not be stored go before it.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let stored = read(&self.store).await?;
        self.on.rcu(|_known| {
            let mut on = stored.clone();
            self.unsaid.lock().iter().for_each(|(switch, set)| turn(&mut on, switch, *set));
            Arc::new(on)
        });
        Ok(())
    }

    /// Stores orders that could not be stored when they were given.
    pub(super) async fn store_rest(&self) -> Result<(), StoreError> {
        let rest = self.unsaid.lock().clone();
        for (switch, on) in rest {
            self.write(&switch, on).await?;
            self.said(&switch, on);
        }
        Ok(())
    }

    async fn write(&self, switch: &Switch, on: bool) -> Result<(), StoreError> {
        let statement = if on {
            "INSERT INTO kill_switches (target) VALUES ($1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM kill_switches WHERE target = $1"
        };
        let mut work = self.store.change().await?;
        sqlx::query(statement).bind(switch.name()).execute(&mut *work).await?;
        Ok(work.commit().await?)
    }

    /// The store knows of this order; there may be another one by now.
    fn said(&self, switch: &Switch, on: bool) {
        let mut unsaid = self.unsaid.lock();
        if unsaid.get(switch) == Some(&on) {
            unsaid.remove(switch);
        }
    }
}

fn turn(switches: &mut BTreeSet<Switch>, switch: &Switch, on: bool) {
    if on {
        switches.insert(switch.clone());
    } else {
        switches.remove(switch);
    }
}

async fn read(store: &Store) -> Result<BTreeSet<Switch>, StoreError> {
    let rows = sqlx::query("SELECT target FROM kill_switches").fetch_all(store.pool()).await?;
    let names = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(names.iter().filter_map(|name| Switch::from_name(name)).collect())
}
