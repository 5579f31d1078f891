//! Who logs in to a PostgreSQL server, and how the way to it is protected.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::postgres::{Database, PASSWORD, certificates};
use crate::queries_postgres::{add, project};
use crate::support::{Call, Project, call};

fn with_password(project: &Project, arguments: &[&str]) -> Call {
    call(project.command(arguments).env("PGPASSWORD", PASSWORD))
}

/// All files below a folder that hold this text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_password_is_used_and_stands_nowhere() {
    let database = Database::new("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 5) i");
    let guarded = database.guarded();
    let query = "SELECT id FROM t";
    let mut said = String::new();
    let mut note = |call: &Call| {
        said.push_str(&call.out);
        said.push_str(&call.err);
    };
    let project = project();
    let without = project.reproof(&add(&guarded, query, &[])).expect(2);
    note(&without);
    without.says(&["asks for a password of 'ada'", "PGPASSWORD"]);
    let wrong = call(
        project
            .command(&add(&guarded, query, &[]))
            .env("PGPASSWORD", "wrong-wrong"),
    );
    note(&wrong);
    let wrong = wrong.expect(2);
    assert!(!wrong.err.contains("wrong-wrong"), "{}", wrong.err);
    wrong.says(&["password authentication failed for user \"ada\""]);
    let right = with_password(&project, &add(&guarded, query, &["--json"]));
    note(&right);
    right.expect(0);
    // From the file of passwords, if nobody else may read it.
    project.write(
        ".pgpass",
        &format!("# Ours.\n*:*:*:ada:{}\n", PASSWORD.replace(' ', "\\ ")),
    );
    let commit = ["data", "commit", "rows", "-m", "x"];
    let shared = project.reproof(&commit);
    note(&shared);
    shared.expect(2).says(&["others may read that file"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(project.path(".pgpass"), mode).unwrap();
    project.reproof(&commit).expect(0);
    std::fs::remove_file(project.path(".pgpass")).unwrap();
    // From a variable that holds the whole connection.
    project.write("pipelines/p.yaml", "
pipeline: p
data: {postgres: {env: SHOP}, query: 'SELECT id, id % 2 = 0 AS even FROM generate_series(1, 200) id', order_by: [id]}
label: even
features: [id]
split: {random: {train: 0.5, eval: 0.5}}
train: logistic_regression
evaluate: {metrics: [accuracy]}
");
    let unset = project.reproof(&["run"]);
    unset
        .expect(2)
        .says(&["the environment variable SHOP is not set"]);
    let url = format!(
        "postgresql://ada:{}@127.0.0.1:{}/{}",
        PASSWORD.replace(' ', "%20"),
        database.port(),
        database.name
    );
    for arguments in [
        &["run"][..],
        &["run", "--json"],
        &["run", "--locked"],
        &["plan"],
        &["data", "list"],
    ] {
        let call = call(project.command(arguments).env("SHOP", &url)).expect(0);
        note(&call);
        assert!(!arguments.contains(&"--json") || call.out.contains("env:SHOP"));
    }
    let broken = url.replace("127.0.0.1", "127.0.0.1:x");
    let call = call(project.command(&["run"]).env("SHOP", broken)).expect(2);
    note(&call);
    call.says(&["the environment variable SHOP: the host must be"]);
    for argument in [format!("{guarded} password='{PASSWORD}'"), url.clone()] {
        let call = project.reproof(&add(&argument, query, &[])).expect(2);
        note(&call);
        call.says(&["a password must not be written into reproof.toml"]);
    }
    assert!(!said.contains("horse"), "{said}");
    assert_eq!(holding(project.root(), "horse"), [""; 0]);
    assert!(project.read("reproof.lock").contains(":env:SHOP\""));
}

#[test]
fn sslmode_is_what_libpq_knows_by_that_name() {
    let database = Database::new("");
    let project = project();
    project.write(
        "ca.pem",
        &std::fs::read_to_string(certificates().join("ca.pem")).unwrap(),
    );
    project.write(
        "other.pem",
        &std::fs::read_to_string(certificates().join("other.pem")).unwrap(),
    );
    let query = "SELECT 1 AS id, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS ssl";
    let by_name = database.trusted().replace("127.0.0.1", "localhost");
    let by_number = database.trusted();
    for (connection, options, expect) in [
        (&by_number, "sslmode=disable", Ok("false")),
        (&by_number, "", Ok("true")),
        (&by_number, "sslmode=require", Ok("true")),
        (
            &by_name,
            "sslmode=verify-full sslrootcert=ca.pem",
            Ok("true"),
        ),
        (
            &by_number,
            "sslmode=verify-ca sslrootcert=ca.pem",
            Ok("true"),
        ),
        (
            &by_number,
            "sslmode=verify-full sslrootcert=ca.pem",
            Err("certificate"),
        ),
        (
            &by_name,
            "sslmode=verify-ca sslrootcert=other.pem",
            Err("certificate"),
        ),
        (
            &by_name,
            "sslmode=verify-full sslrootcert=nowhere.pem",
            Err("nowhere.pem"),
        ),
        (
            &by_name,
            "sslmode=verify-full sslrootcert=reproof.toml",
            Err("no certificate"),
        ),
    ] {
        project.write("reproof.toml", "");
        let connection = format!("{connection} {options}");
        let call = project.reproof(&add(&connection, query, &[]));
        match expect {
            Ok(ssl) => {
                call.expect(0);
                project
                    .reproof(&["data", "export", "rows", "out.csv", "--force"])
                    .expect(0);
                assert_eq!(
                    project.read("out.csv"),
                    format!("id,ssl\n1,{ssl}\n"),
                    "{options}"
                );
            }
            Err(says) => {
                call.expect(2).says(&[says]);
            }
        }
    }
    // A server without TLS, where it is asked for.
    let plain = format!(
        "host=127.0.0.1 port={} dbname=x user=x sslmode=require",
        without_tls()
    );
    let call = project.reproof(&add(&plain, query, &[]));
    call.expect(2).says(&["does not support TLS"]);
}

/// The port of a server that answers that it cannot encrypt.
fn without_tls() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8];
        std::io::Read::read_exact(&mut stream, &mut request).unwrap();
        stream.write_all(b"N").unwrap();
        std::thread::sleep(Duration::from_secs(1));
    });
    port
}
