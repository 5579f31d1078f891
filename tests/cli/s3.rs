//! A server that speaks S3, and a proxy before it that fails as networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The server, which all tests share; each has a bucket of its own. It ends with this process, for
/// then its standard input does.
const SERVER: &str = "
import os, sys, threading
def watch():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
";

static STARTED: OnceLock<(Mutex<Child>, u16)> = OnceLock::new();

/// The port of the server, which is started when it is needed first.
#[track_caller]
fn server() -> u16 {
    let (_, port) = STARTED.get_or_init(|| {
        let python = std::env::var_os("REPROOF_MOTO");
        let python = python.unwrap_or_else(|| {
            panic!("this test needs moto: REPROOF_MOTO=$(scripts/moto) cargo test")
        });
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(python)
            .args(["-c", SERVER, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_mins(2),
                "moto does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        (Mutex::new(child), port)
    });
    *port
}

/// What the proxy does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Closes the connection before it answers.
    Reset,
    /// Answers with this status.
    Status(u16),
    /// Answers after the client has given up.
    Hang,
    /// Closes the connection in the middle of the answer.
    Truncate,
    /// Changes one bit of the answer.
    Flip,
    /// Answers as it did when it was asked this first.
    Stale,
    /// Answers after so many milliseconds.
    Slow(u64),
}

struct Rule {
    /// What the request's first line must hold.
    line: &'static str,
    trouble: Trouble,
    /// How often.
    times: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    requests: Vec<String>,
    /// The first answer to each request.
    first: Vec<(String, Vec<u8>)>,
}

/// A bucket behind a proxy.
pub struct Bucket {
    port: u16,
    pub name: String,
    state: Arc<Mutex<State>>,
}

impl Bucket {
    /// A new bucket.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let upstream = server();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        // It ends with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                std::thread::spawn(move || {
                    // A client that went away is what some tests are about.
                    let _ = serve(client, upstream, &state);
                });
            }
        });
        let bucket = Self {
            port,
            name: name.to_owned(),
            state,
        };
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nHost: s3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(upstream, request.as_bytes()).unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        bucket
    }

    /// Puts an object, behind the proxy's back.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.send("PUT", key, bytes);
    }

    /// Removes an object, past the proxy.
    pub fn delete(&self, key: &str) {
        self.send("DELETE", key, b"");
    }

    #[track_caller]
    fn send(&self, method: &str, key: &str, bytes: &[u8]) {
        let (name, length) = (&self.name, bytes.len());
        let head = format!(
            "{method} /{name}/{key} HTTP/1.1\r\nHost: s3\r\nContent-Length: {length}\r\nConnection: \
             close\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/s3/aws4_request\r\n\r\n"
        );
        let answer = exchange(server(), &[head.as_bytes(), bytes].concat()).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// The address of the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes trouble for the next requests whose first line holds this text.
    pub fn trouble(&self, line: &'static str, trouble: Trouble, times: usize) {
        self.state.lock().unwrap().rules.push(Rule {
            line,
            trouble,
            times,
        });
    }

    /// Ends all trouble, and gives how often each rule was not used yet.
    pub fn calm(&self) -> Vec<usize> {
        let rules = std::mem::take(&mut self.state.lock().unwrap().rules);
        rules.iter().map(|rule| rule.times).collect()
    }

    /// The first lines of all requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

/// A whole request or answer that tells its length.
fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Some(end) = head_end(&bytes) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.split("content-length:").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
            if bytes.len() >= end + length.unwrap_or(0) {
                return Ok(bytes);
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Sends a request, and gives the answer until the server closes.
fn exchange(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", port))?;
    upstream.write_all(request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The request with a header that ends the connection behind the answer.
fn closing(message: &[u8]) -> Vec<u8> {
    let Some(end) = head_end(message) else {
        return message.to_vec();
    };
    let head = String::from_utf8_lossy(&message[..end - 2]).into_owned();
    let lines = head
        .lines()
        .filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    let mut out = format!("{head}Connection: close\r\n\r\n").into_bytes();
    out.extend_from_slice(&message[end..]);
    out
}

fn serve(mut client: TcpStream, upstream: u16, state: &Mutex<State>) -> std::io::Result<()> {
    let request = read_message(&mut client)?;
    let text = String::from_utf8_lossy(&request);
    let line = text.lines().next().unwrap_or_default().to_owned();
    let trouble = {
        let mut state = state.lock().unwrap();
        state.requests.push(line.clone());
        let mut rules = state.rules.iter_mut();
        let rule = rules.find(|rule| rule.times > 0 && line.contains(rule.line));
        rule.map(|rule| {
            rule.times -= 1;
            rule.trouble
        })
    };
    match trouble {
        Some(Trouble::Reset) => return Ok(()),
        Some(Trouble::Status(status)) => {
            let code = if status == 403 {
                "AccessDenied"
            } else {
                "SlowDown"
            };
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            return client.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
        Some(Trouble::Hang) => std::thread::sleep(Duration::from_secs(6)),
        Some(Trouble::Slow(millis)) => std::thread::sleep(Duration::from_millis(millis)),
        _ => {}
    }
    let mut answer = closing(&exchange(upstream, &closing(&request))?);
    let begin = head_end(&answer).unwrap_or(answer.len());
    let body = answer.len() - begin;
    let stale = {
        let mut state = state.lock().unwrap();
        let first = state.first.iter().find(|(known, _)| *known == line);
        let first = first.map(|(_, answer)| answer.clone());
        if first.is_none() {
            state.first.push((line, answer.clone()));
        }
        first
    };
    match trouble {
        Some(Trouble::Truncate) => answer.truncate(begin + body / 2),
        Some(Trouble::Flip) if body > 0 => answer[begin + body / 2] ^= 4,
        Some(Trouble::Stale) => answer = stale.unwrap_or(answer),
        _ => {}
    }
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Both)
}
