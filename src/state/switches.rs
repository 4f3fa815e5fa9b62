//! Kill switches: what the operator has stopped. Held in memory, written through to the store, so that a restart keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sqlx::Row as _;
use uuid::Uuid;

use super::StoreError;
use super::store::{Store, within};
use super::switch::{Switch, Whom};

/// What is known of a switch that is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Why, as the operator put it; empty if they did not. Callers never learn it.
    pub reason: String,
    /// What stands for it where its name would say whom it stops; empty for those that name nobody.
    id: Arc<str>,
}

/// The switches that are on.
#[derive(Debug)]
pub struct Switches {
    store: Store,
    on: ArcSwap<BTreeMap<Switch, Stop>>,
    /// Orders that hold here, which the store does not know. Held for every change of `on` too.
    unsaid: Mutex<Orders>,
}

/// What of a switch was ordered: to stop, or to stop no more.
type Orders = BTreeMap<Switch, Arc<Option<Stop>>>;

impl Switches {
    pub(super) async fn load(store: Store) -> Result<Self, StoreError> {
        let on = ArcSwap::from_pointee(read(&store).await?);
        let switches = Self { store, on, unsaid: Mutex::default() };
        switches.warn_of_unknown();
        Ok(switches)
    }

    /// Whether everything at `server` is stopped, or everything that this caller does.
    pub fn stops(&self, server: Option<&str>, whom: Option<Whom<'_>>) -> bool {
        let on = self.on.load();
        !on.is_empty() && on.keys().any(|switch| switch.stops(server, whom))
    }

    /// Whether this tool is stopped by a switch of its own.
    pub fn stops_tool(&self, server: &str, tool: &str) -> bool {
        let on = self.on.load();
        // SECURITY: another spelling may be the same tool to its server.
        let is_it = |switch: &Switch| matches!(switch, Switch::Tool { server: at, tool: of } if at == server && of.eq_ignore_ascii_case(tool));
        !on.is_empty() && on.keys().any(is_it)
    }

    /// Those that are on, by name.
    pub fn list(&self) -> Vec<String> {
        self.on.load().keys().map(Switch::name).collect()
    }

    /// Those that are on, with what is known of them.
    pub fn stops_on(&self) -> Vec<(Switch, Stop)> {
        self.on.load().iter().map(|(switch, stop)| (switch.clone(), stop.clone())).collect()
    }

    /// How they are to be called where nobody may be named: a switch that stops a caller by its id of chance.
    pub fn marks(&self) -> BTreeMap<Switch, String> {
        self.on.load().iter().map(|(switch, stop)| (switch.clone(), mark(switch, stop))).collect()
    }

    /// What a switch that is to be turned on will be known by. One that is on keeps its id.
    pub fn prepare(&self, switch: &Switch, reason: &str) -> Stop {
        let known = self.on.load().get(switch).map(|stop| Arc::clone(&stop.id));
        let named = matches!(switch, Switch::Principal { .. });
        let id = known.filter(|id| !id.is_empty() || !named);
        let id = id.unwrap_or_else(|| if named { Uuid::new_v4().to_string().into() } else { Arc::default() });
        Stop { reason: reason.to_owned(), id }
    }

    /// Turns a switch on or off. Whoever gives orders waits for one to be done before an opposite one.
    ///
    /// In memory first: it takes effect even when the store fails, which the error then says (SECURITY.md section 6, "works locally, persisted");
    /// it is stored once that works again. SECURITY: not so the end of a stop in a store that replicas share, which holds once it is stored: an order
    /// that waited for that would end a stop that another replica has ordered since.
    pub async fn set(&self, switch: &Switch, stop: Option<Stop>) -> Result<(), StoreError> {
        if stop.is_none() && self.store.is_shared() {
            return within(self.store.in_turn(self.end(switch))).await;
        }
        self.change(|unsaid, on| {
            obey(on, switch, stop.as_ref());
            unsaid.insert(switch.clone(), Arc::new(stop));
        });
        within(self.store.in_turn(self.store_order(switch))).await
    }

    async fn end(&self, switch: &Switch) -> Result<(), StoreError> {
        let order = self.unsaid.lock().get(switch).map(Arc::clone);
        self.write(switch, None).await?;
        self.change(|unsaid, on| {
            // Who has ordered to stop meanwhile waits for this turn to end.
            if is_same(unsaid.get(switch), order.as_ref()) {
                unsaid.remove(switch);
                on.remove(switch);
            }
        });
        Ok(())
    }

    /// One change at a time.
    fn change(&self, with: impl FnOnce(&mut Orders, &mut BTreeMap<Switch, Stop>)) {
        let mut unsaid = self.unsaid.lock();
        let mut on = BTreeMap::clone(&self.on.load());
        with(&mut unsaid, &mut on);
        self.on.store(Arc::new(on));
    }

