//! Data on servers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::s3::{Bucket, Trouble};
use crate::support::{Call, Project, call, statuses};

/// A server of one file that tells its state by a tag, and which requests it got.
struct Server {
    address: String,
    file: Arc<Mutex<Option<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(file: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/data.csv", listener.local_addr().unwrap());
        let file = Arc::new(Mutex::new(Some(file.to_owned())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (served, noted) = (Arc::clone(&file), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut lines = BufReader::new(&stream).lines();
                let mut known = None;
                while let Some(Ok(line)) = lines.next()
                    && !line.is_empty()
                {
                    let line = line.to_ascii_lowercase();
                    known = known.or(line.strip_prefix("if-none-match: ").map(str::to_owned));
                }
                let file = served.lock().unwrap().clone();
                let tag =
                    |file: &str| format!("\"{}\"", reproof_record::Digest::of(file.as_bytes()));
                let (status, body) = match file {
                    None => ("404 Not Found".to_owned(), String::new()),
                    Some(file) if known.as_deref() == Some(&tag(&file)) => {
                        ("304 Not Modified".to_owned(), String::new())
                    }
                    Some(file) => (format!("200 OK\r\nETag: {}", tag(&file)), file),
                };
                noted.lock().unwrap().push(status[..3].to_owned());
                let length = body.len();
                let head = "Connection: close\r\nContent-Length";
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{head}: {length}\r\n\r\n{body}"
                );
            }
        });
        Self {
            address,
            file,
            asked,
        }
    }

    fn put(&self, file: Option<&str>) {
        *self.file.lock().unwrap() = file.map(str::to_owned);
    }

    /// The answers since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// The example, whose data lies at this address.
fn diabetes_at(address: &str) -> Project {
    let project = Project::diabetes();
    project.edit(
        "pipelines/diabetes.yaml",
        "csv: data/pima_diabetes.csv",
        &format!("csv: \"{address}\""),
    );
    project
}

#[test]
fn a_file_on_a_server_is_the_same_data_and_fetched_once() {
    let table = Project::diabetes().read("data/pima_diabetes.csv");
    let server = Server::new(&table);
    let project = diabetes_at(&server.address);
    let first = project.run(&[]);
    assert!(
        first["record"]
            .as_str()
            .unwrap()
            .starts_with("e7293bbf1890")
    );
    assert!(server.asked().contains(&"200".to_owned()));
    let again = project.run(&[]);
    assert!(
        statuses(&again)
            .iter()
            .all(|(_, status)| status == "cached")
    );
    let asked = server.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|status| status == "304"),
        "{asked:?}"
    );
    assert!(project.read("reproof.lock").contains(&server.address));
    // One row less.
    let shorter = table.trim_end().rsplit_once('\n').unwrap().0;
    server.put(Some(&format!("{shorter}\n")));
    project.reproof(&["run", "--locked"]).expect(40).says(&[
        "is not the version that the lock file pins",
        "531 rows, were 532",
    ]);
    let other = project.run(&[]);
    assert_ne!(other["record"], first["record"]);
}

#[test]
fn a_server_that_has_it_no_more_ends_the_run() {
    let server = Server::new("a,has_diabetes\n");
    server.put(None);
    let project = diabetes_at(&server.address);
    project.reproof(&["run"]).expect(31).says(&[
        "data 'data': there is nothing at http://127.0.0.1",
        "look at the address",
    ]);
    let kept = std::fs::read_dir(project.path(".reproof/fetched")).unwrap();
    assert_eq!(kept.count(), 0);
}

#[test]
fn addresses_are_checked_where_they_are_written() {
    for (address, expect) in [
        (
            "https://me:secret@example.org/a.csv",
            "a user and a password must not stand",
        ),
        (
            "http://example.org/a.csv",
            "without TLS only a server on this machine",
        ),
        ("s3://bucket", "the address names no object"),
        ("ftp://example.org/a.csv", "files are not fetched by 'ftp'"),
        ("https:///a.csv", "the address names no host"),
    ] {
        let project = diabetes_at(address);
        let call = project.reproof(&["plan"]).expect(2);
        assert!(call.err.contains(expect), "{address}: {}", call.err);
        assert!(
            call.err.contains("pipelines/diabetes.yaml:"),
            "{}",
            call.err
        );
    }
    let project = Project::empty();
    project.write("reproof.toml", "");
    project
        .reproof(&["data", "add", "a", "http://example.org/a.csv"])
        .expect(2)
        .says(&["without TLS"]);
}

#[test]
fn named_data_may_lie_on_a_server() {
    let server = Server::new("a,b\n1,2\n");
    let project = Project::empty();
    project.write("reproof.toml", "");
    project
        .reproof(&["data", "add", "rows", &server.address])
        .expect(0);
    server.put(Some("a,b\n1,2\n3,4\n"));
    let committed = project
        .reproof(&["data", "commit", "rows", "-m", "more", "--json"])
        .json();
    assert_eq!(committed["version"]["entry"]["rows"], 2, "{committed}");
    project
        .reproof(&["data", "restore", "rows@~1", "first.csv"])
        .expect(0);
    assert_eq!(project.read("first.csv"), "a,b\n1,2\n");
    // What is erased is in no copy, either.
    project
        .reproof(&["data", "erase", "rows", "--reason", "asked", "--yes"])
        .expect(0);
    assert!(!project.path(".reproof/fetched").exists());
    let log = project.reproof(&["data", "log", "rows", "--json"]).json();
    assert_eq!(
        log["versions"][0]["entry"]["source"]["location"],
        json!(server.address)
    );
}

