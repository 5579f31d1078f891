//! Queries to a PostgreSQL server as data sources: a real one.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::postgres::{Database, breaking};
use crate::support::Project;

/// A project without anything.
pub fn project() -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project
}

/// The arguments that add the data `rows`.
pub fn add<'a>(connection: &'a str, query: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "data",
        "add",
        "rows",
        "--postgres",
        connection,
        "--query",
        query,
        "--order-by",
        "id",
    ];
    first.iter().chain(more).copied().collect()
}

/// A table of many types, not in the order of its IDs.
const MANY: &str = "
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN grade AS int CHECK (VALUE > 0);
CREATE TABLE many (id int8, small int2, wide int4, yes bool, real float4, double float8, money
    numeric(10, 2), label text, code varchar(5), fixed char(3), feeling mood, marked grade, born date,
    local timestamp, moment timestamptz, clock time, key uuid, doc json, docb jsonb);
INSERT INTO many VALUES
    (2, NULL, -7, false, 0.5, 'NaN', NULL, 'Zoë, \"x\"', '', 'ab', 'glad', 3, '2024-02-29',
        '2024-02-29 10:00:00.25', '2024-02-29 10:00:00+02', '12:34:56.5',
        '00112233-4455-6677-8899-aabbccddeeff', '{\"a\": 1}', '{\"b\":2,  \"a\":1}'),
    (1, 3, 2147483647, true, 1.5, 1e300, 12.5, 'a', 'b', 'abc', 'sad', 1, '0001-01-01',
        '9999-12-31 23:59:59.999999', '1969-12-31 19:00:00-05', '24:00:00',
        'FFFFFFFF-ffff-ffff-ffff-ffffffffffff', 'null', '[]'),
    (3, NULL, NULL, NULL, NULL, NULL, -0.01, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL);
";
const SAME: &str = r#"id,small,wide,yes,real,double,money,label,code,fixed,feeling,marked,born,local,moment,clock,key,doc,docb
1,3,2147483647,true,1.5,1e300,12.5,a,b,abc,sad,1,0001-01-01,9999-12-31T23:59:59.999999,1970-01-01T00:00:00Z,24:00:00,ffffffff-ffff-ffff-ffff-ffffffffffff,null,[]
2,NA,-7,false,0.5,NA,NA,"Zoë, ""x""",,ab ,glad,3,2024-02-29,2024-02-29T10:00:00.25,2024-02-29T08:00:00Z,12:34:56.5,00112233-4455-6677-8899-aabbccddeeff,"{""a"": 1}","{""a"": 1, ""b"": 2}"
3,NA,NA,NA,NA,NA,-0.01,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA
"#;

#[test]
fn every_type_is_the_table_that_a_file_with_the_same_rows_is() {
    let database = Database::new(MANY);
    let project = project();
    let connection = database.trusted();
    let added = project
        .reproof(&add(&connection, "SELECT * FROM many", &["--json"]))
        .json();
    project.write("data/same.csv", SAME);
    let file = [
        "data",
        "add",
        "same",
        "data/same.csv",
        "--null",
        "NA",
        "--json",
        "--type",
        "money=decimal(10, 2)",
        "--type",
        "doc=string",
    ];
    let file = project.reproof(&file).json();
    let (entry, same) = (&added["version"]["entry"], &file["version"]["entry"]);
    assert_eq!(entry["schema"], same["schema"]);
    assert_eq!(entry["content"], same["content"]);
    let source = &entry["source"];
    assert_eq!(source["kind"], "postgres");
    let address = format!(
        "postgresql://postgres@127.0.0.1:{}/{}",
        database.port(),
        database.name
    );
    assert_eq!(source["location"], address.as_str());
    assert_eq!(source["options"]["query"], "SELECT * FROM many");
    // The same through a socket, whose path is another address.
    let socket = format!(
        "host={} port={} dbname={} user=postgres",
        database.socket(),
        database.port(),
        database.name
    );
    let arguments = add(&socket, "SELECT * FROM many", &["--json"]);
    let local = self::project().reproof(&arguments).json();
    assert_eq!(local["version"]["entry"]["content"], entry["content"]);
}

