//! A vendor that writes down what it hears, byte for byte, and says what it is told to.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Capture {
    listener: TcpListener,
}

impl Capture {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// The next connection.
    pub async fn accept(&self) -> TcpStream {
        tokio::time::timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap().0
    }

    /// Whether somebody waits to be accepted.
    pub async fn is_called(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.listener.accept()).await.is_ok()
    }

    /// Answers one request after the other, each on its own connection, and returns them as they came.
    pub async fn answer(&self, answers: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut requests = Vec::new();
        for answer in answers {
            let mut connection = self.accept().await;
            requests.push(read_request(&mut connection).await);
            connection.write_all(answer).await.unwrap();
            connection.shutdown().await.unwrap();
        }
        requests
    }
}

/// One HTTP/1.1 request with a `content-length`, or none.
pub async fn read_request(connection: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return request;
            }
        }
        let read = tokio::time::timeout(PATIENCE, connection.read_buf(&mut request)).await.expect("the request stops");
        assert!(read.unwrap() > 0, "the connection ends inside a request");
    }
}

/// An HTTP/1.1 answer.
pub fn http(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
