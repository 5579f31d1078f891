//! `reproof remote`, `push` and `pull`; what is fetched because it is needed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::s3::{Bucket, Trouble};
use crate::support::{Call, Project, call};

/// A program that needs next to nothing, behind the project's data.
const STEPS: &str = "  count:\n    shell: cat words /reproof/in/rows.parquet > /reproof/out/o\n    \
                     code: [words]\n    inputs: {rows: data}\n    outputs: {o: o}\n";

/// A project with a program and an environment of its own.
fn shell() -> Project {
    let project = Project::shell(STEPS);
    project.write("words", "first\n");
    project
}

/// An empty project elsewhere, with a cache of its own.
struct Elsewhere {
    project: Project,
    cache: TempDir,
}

impl Elsewhere {
    fn new() -> Self {
        let project = Project::empty();
        project.write("reproof.toml", "");
        Self {
            project,
            cache: TempDir::new().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = keyed(&self.project, arguments);
        command.env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    fn reproof(&self, arguments: &[&str]) -> Call {
        call(&mut self.command(arguments))
    }

    /// Verifies a record that was pulled.
    #[track_caller]
    fn verifies(&self, record: &str) {
        let verified = self.reproof(&["verify", record]).expect(0);
        assert!(verified.out.contains("identical"), "{}", verified.out);
    }
}

/// A command with the keys of the test's server, and none of those that the machine may have.
fn keyed(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    command
}

fn reproof(project: &Project, arguments: &[&str]) -> Call {
    call(&mut keyed(project, arguments))
}

/// Adds the bucket as the remote `origin`, with a server that may be silent for 2 s.
#[track_caller]
fn add(project: &Project, bucket: &Bucket) {
    let url = format!("s3://{}/team/a", bucket.name);
    let endpoint = bucket.endpoint();
    reproof(
        project,
        &["remote", "add", "origin", &url, "--endpoint", &endpoint],
    )
    .expect(0);
    project.edit("reproof.toml", "endpoint =", "timeout = 2\nendpoint =");
}

fn add_folder(project: &Project, folder: &Path) {
    let url = format!("file://{}", folder.display());
    project
        .reproof(&["remote", "add", "origin", &url])
        .expect(0);
}

#[test]
fn remotes_are_written_into_the_project_file() {
    let project = Project::empty();
    project.write("reproof.toml", "# ours\n[policy]\nlocked = false # yet\n");
    project
        .reproof(&["push"])
        .expect(2)
        .says(&["no remote", "remote add"]);
    project
        .reproof(&[
            "remote",
            "add",
            "origin",
            "s3://bucket/x",
            "--region",
            "eu-west-1",
        ])
        .expect(0);
    project
        .reproof(&["remote", "add", "disk", "file:///srv/x"])
        .expect(0);
    let text = project.read("reproof.toml");
    assert!(
        text.starts_with("# ours\n[policy]\nlocked = false # yet\n"),
        "{text}"
    );
    assert!(text.contains("[remotes.origin]\nurl = \"s3://bucket/x\"\nregion = \"eu-west-1\"\n"));
    let listed = project.reproof(&["remote", "list"]).expect(0);
    assert!(
        listed.out.contains("disk    file:///srv/x\n"),
        "{}",
        listed.out
    );
    assert!(
        listed.out.contains("origin  s3://bucket/x\n"),
        "{}",
        listed.out
    );
    let listed = project.reproof(&["remote", "list", "--json"]).json();
    assert_eq!(listed["remotes"][1]["region"], "eu-west-1");
    project.reproof(&["remote", "remove", "origin"]).expect(0);
    project.reproof(&["remote", "remove", "disk"]).expect(0);
    assert_eq!(
        project.read("reproof.toml").trim_end(),
        "# ours\n[policy]\nlocked = false # yet"
    );
}

#[test]
fn mistakes_with_remotes_are_explained() {
    let project = Project::empty();
    project.write("reproof.toml", "");
    for (url, says) in [
        ("ftp://x", "only s3:// and file://"),
        ("s3://X", "bucket's name"),
        ("file://x", "absolute"),
    ] {
        project
            .reproof(&["remote", "add", "origin", url])
            .expect(2)
            .says(&[says, "s3://BUCKET"]);
    }
    project
        .reproof(&[
            "remote",
            "add",
            "o",
            "s3://bucket",
            "--endpoint",
            "http://example.org",
        ])
        .expect(2)
        .says(&["without TLS", "allow_http"]);
    assert_eq!(
        project.read("reproof.toml"),
        "",
        "a remote that cannot be was written"
    );
    project
        .reproof(&["remote", "add", "origin", "s3://bucket"])
        .expect(0);
    project
        .reproof(&["remote", "add", "origin", "s3://other"])
        .expect(2)
        .says(&["already", "remove"]);
    project
        .reproof(&["remote", "remove", "other"])
        .expect(2)
        .says(&["origin"]);
    project.reproof(&["pull"]).expect(2).says(&["--all"]);
    let mut command = keyed(&project, &["pull", "--all"]);
    command.env_remove("AWS_ACCESS_KEY_ID");
    call(&mut command)
        .expect(2)
        .says(&["no credentials", "AWS_ACCESS_KEY_ID"]);
    project.edit("reproof.toml", "url", "uri");
    project
        .reproof(&["log"])
        .expect(2)
        .says(&["reproof.toml:2:1", "'uri'", "'url'"]);
}

#[test]
fn a_record_travels_through_a_folder() {
    let folder = TempDir::new().unwrap();
    let remote = folder.path().join("a/remote");
    let project = shell();
    let record = project.record(&[]);
    add_folder(&project, &remote);
    let pushed = project.reproof(&["push", "--json"]).json();
    assert_eq!(pushed["new"], 1);
    assert_eq!(pushed["records"][0], record.as_str());
    let again = project
        .reproof(&["push", "origin", &record[..12], "--json"])
        .json();
    let sent = ["new", "entries", "bytes", "executions"].map(|key| again[key].as_u64());
    assert_eq!(sent, [Some(0); 4], "{again}");

    let other = Elsewhere::new();
    add_folder(&other.project, &remote);
    let pulled = other.reproof(&["pull", &record[..8], "--json"]).json();
    assert_eq!(pulled["records"][0], record.as_str());
    assert_eq!(pulled["executions"], 1);
    // From here on there is nothing to ask.
    std::fs::remove_dir_all(&remote).unwrap();
    other.verifies(&record);
    let code = other.project.path("code");
    other
        .reproof(&["checkout", &record, code.to_str().unwrap()])
        .expect(0);
    assert_eq!(other.project.read("code/words"), "first\n");
    let log = other.reproof(&["log"]).expect(0);
    assert!(log.out.contains(&record[..12]), "{}", log.out);
}

#[test]
fn a_record_travels_through_s3_and_only_what_is_missing_moves() {
    let bucket = Bucket::new("travel");
    let project = Project::diabetes();
    let record = project.record(&[]);
    add(&project, &bucket);
    let first = reproof(&project, &["push", "--json"]).json();
    let entries = first["entries"].as_u64().unwrap();
    let second = project.record(&["--set", "seed=7"]);
    let third = reproof(&project, &["push", "--all", "--json"]).json();
    assert_eq!(third["new"], 1);
    assert!(
        third["entries"].as_u64().unwrap() < entries,
        "{first} {third}"
    );

    let other = Elsewhere::new();
    add(&other.project, &bucket);
    bucket.requests();
    let pulled = other.reproof(&["pull", "--all", "--json"]).json();
    assert_eq!(pulled["records"].as_array().unwrap().len(), 2);
    other.verifies(&record);
    other.verifies(&second);
    bucket.requests();
    let again = other.reproof(&["pull", &record, "--json"]).json();
    assert_eq!(again["entries"], 0, "{again}");
    let packs = bucket
        .requests()
        .iter()
        .filter(|line| line.contains("/packs/"))
        .count();
    assert_eq!(packs, 0, "packs were read for nothing");
    // What was pulled serves as if it had been made here.
    other.project.write(
        "pipelines/diabetes.yaml",
        &project.read("pipelines/diabetes.yaml"),
    );
    let data = project.path("data/pima_diabetes.csv");
    std::fs::create_dir_all(other.project.path("data")).unwrap();
    std::fs::copy(data, other.project.path("data/pima_diabetes.csv")).unwrap();
    let run = other.reproof(&["run", "--json"]).json();
    assert_eq!(run["record"], record.as_str());
    let steps = run["execution"]["steps"].as_object().unwrap();
    assert!(
        steps.values().all(|step| step["status"] == "cached"),
        "{run}"
    );
}

#[test]
fn trouble_of_the_network_is_tried_again() {
    let bucket = Bucket::new("trouble");
    let project = shell();
    let record = project.record(&[]);
    add(&project, &bucket);
    let troubles = [
        Trouble::Reset,
        Trouble::Status(500),
        Trouble::Status(503),
        Trouble::Hang,
        Trouble::Truncate,
    ];
    for trouble in troubles {
        bucket.trouble("GET", trouble, 1);
    }
    for trouble in &troubles[..4] {
        bucket.trouble("PUT", *trouble, 1);
    }
    reproof(&project, &["push"]).expect(0);
    let other = Elsewhere::new();
    add(&other.project, &bucket);
    for trouble in troubles {
        bucket.trouble("/packs/", trouble, 1);
        bucket.trouble("/index/", trouble, 1);
        bucket.trouble("/records/", trouble, 1);
    }
    other.reproof(&["pull", &record]).expect(0);
    let unused: usize = bucket.calm().iter().sum();
    assert!(unused < 16, "most of the trouble was not met: {unused}");
    other.verifies(&record);
}

#[test]
fn wrong_bytes_are_refused_and_named() {
    let bucket = Bucket::new("wrong");
    let project = shell();
    let record = project.record(&[]);
    add(&project, &bucket);
    reproof(&project, &["push"]).expect(0);
    for (line, named) in [
        ("GET /wrong/team/a/FORMAT", "FORMAT"),
        ("GET /wrong/team/a/records/", "records/"),
        ("GET /wrong/team/a/index/", "index/"),
        ("GET /wrong/team/a/packs/", "packs/"),
        ("GET /wrong/team/a/executions/", "executions/"),
    ] {
        let other = Elsewhere::new();
        add(&other.project, &bucket);
        bucket.trouble(line, Trouble::Flip, 1000);
        other
            .reproof(&["pull", &record])
            .expect(30)
            .says(&["origin", named]);
        bucket.calm();
        assert!(other.project.store().check().unwrap().damage.is_empty());
        other.reproof(&["pull", &record]).expect(0);
        other.verifies(&record);
    }
}

#[test]
fn a_listing_that_is_behind_hides_nothing_that_is_needed() {
    let bucket = Bucket::new("stale");
    let project = Project::diabetes();
    add(&project, &bucket);
    // The listings of an empty bucket come first, and are all that is ever seen.
    bucket.trouble("GET /stale?", Trouble::Stale, 1000);
    let first = project.record(&[]);
    reproof(&project, &["push"]).expect(0);
    let second = project.record(&["--set", "seed=7"]);
    reproof(&project, &["push"]).expect(0);
    let other = Elsewhere::new();
    add(&other.project, &bucket);
    other.reproof(&["pull", &first, &second]).expect(0);
    bucket.calm();
    other.verifies(&first);
    other.verifies(&second);
}

#[test]
fn a_remote_that_refuses_says_why() {
    let bucket = Bucket::new("refuses");
    let project = Project::diabetes();
    let record = project.record(&[]);
    add(&project, &bucket);
    bucket.trouble("PUT", Trouble::Status(403), 1000);
    reproof(&project, &["push"])
        .expect(31)
        .says(&["origin", "AccessDenied", "s3:PutObject"]);
    bucket.calm();
    bucket.trouble("GET", Trouble::Status(503), 1000);
    reproof(&project, &["push"])
        .expect(31)
        .says(&["cannot be reached", "network"]);
    bucket.calm();
    reproof(&project, &["pull", &record])
        .expect(2)
        .says(&["nothing was pushed"]);
    reproof(&project, &["push"]).expect(0);
    reproof(&project, &["pull", "0123456789abcdef"])
        .expect(2)
        .says(&["has no record"]);
    project.edit("reproof.toml", "s3://refuses", "s3://nowhere");
    reproof(&project, &["push"])
        .expect(31)
        .says(&["no bucket 'nowhere'"]);
    // A port where nobody listens.
    let text = project
        .read("reproof.toml")
        .replace(&bucket.endpoint(), "http://127.0.0.1:9");
    project.write("reproof.toml", &text);
    let refused = reproof(&project, &["push", "--json"]).expect(31);
    let document: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(document["error"]["exit_code"], 31);
}

/// Kills a command once the bucket was asked for so many things whose first line holds this.
fn kill_after(bucket: &Bucket, mut command: Command, line: &str, count: usize) {
    bucket.requests();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let mut seen = 0;
    while seen < count && child.try_wait().unwrap().is_none() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "only {seen} requests"
        );
        seen += bucket
            .requests()
            .iter()
            .filter(|found| found.contains(line))
            .count();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(seen >= count, "it ended after {seen} requests");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn whoever_is_killed_goes_on_the_next_time() {
    let bucket = Bucket::new("killed");
    let project = shell();
    let record = project.record(&[]);
    add(&project, &bucket);
    bucket.trouble("PUT", Trouble::Slow(150), 100_000);
    let other = Elsewhere::new();
    add(&other.project, &bucket);
    for (line, count) in [("/packs/", 1), ("/index/", 1), ("/executions/", 1)] {
        kill_after(&bucket, keyed(&project, &["push"]), line, count);
        // Nothing is believed to be there that is not.
        let call = other.reproof(&["pull", &record]);
        assert!(call.code == 2, "{call:?}");
    }
    bucket.calm();
    reproof(&project, &["push"]).expect(0);
    bucket.trouble("GET", Trouble::Slow(100), 100_000);
    for (line, count) in [("/records/", 1), ("/packs/", 1), ("/packs/", 2)] {
        kill_after(&bucket, other.command(&["pull", &record]), line, count);
    }
    bucket.calm();
    other.reproof(&["pull", &record]).expect(0);
    other.verifies(&record);
}

#[test]
fn what_is_missing_is_fetched_when_it_is_needed() {
    let folder = TempDir::new().unwrap();
    let project = shell();
    let record = project.record(&[]);
    add_folder(&project, folder.path());
    project.reproof(&["push"]).expect(0);

    let other = Elsewhere::new();
    add_folder(&other.project, folder.path());
    let verified = other.reproof(&["verify", &record[..10]]).expect(0);
    assert!(verified.out.contains("identical"), "{}", verified.out);
    verified.says(&["was fetched from 'origin'"]);
    let third = Elsewhere::new();
    add_folder(&third.project, folder.path());
    let shown = third.reproof(&["show", &record]).expect(0);
    assert!(shown.out.contains(&record), "{}", shown.out);
    third
        .reproof(&["show", "0000000000"])
        .expect(2)
        .says(&["nothing here is named"]);

    // A run takes the environment that the lock file names from there, and does not build it.
    let fourth = Elsewhere::new();
    for file in [
        "reproof.toml",
        "reproof.lock",
        "words",
        "data/rows.csv",
        "pipelines/steps.yaml",
    ] {
        fourth.project.write(file, &project.read(file));
    }
    let run = fourth.reproof(&["run", "--locked", "--json"]);
    let run = run
        .says(&["the environment", "was fetched from 'origin'"])
        .json();
    assert_eq!(run["record"], record.as_str());
}