#[test]
fn values_and_types_that_no_table_has_are_named() {
    let database = Database::new("");
    let project = project();
    let connection = database.trusted();
    for (column, says) in [
        (
            "1.5 + 1",
            &[
                "column 'x' is numeric without a number of digits",
                "::numeric(18, 2)",
            ][..],
        ),
        (
            "1::numeric(50, 2)",
            &["column 'x' is of the type numeric(50, 2)"],
        ),
        (
            "'\\x00'::bytea",
            &["column 'x' is of the type bytea", "\"x\"::text"],
        ),
        ("ARRAY[1, 2]", &["column 'x' is of the type int4[]"]),
        ("'1 day'::interval", &["column 'x' is of the type interval"]),
        (
            "'infinity'::date",
            &["column 'x', row 1: the date is infinity", "NULLIF"],
        ),
        ("'-infinity'::timestamptz", &["the timestamp is -infinity"]),
        (
            "'10000-01-01'::date",
            &["it lies outside the years 1 to 9999"],
        ),
        (
            "'4000-01-01 BC'::timestamp",
            &["it lies outside the years 1 to 9999"],
        ),
        ("'NaN'::numeric(10, 2)", &["the numeric value is NaN"]),
        ("ROW(1, 2)", &["column 'x' is of the type record"]),
    ] {
        let query = format!("SELECT 1 AS id, {column} AS x");
        project
            .reproof(&add(&connection, &query, &[]))
            .expect(2)
            .says(says);
    }
    // What the message suggests helps.
    for (column, more) in [
        ("(1.5 + 1)::numeric(18, 2)", &[][..]),
        ("1.5 + 1", &["--type", "x=decimal(18, 2)"]),
        ("1.5 + 1", &["--type", "x=float"]),
        ("ARRAY[1, 2]::text", &[]),
        ("'1 day'::interval::text", &[]),
    ] {
        let query = format!("SELECT 1 AS id, {column} AS x");
        let fresh = self::project();
        fresh.reproof(&add(&connection, &query, more)).expect(0);
    }
    let query = "SELECT 1 AS id, 1.234 AS x";
    project
        .reproof(&add(&connection, query, &["--type", "x=decimal(18, 2)"]))
        .expect(2)
        .says(&["column 'x', row 1: 1.234 is not of the type decimal(18, 2)"]);
    assert_eq!(project.read("reproof.toml"), "");
}

#[test]
fn rows_are_sorted_by_bytes_and_none_is_twice() {
    let database = Database::new(
        "CREATE TYPE level AS ENUM ('low', 'high'); CREATE TABLE t (id text, l level); INSERT INTO t \
         VALUES ('b', 'low'), ('B', 'high'), ('é', 'low'), (NULL, 'high'), ('a', 'high')",
    );
    let project = project();
    let connection = database.trusted();
    project
        .reproof(&add(&connection, "SELECT * FROM t", &[]))
        .expect(0);
    project
        .reproof(&["data", "export", "rows", "out.csv"])
        .expect(0);
    assert_eq!(
        project.read("out.csv"),
        "id,l\n,high\nB,high\na,high\nb,low\né,low\n"
    );
    let mut by_level = add(
        &connection,
        "SELECT l AS id, count(*) AS n FROM t GROUP BY l",
        &[],
    );
    by_level[2] = "levels";
    project.reproof(&by_level).expect(0);
    project
        .reproof(&["data", "export", "levels", "levels.csv"])
        .expect(0);
    assert_eq!(project.read("levels.csv"), "id,n\nhigh,3\nlow,2\n");
    database.sql("INSERT INTO t VALUES ('b', 'high')");
    project
        .reproof(&["data", "commit", "rows", "-m", "x"])
        .expect(2)
        .says(&["rows 4 and 5 of the sorted result are alike in order_by: id='b'"]);
    let mut json = add(&connection, "SELECT '{}'::json AS id", &[]);
    json[2] = "json";
    project
        .reproof(&json)
        .expect(2)
        .says(&["whose values have no order", "::text"]);
}

