use proptest::collection::vec;
use proptest::sample::select;
use tokio::io::{AsyncWriteExt as _, duplex};

use super::*;

const REQUESTS: [&str; 5] = [
    "GET / HTTP/1.1\r\nHost: gw\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 11\r\n\r\nGET / HTTP/",
    "POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: gw\r\n\r\n",
];
const REPLIES: [&str; 3] = [
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
];

/// Reads one request from `stream` as hyper would, then tries to read on before the reply is written.
async fn serve_one(stream: &mut FilteredStream<tokio::io::DuplexStream>, request: &str, reply: &str, size: usize) {
    let mut got = Vec::new();
    while got.len() < request.len() {
        let mut piece = vec![0; size];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "end of stream within {request:?}");
        got.extend_from_slice(&piece[..read]);
    }
    assert_eq!(String::from_utf8(got).unwrap(), request);
    let mut more = [0; 64];
    tokio::select! {
        biased;
        read = stream.read(&mut more) => panic!("{read:?} bytes before the reply to {request:?}"),
        () = tokio::task::yield_now() => {}
    }
    for piece in reply.as_bytes().chunks(size) {
        stream.write_all(piece).await.unwrap();
    }
}

fn run(requests: &[&str], reply: &str, sent: usize, size: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = duplex(1 << 16);
        let mut stream = FilteredStream::new(server, FramingLimits::default());
        let all = requests.concat();
        let client_side = async {
            for piece in all.as_bytes().chunks(sent) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let gateway_side = async {
            for request in requests {
                serve_one(&mut stream, request, reply, size).await;
            }
        };
        tokio::join!(client_side, gateway_side);
        drop(client);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(stream.refusal_handle().take(), None);
    });
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    #[test]
    fn the_reader_gets_exactly_the_clients_bytes_one_request_at_a_time(
        requests in vec(select(REQUESTS.to_vec()), 1..6),
        reply in select(REPLIES.to_vec()),
        sent in 1_usize..200,
        size in 1_usize..100,
    ) {
        run(&requests, reply, sent, size);
    }
}
