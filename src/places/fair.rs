//! Who gets a place when there are not enough: an engine of plain data, without clocks, tasks or locks.
//!
//! Three rules, each known from switches that share one buffer between many queues:
//!
//! - **Headroom** (dynamic thresholds, Choudhury and Hahne 1998): a caller takes another place only while it would hold at most
//!   [`HEADROOM`] times what stays free. One caller alone gets three quarters, two who come together three sevenths each, so that
//!   others find a place free. A caller who holds nothing takes any free place.
//! - **Least first**: a place that becomes free goes to the waiting caller who holds the fewest, then to the one who waits longest.
//! - **Longest queue drops**: when the queue is full and a caller comes who has fewer waiting than another, the other's newest goes.
//!
//! Several places may be taken at once, for what is larger than a place.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// See the module: places one caller may hold for each that is free.
const HEADROOM: usize = 3;

/// Something that waits for a place. Tickets are given out in order.
pub type Ticket = u64;

/// Places, and who holds and waits for them.
#[derive(Debug)]
pub struct Fair<K> {
    capacity: usize,
    queue: usize,
    used: usize,
    waiting: usize,
    callers: HashMap<K, Caller>,
    next: Ticket,
}

#[derive(Debug, Default)]
struct Caller {
    held: usize,
    /// What it waits for, and how many places that needs; oldest first.
    tickets: VecDeque<(Ticket, usize)>,
}

/// What became of a caller who asked for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Has it.
    Granted,
    /// No place, and no room to wait for one.
    Refused,
    /// Waits. If the queue was full, `evicted` has lost its room in it.
    Waits {
        /// Names this wait.
        ticket: Ticket,
        /// Another caller's newest, which waits no more.
        evicted: Option<Ticket>,
    },
}

impl<K: Clone + Eq + Hash> Fair<K> {
    /// With so many places, and room for so many to wait.
    pub fn new(capacity: usize, queue: usize) -> Self {
        Self { capacity, queue, used: 0, waiting: 0, callers: HashMap::new(), next: 0 }
    }

    /// Asks for so many places.
    pub fn enter(&mut self, key: &K, places: usize) -> Entry {
        let held = self.held(key);
        // Of those who wait for as much, nobody could take it now: `leave` and `cancel` have seen to that.
        if self.may_take(held, places) && self.callers.get(key).is_none_or(|caller| caller.tickets.is_empty()) {
            self.callers.entry(key.clone()).or_default().held += places;
            self.used += places;
            return Entry::Granted;
        }
        if places > self.capacity {
            return Entry::Refused;
        }
        let mut evicted = None;
        if self.waiting >= self.queue {
            let own = self.callers.get(key).map_or(0, |caller| caller.tickets.len());
            let Some(victim) = self.longest(own) else { return Entry::Refused };
            evicted = self.drop_newest(&victim);
        }
        let ticket = self.next;
        self.next += 1;
        self.waiting += 1;
        self.callers.entry(key.clone()).or_default().tickets.push_back((ticket, places));
        Entry::Waits { ticket, evicted }
    }

    /// Gives places back. Whoever is in the answer has theirs now.
    #[must_use = "those who got a place must be told"]
    pub fn leave(&mut self, key: &K, places: usize) -> Vec<Ticket> {
        if let Some(caller) = self.callers.get_mut(key)
            && caller.held >= places
        {
            caller.held -= places;
            self.used -= places;
        }
        self.forget_idle(key);
        self.hand_out()
    }

    /// Stops waiting; `None` if this ticket does not wait any more: it was granted or evicted. Whoever is in the answer waited behind
    /// it for less, and has it now.
    #[must_use = "those who got a place must be told"]
    pub fn cancel(&mut self, key: &K, ticket: Ticket) -> Option<Vec<Ticket>> {
        let caller = self.callers.get_mut(key)?;
        let at = caller.tickets.iter().position(|(waiting, _)| *waiting == ticket)?;
        caller.tickets.remove(at);
        self.waiting -= 1;
        self.forget_idle(key);
        Some(self.hand_out())
    }