#[test]
fn mistakes_are_explained_and_nothing_is_written() {
    let database = Database::new("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 5) i");
    let project = project();
    let connection = database.trusted();
    for (query, says) in [
        (
            "SELECT id\nFROM nowhere",
            &[
                "relation \"nowhere\" does not exist",
                "line 2, column 6 of the query",
            ][..],
        ),
        (
            "SELECT id, agge FROM t",
            &["column \"agge\" does not exist", "column 12"],
        ),
        (
            "INSERT INTO t VALUES (9) RETURNING id",
            &["inside another one", "only reads"],
        ),
        ("DELETE FROM t", &["the query gives no columns"]),
        ("SELECT 1 AS id; DELETE FROM t", &["multiple commands"]),
        ("SELECT 1 AS id) AS a; DELETE FROM t; --", &["syntax error"]),
        (
            "SELECT id FROM t FOR UPDATE",
            &["read-only transaction", "only read"],
        ),
        ("SELECT setval('s', 1) AS id", &["does not exist"]),
        ("SELECT 1 / (id - 3) AS id FROM t", &["division by zero"]),
        ("SELECT $1::int AS id", &["parameters"]),
        ("SELECT id, id FROM t", &["both named 'id'"]),
        ("SELECT id + 1 FROM t", &["order_by names 'id'"]),
    ] {
        let call = project.reproof(&add(&connection, query, &[]));
        call.expect(2).says(says);
    }
    assert_eq!(database.sql("SELECT count(*) FROM t"), "5");
    assert_eq!(project.read("reproof.toml"), "");
    database.sql(&format!(
        "ALTER DATABASE {} SET statement_timeout = '200ms'",
        database.name
    ));
    project
        .reproof(&add(&connection, "SELECT pg_sleep(60)::text AS id", &[]))
        .expect(2)
        .says(&["statement timeout", "cancelled"]);
    let nowhere = "host=127.0.0.1 port=1 dbname=shop user=ada";
    project
        .reproof(&add(nowhere, "SELECT 1 AS id", &[]))
        .expect(31)
        .says(&[
            "postgresql://ada@127.0.0.1:1/shop",
            "refused",
            "check that the server runs",
        ]);
    let other = connection.replace(&database.name, "nowhere");
    project
        .reproof(&add(&other, "SELECT 1 AS id", &[]))
        .expect(2)
        .says(&["database \"nowhere\" does not exist"]);
}

#[test]
fn a_table_that_is_written_to_gives_one_state() {
    let database = Database::new(
        "CREATE TABLE t AS SELECT i AS id, 0 AS v FROM generate_series(1, 20000) i; ALTER TABLE t ADD \
         PRIMARY KEY (id)",
    );
    let project = project();
    let connection = database.trusted();
    let mut writer = database.writer();
    let mut input = writer.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        for state in 1..2000 {
            let statements = format!(
                "BEGIN; UPDATE t SET v = {state}; INSERT INTO t VALUES ({}, {state}); COMMIT;\n",
                20_000 + state
            );
            if input.write_all(statements.as_bytes()).is_err() {
                return;
            }
        }
    });
    project
        .reproof(&add(&connection, "SELECT * FROM t", &[]))
        .expect(0);
    let mut states = Vec::new();
    for _ in 0..5 {
        project
            .reproof(&["data", "commit", "rows", "-m", "x"])
            .expect(0);
        let shown = project.reproof(&["data", "show", "rows", "--json"]).json();
        let columns = shown["statistics"]["columns"].as_array().unwrap();
        let value = columns.iter().find(|column| column["name"] == "v").unwrap();
        assert_eq!(value["min"], value["max"], "{shown}");
        let state: u64 = value["min"].as_str().unwrap().parse().unwrap();
        let rows = shown["statistics"]["rows"].as_u64().unwrap();
        assert_eq!(rows, 20_000 + state);
        states.push(rows);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    feeding.join().unwrap();
    assert!(
        states.first() < states.last(),
        "nothing was written meanwhile: {states:?}"
    );
}

#[test]
fn a_connection_that_is_lost_leaves_nothing_behind() {
    let database = Database::new(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 100) AS t FROM generate_series(1, 50000) i",
    );
    let project = project();
    project.write(
        "pipelines/p.yaml",
        "pipeline: p\ndata: churn\nlabel: t\nfeatures: [id]\ntrain: logistic_regression\nsplit: {random: \
         {train: 1}}\nevaluate: {on: train, metrics: [accuracy]}\n",
    );
    for after in [100, 600, 20_000, 3_000_000] {
        let broken = database.at(breaking(&database, after), "postgres") + " sslmode=disable";
        let call = project
            .reproof(&add(&broken, "SELECT * FROM t", &[]))
            .expect(31);
        assert!(
            call.err.contains("postgresql://") || call.err.contains("connection was lost"),
            "{}",
            call.err
        );
        assert!(after < 20_000 || call.err.contains("rows)"), "{}", call.err);
        assert_eq!(project.read("reproof.toml"), "");
        let list = project.reproof(&["data", "list", "--json"]).json();
        assert_eq!(
            list["data"].as_array().unwrap().len() + list["named"].as_array().unwrap().len(),
            0
        );
    }
    // The server ends the connection itself.
    let connection = database.trusted();
    let slow = "SELECT id, t, pg_sleep(0.01)::text AS s FROM t";
    let child = project
        .command(&add(&connection, slow, &[]))
        .stderr(std::process::Stdio::piped())
        .spawn();
    let child = child.unwrap();
    let began = Instant::now();
    while !database.terminate() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "the query never ran"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(31), "{err}");
    assert!(
        err.contains("terminating connection due to administrator command"),
        "{err}"
    );
    // Afterwards it works as ever.
    project
        .reproof(&add(&connection, "SELECT * FROM t", &[]))
        .expect(0);
}

