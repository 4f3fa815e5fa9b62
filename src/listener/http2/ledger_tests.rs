use super::*;
use crate::listener::http2::frames::Splitter;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection after its preface.
struct Scene {
    ledger: Ledger,
    inbound: Splitter,
    outbound: Splitter,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        let limits = FramingLimits { streams: 20, ..FramingLimits::default() };
        Self { ledger: Ledger::new(limits, false, now), inbound: Splitter::outbound(), outbound: Splitter::outbound(), now }
    }

    fn comes(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        let mut rest = bytes;
        loop {
            let (used, event) = self.inbound.advance(rest);
            rest = &rest[used..];
            let Some(event) = event else { return Ok(()) };
            if let Some((stream, _)) = self.ledger.came(event, self.now)? {
                self.ledger.resolved(stream, true, self.now);
            }
        }
    }

    fn goes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (used, event) = self.outbound.advance(rest);
            rest = &rest[used..];
            let Some(event) = event else { return };
            self.ledger.sent(event, self.now);
        }
    }

    fn due(&self) -> Option<(Duration, Due)> {
        self.ledger.due(true).map(|(at, due)| (at - self.now, due))
    }
}

const ONE: [u8; 4] = [0, 0, 0, 1];

#[test]
fn a_window_that_is_shut_runs_out_of_time_and_an_open_one_does_not() {
    let mut scene = Scene::new();
    assert_eq!(scene.due(), Some((Duration::from_mins(1), Due::Idle)));
    scene.comes(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 5])).unwrap();
    scene.comes(&frame(HEADERS, 5, 1, &[0x82])).unwrap();
    assert_eq!(scene.due(), None);
    scene.goes(&frame(HEADERS, 4, 1, &[0x88]));
    scene.goes(&frame(DATA, 0, 1, b"hell"));
    assert_eq!(scene.due(), None);
    scene.goes(&frame(DATA, 0, 1, b"o"));
    assert_eq!(scene.due(), Some((Duration::from_secs(30), Due::Stalled)));
    scene.now += Duration::from_secs(20);
    scene.comes(&frame(WINDOW_UPDATE, 0, 1, &ONE)).unwrap();
    assert_eq!(scene.due(), None);
    scene.comes(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    assert_eq!(scene.due(), Some((Duration::from_secs(30), Due::Stalled)));
    scene.goes(&frame(DATA, 1, 1, b""));
    assert_eq!(scene.due(), Some((Duration::from_mins(1), Due::Idle)));
}

#[test]
fn whoever_takes_what_is_sent_earns_the_frames_that_say_so() {
    let mut scene = Scene::new();
    scene.comes(&frame(HEADERS, 5, 1, &[0x82])).unwrap();
    scene.goes(&frame(HEADERS, 4, 1, &[0x88]));
    for _ in 0..10_000 {
        scene.goes(&frame(DATA, 0, 1, b"x"));
        for stream in [0, 1] {
            scene.comes(&frame(WINDOW_UPDATE, 0, stream, &ONE)).unwrap();
        }
    }
    let mut last = Ok(());
    for _ in 0..=NOISE {
        last = scene.comes(&frame(WINDOW_UPDATE, 0, 0, &ONE));
    }
    assert_eq!(last, Err(HeadError::Flood));
}

#[test]
fn a_client_that_lets_out_a_byte_at_a_time_is_not_waited_for() {
    let mut scene = Scene::new();
    scene.comes(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1])).unwrap();
    scene.comes(&frame(HEADERS, 5, 1, &[0x82])).unwrap();
    scene.goes(&frame(HEADERS, 4, 1, &[0x88]));
    let mut taken = 0;
    let ended = loop {
        scene.goes(&frame(DATA, 0, 1, b"x"));
        if let Err(error) = scene.comes(&frame(WINDOW_UPDATE, 0, 1, &ONE)) {
            break error;
        }
        taken += 1;
    };
    assert_eq!((ended, taken < NOISE + 10), (HeadError::Flood, true), "{taken}");
}

#[test]
fn requests_that_were_answered_may_be_taken_back_at_will() {
    let mut scene = Scene::new();
    for number in 0..1000 {
        let stream = number * 2 + 1;
        scene.comes(&frame(HEADERS, 5, stream, &[0x82])).unwrap();
        scene.goes(&frame(HEADERS, 4, stream, &[0x88]));
        scene.comes(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).unwrap();
    }
    let mut taken_back = 0;
    for number in 1000..1100 {
        let stream = number * 2 + 1;
        scene.comes(&frame(HEADERS, 5, stream, &[0x82])).unwrap();
        if scene.comes(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).is_err() {
            break;
        }
        taken_back += 1;
    }
    assert_eq!(taken_back, 19, "fewer than streams");
}

#[test]
fn what_the_library_says_on_its_own_is_told_from_what_the_endpoint_says() {
    let mut scene = Scene::new();
    scene.comes(&frame(HEADERS, 5, 1, &[0x82])).unwrap();
    let head = FrameHead { length: 4, kind: RST_STREAM, flags: 0, stream: 1 };
    assert_eq!(scene.ledger.judge(Event::Number(head, 1)), None);
    scene.ledger.resolved(1, false, scene.now);
    assert_eq!(scene.ledger.judge(Event::Number(head, 1)), Some(Gate::Record(HeadError::Malformed)));
    assert_eq!(scene.ledger.judge(Event::Number(head, code::REFUSED_STREAM)), None);
    let answer = FrameHead { kind: HEADERS, ..head };
    assert_eq!(scene.ledger.judge(Event::Begin(answer)), Some(Gate::Record(HeadError::HeadTooLarge)));
    let goodbye = FrameHead { kind: GOAWAY, stream: 0, ..head };
    assert_eq!(scene.ledger.judge(Event::Number(goodbye, 7 << 32)), None);
    assert_eq!(scene.ledger.judge(Event::Number(goodbye, 7 << 32 | 1)), Some(Gate::End(HeadError::Frames, 7, 1)));
}
