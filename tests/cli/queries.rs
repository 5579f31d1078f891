//! Queries to SQLite files as data sources.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::support::Project;

/// A table of customers, not in the order of their IDs.
const CUSTOMERS: &str = "
CREATE TABLE customers (id INTEGER PRIMARY KEY, plan TEXT, age INT, spent REAL, since DATE,
    active BOOLEAN, price DECIMAL(10, 2));
INSERT INTO customers VALUES
    (3, 'é', NULL, 1.5, '2024-02-29', 1, 12.1),
    (1, 'basic', 44, 2, '2023-01-01', 0, 3),
    (2, '12', 31, NULL, NULL, 1, NULL);
";
/// The same as CSV, in the order of the IDs.
const SAME: &str = "id,plan,age,spent,since,active,price
1,basic,44,2,2023-01-01,false,3
2,12,31,,,true,
3,é,,1.5,2024-02-29,true,12.1
";
const QUERY: &str = "SELECT * FROM customers";

/// A project with a database of these statements.
fn shop(statements: &str) -> (Project, Connection) {
    let project = Project::empty();
    project.write("reproof.toml", "");
    std::fs::create_dir(project.path("data")).unwrap();
    let database = Connection::open(project.path("data/shop.db")).unwrap();
    database.execute_batch(statements).unwrap();
    (project, database)
}

fn add<'a>(query: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "data",
        "add",
        "customers",
        "--sqlite",
        "data/shop.db",
        "--query",
        query,
    ];
    first.iter().chain(more).copied().collect()
}

#[test]
fn a_result_is_the_table_that_a_file_with_the_same_rows_is() {
    let (project, database) = shop(CUSTOMERS);
    let price = "price=decimal(10, 2)";
    let query = format!("-- Ours.\n{QUERY};\n");
    let arguments = add(&query, &["--order-by", "id", "--type", price, "--json"]);
    let added = project.reproof(&arguments).json();
    project.write("data/same.csv", SAME);
    let file = [
        "data",
        "add",
        "same",
        "data/same.csv",
        "--type",
        price,
        "--json",
    ];
    let file = project.reproof(&file).json();
    let (entry, same) = (&added["version"]["entry"], &file["version"]["entry"]);
    assert_eq!(entry["schema"], same["schema"]);
    assert_eq!(entry["content"], same["content"]);
    let source = &entry["source"];
    assert_eq!(source["kind"], "sqlite");
    assert_eq!(source["location"], "data/shop.db");
    assert_eq!(source["options"]["query"], format!("-- Ours.\n{QUERY}"));
    assert_eq!(source["options"]["order_by"], serde_json::json!(["id"]));
    assert_eq!(source["kept"], false);
    assert_eq!(source["digest"], entry["content"]["digest"]);
    // What was written into reproof.toml is read back.
    let again = ["data", "commit", "customers", "-m", "again"];
    let again = project.reproof(&again).expect(0);
    assert!(again.out.contains("unchanged"), "{}", again.out);
    database
        .execute_batch(
            "UPDATE customers SET age = 45 WHERE id = 1; DELETE FROM customers WHERE id = 2",
        )
        .unwrap();
    project
        .reproof(&["data", "commit", "customers", "-m", "less"])
        .expect(0);
    let arguments = ["data", "diff", "customers@~1", "customers", "--key", "id"];
    let diff = project.reproof(&arguments).expect(0).out;
    assert!(diff.contains("1 removed, 1 changed"), "{diff}");
    let shown = project
        .reproof(&["data", "show", "customers"])
        .expect(0)
        .out;
    let source = format!("source    data/shop.db\nquery     -- Ours.\n          {QUERY}\nrows ");
    assert!(shown.contains(&source), "{shown}");
    // There are no bytes to give back, but values.
    let restore = ["data", "restore", "customers", "out.db"];
    project.reproof(&restore).expect(2).says(&["were not kept"]);
    let export = ["data", "export", "customers@~1", "out.csv"];
    project.reproof(&export).expect(0);
    assert!(
        project
            .read("out.csv")
            .contains("\n1,basic,44,2,2023-01-01,false,3.00\n")
    );
}

