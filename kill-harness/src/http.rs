//! The smallest HTTP client: one request on a connection of its own, and a word on whether it can have arrived.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer: a paused orchestrator is given up like a dead one.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// There was no connection: it cannot have arrived.
    NotSent,
    /// It may have arrived.
    Lost,
}

/// Posts JSON to a port of this machine.
pub(crate) async fn post(port: u16, path: &str, body: &str) -> Result<Answer, NoAnswer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(port, &format!("{head}{body}")).await
}

/// Asks the API.
pub(crate) async fn get(port: u16, path: &str, token: &str) -> Result<Answer, NoAnswer> {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    ask(port, &head).await
}

async fn ask(port: u16, request: &str) -> Result<Answer, NoAnswer> {
    let connecting = timeout(PATIENCE, TcpStream::connect(("127.0.0.1", port))).await;
    let mut stream = connecting.map_err(|_| NoAnswer::NotSent)?.map_err(|_| NoAnswer::NotSent)?;
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await.map_err(|_| NoAnswer::Lost)?.map_err(|_| NoAnswer::Lost)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, text) = answer.split_once("\r\n\r\n").ok_or(NoAnswer::Lost)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(NoAnswer::Lost)?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok(Answer { status, text: if chunked { unchunked(text) } else { text.to_owned() } })
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        text = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
    }
}