    /// The ids of switches that stop this caller.
    pub fn of_subject(&self, issuer: &str, subject: &str) -> Vec<Arc<str>> {
        let on = self.on.load();
        let wanted = Switch::Principal { issuer: issuer.to_owned(), subject: subject.to_owned() };
        on.get(&wanted).map(|stop| Arc::clone(&stop.id)).into_iter().collect()
    }

    /// Forgets switches that name somebody who is erased, in memory and in the store.
    pub async fn erase(&self, ids: &[impl AsRef<str>]) -> Result<(), StoreError> {
        self.forget(ids);
        let erasing = async {
            // What was being read when this began may have brought them back.
            self.forget(ids);
            let mut work = self.store.change().await?;
            for id in ids.iter().map(AsRef::as_ref).filter(|id| !id.is_empty()) {
                sqlx::query("DELETE FROM kill_switches WHERE id = $1").bind(id.to_owned()).execute(&mut *work).await?;
            }
            work.commit().await?;
            Ok(())
        };
        within(self.store.in_turn(erasing)).await
    }

    fn forget(&self, ids: &[impl AsRef<str>]) {
        let is_erased = |stop: &Stop| ids.iter().any(|id| id.as_ref() == &*stop.id);
        self.change(|unsaid, on| {
            unsaid.retain(|_, order| !order.as_ref().as_ref().is_some_and(is_erased));
            on.retain(|_, stop| !is_erased(stop));
        });
    }

    /// Takes what other processes have set. Orders of this one that could not be stored go before it.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let reading = async {
            let stored = read(&self.store).await?;
            self.change(|unsaid, on| {
                *on = stored;
                for (switch, order) in unsaid.iter() {
                    obey(on, switch, order.as_ref().as_ref());
                }
            });
            Ok(())
        };
        self.store.in_turn(reading).await.inspect(|()| self.warn_of_unknown())
    }

    /// Stores orders that could not be stored when they were given: all that can be.
    pub(super) async fn store_rest(&self) -> Result<(), StoreError> {
        let rest: Vec<_> = self.unsaid.lock().keys().cloned().collect();
        let mut all = Ok(());
        for switch in rest {
            all = all.and(self.store.in_turn(self.store_order(&switch)).await);
        }
        all
    }

    /// Stores the last order about a switch, unless that was done: of two at once neither is stored after the other that goes before it.
    async fn store_order(&self, switch: &Switch) -> Result<(), StoreError> {
        let Some(order) = self.unsaid.lock().get(switch).map(Arc::clone) else { return Ok(()) };
        self.write(switch, order.as_ref().as_ref()).await?;
        let mut unsaid = self.unsaid.lock();
        // There may be another one by now, who waits for its turn.
        if is_same(unsaid.get(switch), Some(&order)) {
            unsaid.remove(switch);
        }
        Ok(())
    }

    async fn write(&self, switch: &Switch, stop: Option<&Stop>) -> Result<(), StoreError> {
        let mut work = self.store.change().await?;
        let name = switch.name();
        if let Some(Stop { reason, id }) = stop {
            let statement = "INSERT INTO kill_switches (target, reason, id) VALUES ($1, $2, $3)
                ON CONFLICT (target) DO UPDATE SET reason = excluded.reason, id = excluded.id";
            sqlx::query(statement).bind(name).bind(reason.clone()).bind(id.to_string()).execute(&mut *work).await?;
        } else {
            sqlx::query("DELETE FROM kill_switches WHERE target = $1").bind(name).execute(&mut *work).await?;
        }
        Ok(work.commit().await?)
    }

    fn warn_of_unknown(&self) {
        for switch in self.on.load().keys().filter(|switch| matches!(switch, Switch::Unknown(_))) {
            tracing::error!(
                switch = switch.name(),
                "this release does not know what this kill switch stops, so everything is stopped; update, or `yett unkill --switch`"
            );
        }
    }
}

fn obey(on: &mut BTreeMap<Switch, Stop>, switch: &Switch, stop: Option<&Stop>) {
    match stop {
        Some(stop) => on.insert(switch.clone(), stop.clone()),
        None => on.remove(switch),
    };
}

/// Whether they are one order, not two that say the same.
fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// See [`Switches::marks`].
pub fn mark(switch: &Switch, stop: &Stop) -> String {
    if stop.id.is_empty() { switch.name() } else { format!("principal:{}", stop.id) }
}

async fn read(store: &Store) -> Result<BTreeMap<Switch, Stop>, StoreError> {
    let rows = sqlx::query("SELECT target, reason, id FROM kill_switches").fetch_all(store.pool()).await?;
    let stops = rows.iter().map(|row| {
        let (target, reason, id): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok((Switch::from_name(&target), Stop { reason, id: id.into() }))
    });
    stops.collect()
}