/// A pipeline over a query with enough rows of two classes.
fn pipeline(project: &Project) {
    let data = "
  sqlite: data/shop.db
  query_file: queries/rows.sql
  order_by: [id]";
    let text = format!(
        "pipeline: shop\ndata:{data}\nlabel: bought\nfeatures: [x]\nsplit: {{random: {{train: 0.7, eval: \
         0.3}}}}\ntrain: logistic_regression\nevaluate: {{metrics: [accuracy]}}\n"
    );
    project.write("pipelines/shop.yaml", &text);
    project.write("queries/rows.sql", "SELECT id, x, bought FROM rows\n");
}

const ROWS: &str = "
CREATE TABLE rows AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
SELECT i AS id, (i * 37 % 101) / 10.0 AS x, CASE WHEN i * 37 % 101 > 50 THEN 'yes' ELSE 'no' END AS bought
FROM n;
";

/// Runs while nobody else may read the database: it is known.
fn run_without_reading(project: &Project, database: &Connection) -> String {
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let record = project.record(&[]);
    database.execute_batch("ROLLBACK").unwrap();
    record
}

#[test]
fn a_run_reads_it_only_when_it_changed_and_the_lock_pins_it() {
    let (project, database) = shop(ROWS);
    pipeline(&project);
    let first = project.record(&[]);
    let lock = project.read("reproof.lock");
    assert!(
        lock.contains(r#""source":"sqlite{\"order_by\":[\"id\"],\"query\":\""#),
        "{lock}"
    );
    assert!(
        lock.contains(r#"}:data/shop.db""#) && !lock.contains("SELECT"),
        "{lock}"
    );
    std::thread::sleep(Duration::from_millis(2100));
    project.record(&[]);
    assert_eq!(run_without_reading(&project, &database), first);
    // The same rows in another order are the same table.
    database
        .execute_batch("CREATE TABLE copy AS SELECT * FROM rows ORDER BY x; DROP TABLE rows; ALTER TABLE copy RENAME TO rows")
        .unwrap();
    assert_eq!(project.record(&["--locked"]), first);
    database
        .execute_batch("DELETE FROM rows WHERE id = 7")
        .unwrap();
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["is not the version that the lock file pins", "399"]);
    assert_ne!(project.record(&[]), first);
    // Another query is another source.
    project.write(
        "queries/rows.sql",
        "SELECT id, x, bought FROM rows WHERE id > 10",
    );
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["data/shop.db", "is not in the lock file"]);
}

#[test]
fn what_stands_in_the_log_beside_the_database_is_read() {
    let (project, database) = shop(ROWS);
    pipeline(&project);
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.write(".gitignore", "/.reproof/\n");
    project.commit("first");
    project.record(&[]);
    std::thread::sleep(Duration::from_millis(2100));
    project.record(&[]);
    run_without_reading(&project, &database);
    let mode: String = database
        .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    database
        .execute_batch("PRAGMA wal_autocheckpoint=0; DELETE FROM rows WHERE id = 7")
        .unwrap();
    assert!(project.path("data/shop.db-wal").metadata().unwrap().len() > 0);
    let document = project.run(&[]);
    assert_eq!(document["execution"]["data"]["data"]["rows"], 399);
    // The log is neither code nor a change of it.
    let mentions = document.to_string().matches("shop.db-").count();
    assert_eq!(mentions, 0, "{document}");
    assert_eq!(document["execution"]["code"]["dirty"], false, "{document}");
}

#[test]
fn reading_leaves_nothing_beside_a_database_at_rest() {
    let (project, database) = shop(&format!("PRAGMA journal_mode=WAL; {CUSTOMERS}"));
    database.close().unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    project
        .reproof(&add(QUERY, &["--order-by", "id"]))
        .expect(0);
    let names = std::fs::read_dir(project.path("data")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["shop.db"]);
    // An odd name is one, too.
    let odd = "data/shop #1 %41?é.db";
    std::fs::rename(project.path("data/shop.db"), project.path(odd)).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    let mut arguments = add(QUERY, &["--order-by", "id"]);
    (arguments[2], arguments[4]) = ("odd", odd);
    project.reproof(&arguments).expect(0);
}

