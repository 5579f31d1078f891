use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use reproof_store::fs::RealIo;

use super::*;

/// One answer: what the request must hold, the head, the body, and how much of it is sent.
struct Answer {
    wanted: &'static [&'static str],
    head: &'static str,
    body: &'static [u8],
    sent: usize,
}

fn answer(wanted: &'static [&'static str], head: &'static str, body: &'static [u8]) -> Answer {
    Answer {
        wanted,
        head,
        body,
        sent: body.len(),
    }
}

/// A server that gives these answers, one a connection, and tells what did not fit.
fn serve(answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/data.csv", listener.local_addr().unwrap());
    let wrongs = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&wrongs);
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let request = head(&stream);
            for wanted in answer.wanted {
                let (missing, text) = match wanted.strip_prefix('!') {
                    Some(unwanted) => (request.contains(unwanted), unwanted),
                    None => (!request.contains(wanted), *wanted),
                };
                if missing {
                    told.lock().unwrap().push(format!("{text} in {request}"));
                }
            }
            reply(stream, &answer);
        }
    });
    (address, wrongs)
}

fn head(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let mut head = String::new();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
        head.push_str(&line.to_lowercase());
        head.push('\n');
    }
    head
}

fn reply(mut stream: TcpStream, answer: &Answer) {
    let length = answer.body.len();
    let head = answer.head;
    let text = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.write_all(&answer.body[..answer.sent]);
}

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came of it, and the bytes.
fn fetched(address: &str, known: Option<&str>) -> (Result<Fetched, ObjectError>, Vec<u8>) {
    let sink = Sink::default();
    let mut open = || {
        sink.0.borrow_mut().clear();
        Ok(Box::new(sink.clone()) as Box<dyn Write>)
    };
    let result = fetch(address, known, &BTreeMap::new(), &RealIo, &mut open);
    let bytes = sink.0.borrow().clone();
    (result, bytes)
}

fn new(tag: Option<&str>) -> Fetched {
    Fetched::New {
        tag: tag.map(str::to_owned),
    }
}

fn good(answers: Vec<Answer>, known: Option<&str>, result: &Fetched, bytes: &[u8]) {
    let (address, wrongs) = serve(answers);
    let (found, written) = fetched(&address, known);
    assert_eq!(wrongs.lock().unwrap().as_slice(), [] as [String; 0]);
    assert_eq!(found.unwrap(), *result);
    assert_eq!(written, bytes);
}

#[test]
fn what_did_not_change_is_not_sent() {
    let first = answer(&["!if-none-match"], "200 OK\r\netag: \"a\"", b"1,2\n");
    good(vec![first], None, &new(Some("\"a\"")), b"1,2\n");
    let same = answer(&["if-none-match: \"a\""], "304 Not Modified", b"");
    good(vec![same], Some("\"a\""), &Fetched::Unchanged, b"");
    let other = answer(&[], "200 OK\r\netag: \"b\"", b"3\n");
    good(vec![other], Some("\"a\""), &new(Some("\"b\"")), b"3\n");
}

#[test]
fn a_weak_tag_is_none() {
    let weak = answer(&[], "200 OK\r\netag: W/\"a\"", b"1");
    good(vec![weak], None, &new(None), b"1");
}

#[test]
fn a_transfer_that_breaks_off_goes_on_or_begins_anew() {
    let broken = |head| Answer {
        sent: 3,
        ..answer(&[], head, b"123456")
    };
    let rest = answer(
        &["if-range: \"a\"", "range: bytes=3-"],
        "206 Partial Content\r\ncontent-range: bytes 3-5/6\r\netag: \"a\"",
        b"456",
    );
    let tagged = "200 OK\r\netag: \"a\"";
    good(
        vec![broken(tagged), rest],
        None,
        &new(Some("\"a\"")),
        b"123456",
    );
    // It is another one by now.
    let other = answer(&["if-range: \"a\""], "200 OK\r\netag: \"b\"", b"789");
    good(
        vec![broken(tagged), other],
        None,
        &new(Some("\"b\"")),
        b"789",
    );
    // Without a tag nothing says that the rest belongs to it.
    let whole = answer(&["!range"], "200 OK", b"123456");
    good(vec![broken("200 OK"), whole], None, &new(None), b"123456");
}

#[test]
fn a_busy_server_is_asked_again() {
    let busy = || answer(&[], "503 Service Unavailable", b"");
    let much = answer(&[], "429 Too Many Requests", b"");
    let there = answer(&[], "200 OK", b"1");
    good(vec![busy(), much, there], None, &new(None), b"1");
    let (address, _) = serve((0..=RETRIES).map(|_| busy()).collect());
    let error = fetched(&address, None).0.unwrap_err();
    assert!(error.message.contains("503"), "{error}");
}

#[test]
fn what_cannot_be_had_says_why_at_once() {
    for (head, expect) in [
        ("404 Not Found", "there is nothing at"),
        ("403 Forbidden", "is refused (403"),
        ("401 Unauthorized", "is refused (401"),
        ("418 I'm a teapot", "the server answers 418"),
        (
            "302 Found\r\nlocation: http://example.org/x",
            "redirected to an address without TLS",
        ),
    ] {
        let (address, _) = serve(vec![answer(&[], head, b"")]);
        let (found, written) = fetched(&address, None);
        let error = found.unwrap_err();
        assert!(error.message.contains(expect), "{head}: {error}");
        assert!(!error.hint.is_empty() && written.is_empty());
    }
}

#[test]
fn a_part_that_was_not_asked_for_is_not_taken() {
    let broken = Answer {
        sent: 3,
        ..answer(&[], "200 OK\r\netag: \"a\"", b"123456")
    };
    let other = answer(
        &["range: bytes=3-"],
        "206 Partial Content\r\ncontent-range: bytes 1-2/6\r\netag: \"a\"",
        b"23",
    );
    let whole = answer(&["!range"], "200 OK\r\netag: \"a\"", b"123456");
    good(
        vec![broken, other, whole],
        None,
        &new(Some("\"a\"")),
        b"123456",
    );
}
