//! The APIs of AWS for secrets and parameters, as moto answers them. It does not look at signatures: those are held against the SDK's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;

use super::http::Post;
use super::within;
use crate::peers::parts;

/// A running server. Ends when dropped.
pub(crate) struct Moto {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        // It takes no port 0.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let address = free.expect("a port");
        let child = Command::new(parts::identity("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto");
        let moto = Self { child, address };
        let open = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within("moto", open).await;
        moto
    }

    /// Stops it where it is, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("a signal");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes one, or writes a new version of it.
    pub(crate) async fn put_secret(&self, name: &str, text: &str) {
        let body = serde_json::json!({ "Name": name, "SecretString": text });
        if self.call("secretsmanager", "secretsmanager.CreateSecret", &body).await != 200 {
            let body = serde_json::json!({ "SecretId": name, "SecretString": text });
            assert_eq!(self.call("secretsmanager", "secretsmanager.PutSecretValue", &body).await, 200);
        }
    }

    pub(crate) async fn put_parameter(&self, name: &str, text: &str) {
        let body = serde_json::json!({ "Name": name, "Value": text, "Type": "SecureString", "Overwrite": true });
        assert_eq!(self.call("ssm", "AmazonSSM.PutParameter", &body).await, 200);
    }

    async fn call(&self, service: &str, target: &str, body: &Value) -> u16 {
        let scope = format!("Credential=test/20261129/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
        let post = Post::to(self.address, "/")
            .header("X-Amz-Target", target)
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("Authorization", &format!("AWS4-HMAC-SHA256 {scope}"));
        post.body(body.to_string()).send().await.status
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
