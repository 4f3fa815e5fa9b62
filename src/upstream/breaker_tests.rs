use super::*;

const SETTINGS: Settings = Settings { failures: 4, cooldown: Duration::from_secs(1), max_cooldown: Duration::from_secs(4) };

struct Scene {
    breaker: Breaker<u32>,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self { breaker: Breaker::new(SETTINGS), now: Instant::now() }
    }

    fn enter(&mut self, caller: u32) -> Result<Pass<u32>, Duration> {
        self.breaker.enter(&caller, self.now)
    }

    fn ends(&mut self, mut pass: Pass<u32>, ending: Ending) {
        self.breaker.ended(&mut pass, ending, self.now, 0.0);
    }

    fn call(&mut self, caller: u32, ending: Ending) {
        let pass = self.enter(caller).unwrap();
        self.ends(pass, ending);
    }

    fn fail(&mut self, caller: u32, times: u32) {
        (0..times).for_each(|_| self.call(caller, Ending::Fault));
    }

    /// One and two fail together.
    fn suspect(&mut self) {
        self.fail(1, 2);
        self.fail(2, 2);
        assert!(self.breaker.suspected);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn position(&self) -> Position {
        self.breaker.position()
    }
}

#[test]
fn a_caller_is_shut_out_after_a_run_of_faults_and_not_before() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.fail(1, 3);
        scene.call(1, Ending::Nothing);
        scene.call(1, Ending::Answered);
        assert_eq!(scene.position(), Position::Closed, "an answer ends the run");
    }
    scene.fail(1, 4);
    assert_eq!(scene.enter(1).unwrap_err(), SETTINGS.cooldown);
    assert_eq!(scene.position(), Position::Open, "nobody has been answered since");
}

#[test]
fn one_callers_faults_shut_nobody_else_out() {
    let mut scene = Scene::new();
    scene.fail(1, 4);
    assert!(scene.enter(1).is_err());
    // Not with what it does on trial either.
    for _ in 0..20 {
        scene.call(2, Ending::Answered);
        assert_eq!(scene.position(), Position::Closed);
        scene.pass(8);
        scene.call(1, Ending::Fault);
        let (first, second) = (scene.enter(2).unwrap(), scene.enter(2).unwrap());
        assert!(!first.is_probe() && !second.is_probe());
        scene.ends(first, Ending::Answered);
        scene.ends(second, Ending::Answered);
    }
}

#[test]
fn faults_of_several_callers_without_an_answer_between_them_shut_all_of_them_out() {
    let mut scene = Scene::new();
    scene.fail(1, 2);
    scene.fail(2, 1);
    scene.call(3, Ending::Answered);
    scene.fail(2, 1);
    scene.fail(1, 1);
    scene.call(3, Ending::Nothing);
    assert!(scene.enter(1).is_ok() && scene.enter(2).is_ok(), "an answer to anybody ends the run");
    scene.fail(2, 1);
    scene.fail(1, 1);
    for caller in [1, 2] {
        assert_eq!(scene.enter(caller).unwrap_err(), SETTINGS.cooldown, "{caller}");
    }
    assert_eq!(scene.position(), Position::Open);
}

#[test]
fn no_caller_counts_for_more_than_half() {
    let mut scene = Scene::new();
    scene.fail(1, 3);
    scene.fail(2, 1);
    assert!(scene.enter(2).is_ok(), "one fault beside three is enough");
    scene.fail(2, 1);
    assert!(scene.enter(2).is_err());
}

#[test]
fn a_suspected_server_takes_one_call_of_whoever_has_not_failed_and_an_answer_clears_it() {
    let mut scene = Scene::new();
    scene.suspect();
    let probe = scene.enter(3).unwrap();
    assert_eq!((scene.position(), scene.enter(3).unwrap_err()), (Position::HalfOpen, PROBE));
    scene.call(4, Ending::Fault);
    assert_eq!(scene.enter(4).unwrap_err(), SETTINGS.cooldown, "one fault is enough now");
    scene.ends(probe, Ending::Answered);
    assert_eq!(scene.position(), Position::Closed);
    assert!(scene.enter(3).is_ok() && scene.enter(3).is_ok());
    // Those who failed see for themselves, one call each.
    for caller in [1, 2, 4] {
        let probe = scene.enter(caller).unwrap();
        assert_eq!(scene.enter(caller).unwrap_err(), PROBE);
        scene.ends(probe, Ending::Answered);
        assert!(scene.enter(caller).is_ok() && scene.enter(caller).is_ok());
    }
}

