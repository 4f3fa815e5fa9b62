use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn remote(text: &str) -> Remote {
    Remote::parse(text).unwrap()
}

#[test]
fn a_traceparent_is_read_as_the_standard_has_it() {
    let read = remote(PARENT);
    assert_eq!(read.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(read.span.to_string(), "b7ad6b7169203331");
    assert!(read.sampled && !read.random);
    assert!(!remote("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02").sampled);
    assert!(remote("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff").random);
    // A later version is read by what it shares with this one.
    assert_eq!(remote("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-will-be"), read);
    for bad in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-ä0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
    ] {
        assert_eq!(Remote::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_tracestate_is_continued_only_when_all_of_it_is_well_formed() {
    let read = |lines: &[&str]| State::parse(lines.iter().copied()).map(|state| state.as_str().to_owned());
    assert_eq!(read(&["congo=t61rcWkgMzE", " rojo=00f067 \t,, a@b=1 2"]).unwrap(), "congo=t61rcWkgMzE,rojo=00f067,a@b=1 2");
    let many = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
    assert!(read(&[&many(32)]).is_some());
    let long = |length: usize| format!("k={},l={}", "v".repeat(255), "v".repeat(length - 260));
    assert_eq!(read(&[&long(512)]).map(|text| text.len()), Some(512));
    for bad in [
        "",
        ",",
        "a",
        "a=",
        "=a",
        "A=b",
        "a=b=c",
        "a=b,a=c",
        "a=\u{e4}",
        "a=b\r\nInjected: 1",
        "a=\u{7f}",
        "a b=c",
        &many(33),
        &long(513),
        &format!("{}=v", "k".repeat(257)),
    ] {
        assert_eq!(read(&[bad]), None, "{bad}");
    }
}

#[test]
fn the_message_goes_before_the_head_and_links_to_it() {
    let head = remote("00-11111111111111111111111111111111-1111111111111111-00");
    let mut trace = Trace::begin(Sampling::Off, Some(&head));
    trace.adopt(Some(&remote(PARENT)));
    assert_eq!(trace.id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(trace.link().unwrap().1.to_string(), "1111111111111111");
    let mut same = Trace::begin(Sampling::Off, Some(&head));
    same.adopt(Some(&head));
    assert_eq!(same.link(), None, "a link to itself");
}

#[test]
fn without_a_collector_a_context_is_passed_on_and_an_absent_one_begins() {
    let trace = Trace::begin(Sampling::Off, Some(&remote(PARENT)));
    assert_eq!(trace.traceparent(trace.next_hop()), PARENT);
    let fresh = Trace::begin(Sampling::Off, None);
    let sent = fresh.traceparent(fresh.next_hop());
    let read = remote(&sent);
    assert_eq!((read.trace, read.span, read.sampled, read.random), (fresh.id(), fresh.span(), false, true), "{sent}");
    assert_ne!(fresh.id(), Trace::default().id());
}

#[test]
fn with_a_collector_the_server_hangs_under_a_span_of_ours() {
    let sampling = Sampling::On { parent_based: true, ratio: 0.0 };
    let mut trace = Trace::begin(sampling, Some(&remote(PARENT)));
    assert!(!trace.is_sampled(), "somebody unknown decides what is exported");
    trace.adopt(None);
    assert!(trace.is_sampled(), "the caller's decision is not followed");
    let hop = trace.next_hop();
    assert_ne!(Some(hop), trace.parent());
    assert_ne!(hop, trace.span());
    assert_eq!(trace.traceparent(hop), format!("00-0af7651916cd43dd8448eb211c80319c-{hop}-01"));
}

#[test]
fn the_ratio_holds_for_those_who_decide_themselves() {
    let sampled = |parent_based, ratio, remote: Option<&Remote>| {
        let one = || {
            let mut trace = Trace::begin(Sampling::On { parent_based, ratio }, remote);
            trace.adopt(None);
            trace.is_sampled()
        };
        (0..4000).filter(|_| one()).count()
    };
    let (yes, no) = (remote(PARENT), remote("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
    assert_eq!(sampled(true, 1.0, None), 4000);
    assert_eq!(sampled(true, 0.0, None), 0);
    assert_eq!(sampled(true, 0.0, Some(&yes)), 4000);
    assert_eq!(sampled(true, 1.0, Some(&no)), 0);
    assert_eq!(sampled(false, 1.0, Some(&no)), 4000);
    // 400 expected, standard deviation 19.
    assert!((300..500).contains(&sampled(true, 0.1, None)));
}