#[test]
fn stopping_ends_the_query_at_once_there_too() {
    let database = Database::new("");
    let project = project();
    let connection = database.trusted();
    let query = "SELECT pg_sleep(600)::text AS id";
    let child = project
        .command(&add(&connection, query, &[]))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reproof' AND datname = \
                  current_database() AND state = 'active'";
    let began = Instant::now();
    while database.sql(active) == "0" {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "the query never ran"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    let began = Instant::now();
    while database.sql(active) != "0" {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the query goes on"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(project.read("reproof.toml"), "");
}

#[test]
fn another_result_is_refused_by_locked_and_a_version_needs_no_server() {
    let database = Database::new(
        "CREATE TABLE t AS SELECT i AS id, i * 37 % 101 / 10.0::float8 AS x, i * 37 % 101 > 50 AS yes FROM \
         generate_series(1, 300) i",
    );
    let project = project();
    let connection = database.trusted();
    let pipeline = |data: &str| {
        let rest = "label: yes\nfeatures: [x]\nsplit: {random: {train: 0.6, eval: 0.4}}\ntrain: \
                    logistic_regression\nevaluate: {metrics: [accuracy]}\n";
        let text = format!(
            "pipeline: p\ndata: {data}\n{}",
            rest.replace("yes", "\"yes\"")
        );
        project.write("pipelines/p.yaml", &text);
    };
    pipeline("rows");
    project
        .reproof(&add(&connection, "SELECT * FROM t", &[]))
        .expect(0);
    let first = project.record(&[]);
    project.reproof(&["data", "tag", "rows", "v1"]).expect(0);
    assert_eq!(project.record(&["--locked"]), first);
    database.sql("DELETE FROM t WHERE id = 7; UPDATE t SET x = 3 WHERE id = 8");
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["is not the version that the lock file pins", "299"]);
    assert_ne!(project.record(&[]), first);
    let log = project.reproof(&["data", "log", "rows", "--json"]).json();
    assert_eq!(log["versions"].as_array().unwrap().len(), 2);
    project.edit("reproof.toml", "127.0.0.1", "nowhere.invalid");
    project.reproof(&["run"]).expect(31);
    pipeline("{version: rows@v1}");
    assert_eq!(project.record(&[]), first);
}

#[test]
fn tables_of_very_many_columns_are_read_in_parts() {
    let columns: Vec<_> = (0..300)
        .map(|index| format!("i * {index} AS c{index}"))
        .collect();
    let query = format!(
        "SELECT i AS id, {} FROM generate_series(1, 50) i",
        columns.join(", ")
    );
    let database = Database::new("");
    let project = project();
    let connection = database.trusted();
    let added = project
        .reproof(&add(&connection, &query, &["--json"]))
        .json();
    let mut csv: String = "id".to_owned();
    csv.extend((0..300).map(|index| format!(",c{index}")));
    for i in 1..=50 {
        csv.push_str(&format!("\n{i}"));
        csv.extend((0..300).map(|index| format!(",{}", i * index)));
    }
    project.write("wide.csv", &csv);
    let file = project
        .reproof(&["data", "add", "wide", "wide.csv", "--json"])
        .json();
    assert_eq!(
        added["version"]["entry"]["content"],
        file["version"]["entry"]["content"]
    );
    let random = query.replace("AS c299", "* random() AS c299");
    let mut arguments = add(&connection, &random, &[]);
    arguments[2] = "other";
    project
        .reproof(&arguments)
        .expect(2)
        .says(&["other rows each time it is asked", "random()"]);
}