    /// Places in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Places that somebody holds.
    pub fn held(&self, key: &K) -> usize {
        self.callers.get(key).map_or(0, |caller| caller.held)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether another caller waits who holds less than this one: its places are wanted for somebody who comes short.
    pub fn is_pressed(&self, key: &K) -> bool {
        let held = self.held(key);
        self.waiting > 0 && self.callers.values().any(|caller| caller.held < held && !caller.tickets.is_empty())
    }

    /// Whether somebody waits who holds no more than this caller, itself included. One who holds more waits for its own sake.
    pub fn is_wanted(&self, key: &K) -> bool {
        let held = self.callers.get(key).map_or(0, |caller| caller.held);
        self.waiting > 0 && self.callers.values().any(|caller| caller.held <= held && !caller.tickets.is_empty())
    }

    /// Whether somebody who holds `held` places may take so many more.
    fn may_take(&self, held: usize, places: usize) -> bool {
        let Some(free) = self.capacity.saturating_sub(self.used).checked_sub(places) else { return false };
        held == 0 || held + places <= HEADROOM.saturating_mul(free)
    }

    fn hand_out(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        while self.waiting > 0 {
            let waiting = self.callers.iter().filter_map(|(key, caller)| Some((caller.held, caller.tickets.front()?, key)));
            // Whoever holds the fewest is next. If there is not enough for them, nobody goes before: what needs much would wait for ever.
            let Some((held, &(ticket, places), key)) = waiting.min_by_key(|(held, (ticket, _), _)| (*held, *ticket)) else {
                break;
            };
            if !self.may_take(held, places) {
                break;
            }
            let key = key.clone();
            if let Some(caller) = self.callers.get_mut(&key) {
                caller.tickets.pop_front();
                caller.held += places;
            }
            self.waiting -= 1;
            self.used += places;
            granted.push(ticket);
        }
        granted
    }

    /// The caller with the most waiting, if it has at least two more than `own`: less would only swap one for another.
    fn longest(&self, own: usize) -> Option<K> {
        let longest = self.callers.iter().max_by_key(|(_, caller)| (caller.tickets.len(), caller.held))?;
        (longest.1.tickets.len() > own + 1).then(|| longest.0.clone())
    }

    fn drop_newest(&mut self, key: &K) -> Option<Ticket> {
        let (dropped, _) = self.callers.get_mut(key)?.tickets.pop_back()?;
        self.waiting -= 1;
        self.forget_idle(key);
        Some(dropped)
    }

    fn forget_idle(&mut self, key: &K) {
        if self.callers.get(key).is_some_and(|caller| caller.held == 0 && caller.tickets.is_empty()) {
            self.callers.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn fill(fair: &mut Fair<u8>, key: u8) -> usize {
        (0..1_000).take_while(|_| fair.enter(&key, 1) == Entry::Granted).count()
    }

    #[test]
    fn one_caller_alone_gets_three_quarters_and_one_at_the_least() {
        for (capacity, expected) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (256, 192)] {
            assert_eq!(fill(&mut Fair::new(capacity, 0), 1), expected, "of {capacity}");
        }
        assert_eq!(Fair::new(0, 0).enter(&1, 1), Entry::Refused);
    }

    #[test]
    fn beside_one_greedy_caller_there_is_a_place_for_many() {
        let mut fair = Fair::new(64, 0);
        assert_eq!(fill(&mut fair, 0), 48);
        for caller in 1..=16 {
            assert_eq!(fair.enter(&caller, 1), Entry::Granted, "caller {caller} is shut out");
        }
        assert_eq!(fair.enter(&17, 1), Entry::Refused);
    }

    #[test]
    fn each_greedy_caller_leaves_room_for_the_next() {
        let mut fair = Fair::new(256, 0);
        let shares: Vec<_> = (0..4).map(|caller| fill(&mut fair, caller)).collect();
        assert_eq!(shares, [192, 48, 12, 3], "three quarters of what is left, every time");
    }

    #[test]
    fn a_free_place_goes_to_whoever_holds_the_fewest() {
        let mut fair = Fair::new(8, 8);
        // The hog waits as well, with the attempt that was not granted, and asked first.
        assert_eq!(fill(&mut fair, 1), 6);
        assert_eq!(fair.enter(&2, 1), Entry::Granted);
        let Entry::Waits { ticket, .. } = fair.enter(&2, 1) else { panic!("two is not made to wait") };
        assert_eq!(fair.leave(&1, 1), [ticket], "the hog, who holds five, goes before the one who holds one");
    }

    #[test]
    fn a_full_queue_drops_the_newest_of_whoever_has_the_most_in_it() {
        let mut fair = Fair::new(1, 3);
        assert_eq!(fair.enter(&1, 1), Entry::Granted);
        for _ in 0..3 {
            assert!(matches!(fair.enter(&1, 1), Entry::Waits { evicted: None, .. }));
        }
        assert_eq!(fair.enter(&1, 1), Entry::Refused, "the hog's own queue is full");
        assert_eq!(fair.enter(&2, 1), Entry::Waits { ticket: 3, evicted: Some(2) });
        assert_eq!(fair.enter(&3, 1), Entry::Waits { ticket: 4, evicted: Some(1) });
        assert_eq!(fair.enter(&4, 1), Entry::Refused, "one of each waits: nobody has two more than a newcomer's none");
        assert_eq!(fair.cancel(&1, 2), None, "an evicted ticket still waits");
        assert_eq!(fair.leave(&1, 1), [0], "all hold nothing now, so the one who came first");
        assert_eq!(fair.leave(&1, 1), [3]);
        assert_eq!(fair.leave(&2, 1), [4]);
    }

    #[test]
    fn a_caller_is_pressed_by_who_waits_and_holds_less() {
        let mut fair = Fair::new(8, 8);
        assert_eq!(fair.enter(&1, 5), Entry::Granted);
        assert_eq!(fair.enter(&2, 3), Entry::Granted);
        assert!(matches!(fair.enter(&1, 1), Entry::Waits { .. }));
        assert!(!fair.is_pressed(&1), "a caller presses itself");
        assert!(!fair.is_pressed(&2), "who holds more presses who holds less");
        assert!(fair.is_wanted(&1) && !fair.is_wanted(&2), "a caller wants its own places, and nobody's who holds less");
        let Entry::Waits { ticket, .. } = fair.enter(&3, 4) else { panic!("three is not made to wait") };
        assert!(fair.is_pressed(&1) && fair.is_pressed(&2));
        assert_eq!(fair.cancel(&3, ticket), Some(Vec::new()));
        assert!(!fair.is_pressed(&1));
        assert!(!fair.is_pressed(&9), "who holds nothing has nothing to give");
    }

    #[test]
    fn who_stops_waiting_is_not_served() {
        let mut fair = Fair::new(1, 1);
        assert_eq!(fair.enter(&1, 1), Entry::Granted);
        let Entry::Waits { ticket, .. } = fair.enter(&2, 1) else { panic!("two is not made to wait") };
        assert_eq!(fair.cancel(&2, ticket), Some(Vec::new()));
        assert!(fair.leave(&1, 1).is_empty());
        assert_eq!((fair.used(), fair.waiting(), fair.callers.len()), (0, 0, 0), "somebody is remembered for ever");
    }

    #[test]
    fn what_needs_several_places_waits_for_them_and_is_not_passed_by_who_waits_behind() {
        let mut fair = Fair::new(8, 8);
        assert_eq!(fair.enter(&1, 9), Entry::Refused, "more than there are");
        assert_eq!(fair.enter(&1, 8), Entry::Granted, "all, for somebody who holds nothing");
        let Entry::Waits { ticket: large, .. } = fair.enter(&2, 6) else { panic!("two is not made to wait") };
        let Entry::Waits { ticket: small, .. } = fair.enter(&3, 1) else { panic!("three is not made to wait") };
        assert_eq!(fair.leave(&1, 8), [large, small]);
        assert_eq!(fair.used(), 7);
        let Entry::Waits { ticket: large, .. } = fair.enter(&4, 6) else { panic!("four is not made to wait") };
        let Entry::Waits { ticket: behind, .. } = fair.enter(&5, 2) else { panic!("five is not made to wait") };
        assert!(fair.leave(&3, 1).is_empty(), "the smaller one is served first");
        assert_eq!(fair.cancel(&4, large), Some(vec![behind]), "who waited behind waits on");
    }

    /// A step of a random history: who, and what they do.
    fn steps() -> impl Strategy<Value = Vec<(u8, u8)>> {
        vec((0..6_u8, 0..3_u8), 1..400)
    }

    proptest! {
        #[test]
        fn whatever_happens_places_are_bounded_shared_and_not_left_idle(
            capacity in 1..20_usize, queue in 0..20_usize, steps in steps()
        ) {
            let mut fair = Fair::new(capacity, queue);
            let mut held: HashMap<u8, usize> = HashMap::new();
            let mut tickets: Vec<(u8, Ticket)> = Vec::new();
            for (caller, action) in steps {
                let granted = match action {
                    0 => {
                        let (used, own) = (fair.used(), held.get(&caller).copied().unwrap_or(0));
                        match fair.enter(&caller, 1) {
                            Entry::Granted => { *held.entry(caller).or_default() += 1; }
                            Entry::Refused => prop_assert!(used == capacity || own > 0, "a newcomer is refused a free place"),
                            Entry::Waits { ticket, evicted } => {
                                prop_assert!(used == capacity || own > 0, "a newcomer waits beside a free place");
                                tickets.retain(|(_, waiting)| Some(*waiting) != evicted);
                                tickets.push((caller, ticket));
                            }
                        }
                        Vec::new()
                    }
                    1 => match held.get_mut(&caller).filter(|own| **own > 0) {
                        Some(own) => { *own -= 1; fair.leave(&caller, 1) }
                        None => Vec::new(),
                    },
                    _ => {
                        if let Some(at) = tickets.iter().position(|(owner, _)| *owner == caller) {
                            let (owner, ticket) = tickets.remove(at);
                            prop_assert_eq!(fair.cancel(&owner, ticket), Some(Vec::new()), "a waiting ticket cannot be cancelled");
                        }
                        Vec::new()
                    }
                };
                for ticket in granted {
                    let at = tickets.iter().position(|(_, waiting)| *waiting == ticket);
                    prop_assert!(at.is_some(), "a place for a ticket that does not wait, or twice");
                    let (owner, _) = tickets.remove(at.unwrap());
                    *held.entry(owner).or_default() += 1;
                }
                prop_assert_eq!(fair.used(), held.values().sum::<usize>());
                prop_assert_eq!(fair.waiting(), tickets.len());
                prop_assert!(fair.used() <= capacity && fair.waiting() <= queue);
                for (owner, _) in &tickets {
                    let own = held.get(owner).copied().unwrap_or(0);
                    prop_assert!(!fair.may_take(own, 1), "somebody waits who might have a place");
                }
            }
        }
    }
}