#[test]
fn a_database_that_is_written_to_gives_one_state_or_another() {
    let statements = "PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); WITH \
        RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t \
        SELECT i, 0 FROM n";
    for mode in ["WAL", "DELETE"] {
        let (project, writer) = shop(&statements.replace("WAL", mode));
        writer.busy_timeout(Duration::from_mins(1)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let done = &done;
            scope.spawn(move || {
                let mut state = 0;
                while !done.load(Ordering::SeqCst) {
                    state += 1;
                    writer.execute("UPDATE t SET v = ?1", [state]).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let order = ["--order-by", "id", "--json"];
            let read = project.reproof(&add("SELECT * FROM t", &order));
            let mut states = Vec::new();
            for _ in 0..4 {
                project
                    .reproof(&["data", "commit", "customers", "-m", "x"])
                    .expect(0);
                let arguments = ["data", "show", "customers", "--json"];
                let shown = project.reproof(&arguments).json();
                states.push(shown);
            }
            done.store(true, Ordering::SeqCst);
            read.expect(0);
            for shown in states {
                let text = shown.to_string();
                let columns = shown["statistics"]["columns"].as_array().unwrap();
                let value = columns.iter().find(|column| column["name"] == "v").unwrap();
                assert_eq!(value["min"], value["max"], "{mode}: {text}");
            }
        });
    }
}

#[test]
fn mistakes_are_explained() {
    let (project, _database) = shop(&format!(
        "{CUSTOMERS} CREATE TABLE odd (id INT, b BLOB, t TEXT); INSERT INTO odd VALUES (1, x'00ff', 'a'), \
         (2, NULL, CAST(x'ff' AS TEXT));"
    ));
    let order: &[&str] = &["--order-by", "id"];
    for (query, more, says) in [
        (
            "SELECT * FROM customer",
            order,
            &["no such table: customer"][..],
        ),
        (
            "SELECT id,\n  agge FROM customers",
            order,
            &["agge", "line 2, column 3 of the query"],
        ),
        (
            "DELETE FROM customers RETURNING id",
            order,
            &["the query writes"],
        ),
        ("DELETE FROM customers", order, &["the query writes"]),
        (
            "SELECT id FROM customers; DELETE FROM customers",
            order,
            &["more than one statement"],
        ),
        ("SELECT 1 AS id) ; --", order, &["syntax error"]),
        (
            "PRAGMA table_info(customers)",
            &["--order-by", "cid"],
            &["inside another one"],
        ),
        (
            "SELECT id, id FROM customers",
            order,
            &["both named 'id'", "AS"],
        ),
        (
            "SELECT id AS x FROM customers",
            order,
            &["order_by names 'id'", "it has x"],
        ),
        ("SELECT ?1 AS id", order, &["parameters"]),
        (
            "SELECT active, plan FROM customers",
            &["--order-by", "active"],
            &[
                "rows 2 and 3 of the sorted result are alike in order_by: active=1",
                "DISTINCT",
            ],
        ),
        (
            "SELECT NULL AS id UNION ALL SELECT NULL",
            order,
            &["rows 1 and 2", "id=a missing value"],
        ),
        (
            "SELECT 1 AS id UNION ALL SELECT 1.0",
            order,
            &["alike in order_by: id=1"],
        ),
        (
            "SELECT id, b FROM odd",
            order,
            &["column 'b', row 1: a blob", "hex(\"b\")"],
        ),
        (
            "SELECT id, t FROM odd",
            order,
            &["column 't', row 2: the text is not UTF-8"],
        ),
        (
            "SELECT * FROM customers",
            &["--order-by", "id", "--type", "plan=integer"],
            &["column 'plan', row 1: 'basic' is not of the type integer"],
        ),
        (
            "SELECT * FROM customers",
            &["--order-by", "id", "--type", "plam=string"],
            &["declares the column 'plam', which the query does not give"],
        ),
        (
            "SELECT * FROM customers",
            &[],
            &["--order-by is missing", "in any order"],
        ),
    ] {
        project.reproof(&add(query, more)).expect(2).says(says);
    }
    assert_eq!(project.read("reproof.toml"), "");
    project.write(
        "data/shop.db",
        "no database at all, but a text that is long enough",
    );
    project
        .reproof(&add(QUERY, order))
        .expect(2)
        .says(&["file is not a database"]);
}

#[test]
fn types_that_were_pinned_stay() {
    let (project, database) = shop(CUSTOMERS);
    project
        .reproof(&add(QUERY, &["--order-by", "id"]))
        .expect(0);
    database
        .execute_batch("UPDATE customers SET active = 2 WHERE id = 3")
        .unwrap();
    let commit = ["data", "commit", "customers", "-m", "x"];
    project.reproof(&commit).expect(2).says(&[
        "column 'active', row 3: 2 is not of the type boolean",
        "--retype",
    ]);
    let retype = [
        "data",
        "commit",
        "customers",
        "-m",
        "x",
        "--retype",
        "--json",
    ];
    let entry = &project.reproof(&retype).json()["version"]["entry"];
    assert_eq!(entry["schema"][5]["type"], "integer");
}

#[test]
fn mistakes_in_files_are_told_with_their_place() {
    let project = Project::empty();
    for (text, says) in [
        (
            "sqlite = \"a.db\"\nquery = \"SELECT 1\"\n",
            &["2:1: 'order_by' is missing", "in any order"][..],
        ),
        (
            "sqlite = \"a.db\"\norder_by = [\"id\"]\n",
            &["2:1: what is asked"],
        ),
        (
            "sqlite = \"a.db\"\nquery = \" ;\"\norder_by = [\"id\", \"id\"]\n",
            &[
                "3:9: the query is empty",
                "4:19: column 'id' is named twice",
            ],
        ),
        (
            "sqlite = \"a.db\"\nquery = \"x\"\nquery_file = \"q.sql\"\norder_by = [\"id\"]\nkeep = true\n",
            &[
                "4:1: the query stands either here",
                "6:1: 'keep' has no use here",
            ],
        ),
        (
            "csv = \"a.csv\"\nquery = \"x\"\n",
            &["3:1: 'query' is for databases"],
        ),
        ("postgresql = \"x\"\n", &["write 'postgres'"]),
        (
            "postgres = \"host=h\"\nquery = \"x\"\norder_by = [\"id\"]\n",
            &["2:12: the database is missing"],
        ),
        (
            "postgres = {env = \"X\", password = \"geheim\"}\nquery = \"x\"\norder_by = [\"id\"]\n",
            &["unknown key 'password'"],
        ),
        (
            "postgres = \"postgresql://ada:geheim@h/shop\"\nquery = \"x\"\norder_by = [\"id\"]\n",
            &[
                "2:12: a password must not stand in this file",
                "PGPASSWORD",
                "{env: NAME}",
            ],
        ),
        (
            "postgres = \"host=h dbname=d password='geheim'\"\nquery = \"x\"\norder_by = [\"id\"]\n",
            &["2:12: a password must not stand in this file"],
        ),
        (
            "postgres = \"host=h dbname=d password=geheim\nquery = 1\n",
            &["reproof.toml:2:"],
        ),
    ] {
        project.write("reproof.toml", &format!("[data.shop]\n{text}"));
        for flag in [None, Some("--json")] {
            let mut command = project.command(&["data", "list"]);
            command.args(flag);
            let call = crate::support::call(&mut command).expect(2);
            assert!(
                !call.err.contains("geheim") && !call.out.contains("geheim"),
                "{call:?}"
            );
            if flag.is_none() {
                call.says(says);
            }
        }
    }
    let missing = "[data.shop]\nsqlite = \"a.db\"\nquery_file = \"q.sql\"\norder_by = [\"id\"]\n";
    project.write("reproof.toml", missing);
    project
        .reproof(&["data", "commit", "shop", "-m", "x"])
        .expect(2)
        .says(&["there is no file q.sql"]);
}