/// A call that may use this bucket.
fn with_bucket(bucket: &Bucket, project: &Project, arguments: &[&str]) -> Call {
    let mut command = project.command(arguments);
    command
        .env("AWS_ENDPOINT_URL", bucket.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1");
    call(&mut command)
}

#[test]
fn an_object_of_s3_is_data() {
    let table = Project::diabetes().read("data/pima_diabetes.csv");
    let bucket = Bucket::new("measured");
    bucket.put("day/pima.csv", table.as_bytes());
    let project = diabetes_at("s3://measured/day/pima.csv");
    let run = || with_bucket(&bucket, &project, &["run", "--json"]);
    let first = run().json();
    assert!(
        first["record"]
            .as_str()
            .unwrap()
            .starts_with("e7293bbf1890")
    );
    let gets = || {
        let requests = bucket.requests();
        requests
            .iter()
            .filter(|line| line.starts_with("GET "))
            .count()
    };
    assert!(gets() > 0);
    let again = run().json();
    assert!(
        statuses(&again)
            .iter()
            .all(|(_, status)| status == "cached")
    );
    assert_eq!(gets(), 0);
    // Another state of it, through trouble.
    let shorter = table.trim_end().rsplit_once('\n').unwrap().0;
    bucket.put("day/pima.csv", format!("{shorter}\n").as_bytes());
    bucket.trouble("GET /measured/", Trouble::Truncate, 1);
    bucket.trouble("GET /measured/", Trouble::Status(503), 1);
    let other = run().json();
    assert_eq!(bucket.calm(), [0, 0]);
    assert_eq!(other["execution"]["data"]["data"]["rows"], 531);
    // No object, and no key in what is told.
    let gone = diabetes_at("s3://measured/none.csv");
    with_bucket(&bucket, &gone, &["run"])
        .expect(31)
        .says(&["there is no object s3://measured/none.csv"]);
}

#[test]
fn objects_of_a_pattern_or_a_folder_are_one_table() {
    let bucket = Bucket::new("daily");
    bucket.put("in/year=2023/a.csv", b"x,y\n1,2\n");
    bucket.put("in/year=2024/a.csv", b"x,y\n3,4\n");
    bucket.put("in/year=2024/notes.txt", b"not data");
    bucket.put("other/a.csv", b"z\n1\n");
    let command = |project: &Project, arguments: &[&str]| with_bucket(&bucket, project, arguments);
    let project = Project::empty();
    project.write("reproof.toml", "");
    let add = |name: &str, address: &str| {
        let added = command(
            &project,
            &["data", "add", name, "--format", "csv", address, "--json"],
        );
        added.json()["version"]["entry"]["rows"].clone()
    };
    assert_eq!(add("pattern", "s3://daily/in/**/*.csv"), 2);
    assert_eq!(add("folder", "s3://daily/in/"), 2);
    let shown = command(&project, &["data", "show", "folder", "--json"]).json();
    assert!(shown.to_string().contains("\"year\""), "{shown}");
    let commit = |more: &[&str]| {
        bucket.requests();
        command(
            &project,
            &[&["data", "commit", "pattern", "-m", "next"], more].concat(),
        )
    };
    let gets = || {
        let requests = bucket.requests().into_iter();
        requests
            .filter(|line| line.contains(".csv"))
            .collect::<Vec<_>>()
    };
    // Nothing is fetched that did not change.
    commit(&[]).expect(0);
    assert_eq!(gets(), [""; 0]);
    bucket.put("in/year=2024/b.csv", b"x,y\n5,6\n7,8\n");
    let committed = commit(&["--json"]).json();
    assert_eq!(committed["version"]["entry"]["rows"], 4, "{committed}");
    let fetched = gets();
    assert!(!fetched.is_empty(), "{fetched:?}");
    assert!(
        fetched.iter().all(|line| line.contains("b.csv")),
        "{fetched:?}"
    );
    // An object of the same size with other bytes, and one that is gone.
    bucket.put("in/year=2023/a.csv", b"x,y\n1,9\n");
    bucket.delete("in/year=2024/b.csv");
    commit(&[]).expect(0);
    command(&project, &["data", "export", "pattern", "now.csv"]).expect(0);
    let now = project.read("now.csv");
    assert!(now.contains("1,9") && !now.contains("5,6"), "{now}");
    // The bytes are kept, too.
    command(&project, &["data", "restore", "pattern@~1", "before"]).expect(0);
    assert_eq!(project.read("before/year=2024/b.csv"), "x,y\n5,6\n7,8\n");
    command(
        &project,
        &[
            "data",
            "add",
            "none",
            "--format",
            "csv",
            "s3://daily/none/*.csv",
        ],
    )
    .expect(2)
    .says(&["no object fits s3://daily/none/*.csv"]);
}

#[test]
fn objects_of_a_folder_are_files_for_programs() {
    let bucket = Bucket::new("pictures");
    bucket.put("in/a/1.txt", b"one");
    bucket.put("in/2.txt", b"two");
    let project = Project::shell(
        "  look:\n    shell: cat /reproof/in/all/2.txt /reproof/in/all/a/1.txt > /reproof/out/o\n    \
         inputs: {all: data}\n    outputs: {o: o}\n",
    );
    project.edit(
        "pipelines/steps.yaml",
        "{csv: data/rows.csv}",
        "{files: \"s3://pictures/in/\"}",
    );
    let run = with_bucket(&bucket, &project, &["run", "--json"]).json();
    assert_eq!(project.output(&run, "look", "o"), "twoone");
    project.edit("pipelines/steps.yaml", "pictures/in/", "pictures/in/2.txt");
    project.reproof(&["run"]).expect(2).says(&[
        "'files' names files inside the project, or of a bucket",
        "'/' at its end",
    ]);
}