#[test]
fn nobody_can_fail_the_probes_of_others_for_ever() {
    let mut scene = Scene::new();
    scene.suspect();
    for _ in 0..20 {
        // Two callers take every chance they have, and fail.
        scene.pass(1);
        for caller in [1, 2] {
            if let Ok(pass) = scene.enter(caller) {
                scene.ends(pass, Ending::Fault);
            }
        }
        scene.call(3, Ending::Answered);
    }
    assert_eq!(scene.position(), Position::Closed);
}

#[test]
fn few_try_out_a_suspected_server_at_once() {
    let mut scene = Scene::new();
    scene.suspect();
    let mut probes: Vec<_> = (10..).map_while(|caller| scene.enter(caller).ok()).collect();
    assert_eq!((probes.len(), scene.enter(99).unwrap_err()), (PROBES, PROBE));
    let first = probes.pop().unwrap();
    scene.ends(first, Ending::Nothing);
    assert!(scene.enter(99).is_ok(), "the end of a probe makes room for another");
}

#[test]
fn calls_that_say_nothing_neither_open_nor_end_a_run() {
    let mut scene = Scene::new();
    (0..100).for_each(|_| scene.call(1, Ending::Nothing));
    scene.fail(1, 2);
    scene.call(1, Ending::Nothing);
    scene.fail(1, 1);
    assert_eq!(scene.position(), Position::Closed);
    scene.fail(1, 1);
    assert_eq!(scene.position(), Position::Open);
}

#[test]
fn each_failed_probe_doubles_the_time_up_to_its_bound_and_an_answer_resets_it() {
    let mut scene = Scene::new();
    scene.fail(1, 4);
    for seconds in [1, 2, 4, 4, 4] {
        assert_eq!(scene.enter(1).unwrap_err(), Duration::from_secs(seconds));
        scene.pass(seconds);
        let probe = scene.enter(1).unwrap();
        assert_eq!(scene.enter(1).unwrap_err(), PROBE, "a second one goes through beside the probe");
        scene.ends(probe, Ending::Fault);
    }
    scene.pass(4);
    scene.call(1, Ending::Nothing);
    scene.call(1, Ending::Answered);
    scene.fail(1, 4);
    assert_eq!(scene.enter(1).unwrap_err(), SETTINGS.cooldown);
}

#[test]
fn faults_of_calls_that_began_before_decide_nothing_and_answers_do() {
    let mut scene = Scene::new();
    let early: Vec<_> = (0..3).map(|_| scene.enter(1).unwrap()).collect();
    scene.fail(1, 4);
    scene.pass(1);
    let mut early = early.into_iter();
    scene.ends(early.next().unwrap(), Ending::Fault);
    let probe = scene.enter(1).unwrap();
    scene.ends(early.next().unwrap(), Ending::Fault);
    assert_eq!(scene.enter(1).unwrap_err(), PROBE, "the probe is still under way");
    scene.ends(early.next().unwrap(), Ending::Answered);
    assert_eq!(scene.position(), Position::Closed);
    scene.ends(probe, Ending::Nothing);
    assert_eq!(scene.breaker.probes, 0);
}

#[test]
fn chance_stretches_and_never_shortens() {
    for (chance, milliseconds) in [(0.0, 1_000), (1.0, 1_500), (0.5, 1_250), (9.0, 1_500), (-1.0, 1_000)] {
        let mut scene = Scene::new();
        for _ in 0..4 {
            let mut pass = scene.enter(1).unwrap();
            scene.breaker.ended(&mut pass, Ending::Fault, scene.now, chance);
        }
        assert_eq!(scene.breaker.refuses(&1, scene.now), Some(Duration::from_millis(milliseconds)), "{chance}");
    }
}

#[test]
fn memory_is_bounded_and_empty_while_all_is_well() {
    let mut scene = Scene::new();
    for caller in 0..5_000 {
        scene.call(caller, Ending::Answered);
    }
    assert!(scene.breaker.callers.is_empty());
    scene.suspect();
    for caller in 10..5_000 {
        scene.call(caller, Ending::Fault);
        assert!(scene.breaker.callers.len() <= MAX_CALLERS);
    }
    assert!(scene.enter(4_999).is_err(), "the newest is forgotten");
    scene.call(9_999, Ending::Answered);
    assert_eq!((scene.breaker.probes, scene.position()), (0, Position::Closed));
}
