//! Clients that take their time.

use super::*;

fn hasty() -> FramingLimits {
    FramingLimits {
        header_timeout: Duration::from_millis(150),
        idle_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(600),
        body_window: Duration::from_millis(200),
        ..FramingLimits::default()
    }
}

#[tokio::test]
async fn a_slow_head_is_told_so_and_a_silent_client_is_not() {
    let mut gateway = Gateway::start(hasty()).await;
    gateway.send("GET / HTTP/1.1\r\nHo").await;
    let (answers, refusal, calls) = gateway.finish().await;
    assert_eq!((statuses(&answers), refusal, calls), (vec!["408"], Some(HeadError::SlowHead), 0));

    let gateway = Gateway::start(hasty()).await;
    assert_eq!(gateway.finish().await, (String::new(), None, 0));
}

#[tokio::test]
async fn drops_of_a_head_do_not_buy_time() {
    let started = Instant::now();
    let gateway = Gateway::start(hasty()).await;
    let Gateway { client, calls: _, release: _, mut connection } = gateway;
    let (mut reader, mut writer) = client.into_split();
    let mut drip = JoinSet::new();
    drip.spawn(async move {
        while writer.write_all(b"A").await.is_ok() {
            sleep(Duration::from_millis(40)).await;
        }
    });
    let mut answer = Vec::new();
    timeout(PATIENCE, reader.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408"));
    assert!(started.elapsed() < Duration::from_secs(2));
    drip.abort_all();
    assert_eq!(connection.join_next().await.unwrap().unwrap(), Some(HeadError::SlowHead));
}

#[tokio::test]
async fn an_idle_connection_is_closed_quietly_but_not_while_it_waits_for_a_reply() {
    let mut gateway = Gateway::start(hasty()).await;
    gateway.send(post("/held", "abc")).await;
    sleep(Duration::from_millis(700)).await;
    gateway.release.notify_one();
    gateway.read_until("abc").await;
    let replied = Instant::now();
    assert_eq!(gateway.finish().await, (String::new(), None, 1));
    assert!(replied.elapsed() >= Duration::from_millis(290));
}

#[tokio::test]
async fn a_slow_body_is_cut_off() {
    for drip in [Duration::from_mins(1), Duration::from_millis(50)] {
        let mut gateway = Gateway::start(hasty()).await;
        gateway.send("POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 9000\r\n\r\n").await;
        let answers = timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    answers = gateway.read_until("\r\n\r\n") => break answers,
                    () = sleep(drip) => {}
                }
                gateway.send("x").await;
            }
        });
        assert_eq!(statuses(&answers.await.unwrap()), ["408"]);
    }
}

#[tokio::test]
async fn a_body_at_the_least_rate_still_ends_in_time() {
    let mut gateway = Gateway::start(hasty()).await;
    gateway.send("POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 900000\r\n\r\n").await;
    let started = Instant::now();
    let answers = loop {
        tokio::select! {
            answers = gateway.read_until("\r\n\r\n") => break answers,
            () = sleep(Duration::from_millis(20)) => {}
        }
        gateway.send([b'x'; 200]).await;
    };
    assert_eq!(statuses(&answers), ["408"]);
    assert!(started.elapsed() >= Duration::from_millis(590));
}
