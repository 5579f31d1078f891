//! Named data: its history, and what can be done with versions.

use reproof_record::{Digest, VersionEntry};
use serde_json::Value;

use crate::support::Project;

const FIRST: &str = "id,name,price\n1,anvil,10.5\n2,\"rope, long\",3\n3,,7\n";
const SECOND: &str = "id,name,price\n1,anvil,10.5\n3,saw,7\n2,\"rope, long\",4\n4,nails,0.1\n";

/// A project with the data `goods` in two versions, in a git repository.
fn goods() -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "# Ours.\n[policy]\nlocked = false\n");
    project.write(".gitignore", "/.reproof/\n");
    project.write("data/goods.csv", FIRST);
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.git(&["config", "user.name", "Ada L."]);
    project.git(&["config", "user.email", "ada@example.org"]);
    project.commit("first");
    project
        .reproof(&[
            "data",
            "add",
            "goods",
            "data/goods.csv",
            "-m",
            "from the shop",
        ])
        .expect(0);
    project.write("data/goods.csv", SECOND);
    project
        .reproof(&["data", "commit", "goods", "-m", "more of them"])
        .expect(0);
    project
}

fn log(project: &Project) -> Vec<Value> {
    let log = project.reproof(&["data", "log", "goods", "--json"]).json();
    log["versions"].as_array().unwrap().clone()
}

#[test]
fn a_history_says_who_read_what_from_where() {
    let project = goods();
    let toml = project.read("reproof.toml");
    assert_eq!(
        toml,
        "# Ours.\n[policy]\nlocked = false\n\n[data.goods]\ncsv = \"data/goods.csv\"\n"
    );
    let versions = log(&project);
    assert_eq!(versions.len(), 2);
    let (second, first) = (&versions[0], &versions[1]);
    assert_eq!(
        (&second["head"], &first["head"]),
        (&true.into(), &false.into())
    );
    assert_eq!(second["entry"]["parent"], first["id"]);
    assert_eq!(first["entry"]["message"], "from the shop");
    assert_eq!(second["entry"]["rows"], 4);
    assert_eq!(second["entry"]["author"]["name"], "Ada L.");
    assert_eq!(second["entry"]["author"]["email"], "ada@example.org");
    let head = String::from_utf8(project.git(&["rev-parse", "HEAD"]).stdout).unwrap();
    assert_eq!(second["entry"]["commit"], head.trim());
    assert_eq!(second["entry"]["source"]["location"], "data/goods.csv");
    let source = Digest::of(SECOND.as_bytes()).to_string();
    assert_eq!(second["entry"]["source"]["digest"], source.as_str());
    // The ID is the digest of the stored document.
    let id: Digest = second["id"].as_str().unwrap().parse().unwrap();
    let bytes = project.store().read(&id, 1 << 20).unwrap();
    let entry = VersionEntry::from_bytes(&bytes).unwrap();
    assert_eq!(entry.id().unwrap().digest(), &id);

    let text = project.reproof(&["data", "log", "goods"]).expect(0).out;
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].contains("(head)") && lines[0].contains("Ada L.  more of them"),
        "{text}"
    );
    assert!(
        lines[1].contains("3 rows") && lines[1].ends_with("from the shop"),
        "{text}"
    );
    let cut = project
        .reproof(&["data", "log", "goods", "-n", "1"])
        .expect(0)
        .out;
    assert!(cut.ends_with("… 1 more\n"), "{cut}");
    let list = project.reproof(&["data", "list"]).expect(0).out;
    assert!(list.contains("data/goods.csv  4 rows x 3"), "{list}");
}

#[test]
fn what_did_not_change_is_no_version() {
    let project = goods();
    let unchanged = |project: &Project| {
        let call = project
            .reproof(&["data", "commit", "goods", "-m", "again"])
            .expect(0);
        assert!(call.out.contains("unchanged"), "{}", call.out);
        assert_eq!(log(project).len(), 2);
    };
    unchanged(&project);
    // Other bytes, the same values.
    project.write("data/goods.csv", &SECOND.replace('\n', "\r\n"));
    unchanged(&project);
    // A value that is not of the head's type is refused, unless the types are decided anew.
    project.write("data/goods.csv", &SECOND.replace("0.1", "cheap"));
    project
        .reproof(&["data", "commit", "goods", "-m", "odd"])
        .expect(2)
        .says(&["price", "cheap"]);
    project
        .reproof(&["data", "commit", "goods", "-m", "odd", "--retype"])
        .expect(0);
    assert_eq!(log(&project).len(), 3);
}

#[test]
fn of_several_commits_at_once_one_appends() {
    let project = goods();
    project.write("data/goods.csv", &SECOND.replace("0.1", "0.2"));
    let commit = ["data", "commit", "goods", "-m", "cheaper", "--json"];
    let all: Vec<_> = (0..4)
        .map(|_| {
            let mut command = project.command(&commit);
            command
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut appended = 0;
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        appended += u32::from(document["appended"] == true);
    }
    assert_eq!(appended, 1);
    assert_eq!(log(&project).len(), 3);
}

#[test]
fn versions_are_found_by_tag_place_and_digits() {
    let project = goods();
    let versions = log(&project);
    let id = |at: usize| versions[at]["id"].as_str().unwrap().to_owned();
    let shown = |version: &str| {
        let shown = project.reproof(&["data", "show", version, "--json"]).json();
        shown["history"]["id"].as_str().unwrap().to_owned()
    };
    project
        .reproof(&["data", "tag", "goods@~1", "v1"])
        .expect(0);
    let content = versions[1]["entry"]["content"]["digest"].as_str().unwrap();
    for (version, at) in [
        ("goods".to_owned(), 0),
        ("goods@~0".to_owned(), 0),
        ("goods@v1".to_owned(), 1),
        ("goods@~1".to_owned(), 1),
        (format!("goods@{}", &id(1)[..8]), 1),
        (format!("goods@{}", &content[..8]), 1),
        (format!("data:{}", &content[..8]), 1),
    ] {
        assert_eq!(shown(&version), id(at), "{version}");
    }
    // Also by the command that shows whatever has an ID.
    let printed = project.reproof(&["show", "goods@v1"]).expect(0).out;
    let begin = format!("data      {content}");
    assert!(printed.starts_with(&begin), "{printed}");
    let unknown = project.reproof(&["show", "goods@v9"]).expect(2);
    unknown.says(&["nothing here is named 'goods@v9'"]);
    for (version, says) in [
        (
            "goods@~2",
            "data 'goods' has 1 versions before its head, not 2",
        ),
        ("goods@v2", "did you mean 'goods@v1'?"),
        ("good", "did you mean 'goods'?"),
        ("goods@0000", "'reproof data log goods' lists tags and IDs"),
    ] {
        project
            .reproof(&["data", "show", version])
            .expect(2)
            .says(&[says]);
    }
    project
        .reproof(&["data", "log", "godos"])
        .expect(2)
        .says(&["there is no data 'godos' here", "did you mean 'goods'?"]);
    // A tag stays where it is unless it is moved on purpose.
    project
        .reproof(&["data", "tag", "goods", "v1"])
        .expect(2)
        .says(&["is the version", "--move"]);
    project
        .reproof(&["data", "tag", "goods", "v1", "--move"])
        .expect(0);
    assert_eq!(shown("goods@v1"), id(0));
    project
        .reproof(&["data", "tag", "goods", "a b"])
        .expect(2)
        .says(&["cannot be a tag"]);
    project
        .reproof(&["data", "tag", "goods", "v1", "--delete"])
        .expect(0);
    project
        .reproof(&["data", "tag", "goods", "v1", "--delete"])
        .expect(2)
        .says(&["has no tag 'v1'"]);
}

#[test]
fn the_head_may_be_moved() {
    let project = goods();
    let before = log(&project);
    let head = project
        .reproof(&["data", "head", "goods@~1", "--json"])
        .json();
    assert_eq!(head["head"]["id"], before[1]["id"]);
    assert_eq!(log(&project).len(), 1);
    let all = project
        .reproof(&["data", "log", "goods", "--all", "--json"])
        .json();
    assert_eq!(all["versions"].as_array().unwrap().len(), 2);
    // What is appended next comes after it.
    project
        .reproof(&["data", "commit", "goods", "-m", "once more"])
        .expect(0);
    let after = log(&project);
    assert_eq!(after.len(), 2);
    assert_eq!(after[0]["entry"]["parent"], before[1]["id"]);
    assert_eq!(after[0]["entry"]["content"], before[0]["entry"]["content"]);
    let shown = project.reproof(&["data", "head", "goods"]).expect(0).out;
    assert!(shown.contains("once more"), "{shown}");
}

#[test]
fn differences_by_content_and_by_key() {
    let project = goods();
    let diff = |arguments: &[&str]| {
        let all = [&["data", "diff", "goods@~1", "goods"], arguments].concat();
        project.reproof(&all)
    };
    let by_content = diff(&["--json"]).json()["diff"].clone();
    assert_eq!(by_content["added"], 3);
    assert_eq!(by_content["removed"], 2);
    assert_eq!(by_content["changed"], Value::Null);
    let by_key = diff(&["--key", "id", "--json"]).json()["diff"].clone();
    assert_eq!(by_key["added"], 1);
    assert_eq!(by_key["removed"], 0);
    assert_eq!(by_key["changed"], 2);
    assert_eq!(by_key["unchanged"], 1);
    assert_eq!(by_key["changed_columns"]["name"], 1);
    assert_eq!(by_key["samples"]["added"][0]["row"], 4);
    let text = diff(&["--key", "id"]).expect(0).out;
    for line in [
        "rows 3 → 4: 1 added, 0 removed, 2 changed, 1 unchanged",
        "+ row 4  id=4 name=nails price=0.1",
        "~ id=3  name: (missing) → saw",
        "~ id=2  price: 3 → 4",
        "missing 1 → 0",
    ] {
        assert!(text.contains(line), "no '{line}' in:\n{text}");
    }
    diff(&["--key", "ids"])
        .expect(2)
        .says(&["a column 'ids'", "did you mean 'id'?"]);
    let same = project
        .reproof(&["data", "diff", "goods", "goods"])
        .expect(0);
    assert!(same.out.ends_with("nothing differs\n"), "{}", same.out);
}

#[test]
fn columns_that_came_and_went_are_shown() {
    let project = goods();
    project.write(
        "data/goods.csv",
        "id,title,price\n1,anvil,10.5\n2,x,\n3,y,7\n4,z,1\n",
    );
    project
        .reproof(&["data", "commit", "goods", "-m", "other"])
        .expect(0);
    let text = project
        .reproof(&["data", "diff", "goods@~1", "goods"])
        .expect(0)
        .out;
    for line in [
        "+ column title (string)",
        "- column name (string)",
        "rows are compared by id, price",
    ] {
        assert!(text.contains(line), "no '{line}' in:\n{text}");
    }
}

#[test]
fn the_bytes_of_a_source_are_restored() {
    let project = goods();
    std::fs::remove_file(project.path("data/goods.csv")).unwrap();
    project
        .reproof(&["data", "restore", "goods@~1", "old.csv"])
        .expect(0);
    assert_eq!(project.read("old.csv"), FIRST);
    project
        .reproof(&["data", "restore", "goods", "old.csv"])
        .expect(2)
        .says(&["old.csv is there already", "--force"]);
    project
        .reproof(&["data", "restore", "goods", "old.csv", "--force"])
        .expect(0);
    assert_eq!(project.read("old.csv"), SECOND);
    // Without bytes the values are still there.
    project.write("other.csv", FIRST);
    project
        .reproof(&["data", "add", "other", "other.csv", "--no-keep"])
        .expect(0);
    project
        .reproof(&["data", "restore", "other", "x.csv"])
        .expect(2)
        .says(&["were not kept", "data export"]);
    assert!(!project.path("x.csv").exists());
    project
        .reproof(&["data", "export", "other", "x.csv"])
        .expect(0);
    // Nothing else is left in the folder.
    let names: Vec<_> = std::fs::read_dir(project.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".x") || name.starts_with(".old"))
        .collect();
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn damaged_bytes_are_never_restored() {
    let project = goods();
    let digest = Digest::of(FIRST.as_bytes());
    project.damage_blob(&digest);
    project
        .reproof(&["data", "restore", "goods@~1", "old.csv"])
        .expect(30);
    assert!(!project.path("old.csv").exists());
}

#[test]
fn values_are_exported_alike_every_time() {
    let project = goods();
    for (file, expect) in [
        (
            "a.csv",
            "id,name,price\n1,anvil,10.5\n2,\"rope, long\",3\n3,,7\n",
        ),
        (
            "a.jsonl",
            "{\"id\":1,\"name\":\"anvil\",\"price\":10.5}\n\
             {\"id\":2,\"name\":\"rope, long\",\"price\":3}\n\
             {\"id\":3,\"name\":null,\"price\":7}\n",
        ),
    ] {
        project
            .reproof(&["data", "export", "goods@~1", file])
            .expect(0);
        assert_eq!(project.read(file), expect);
    }
    let parquet = |file: &str| {
        project
            .reproof(&["data", "export", "goods@~1", file, "--format", "parquet"])
            .expect(0);
        std::fs::read(project.path(file)).unwrap()
    };
    assert_eq!(parquet("a.parquet"), parquet("b.parquet"));
    // What was exported is the same data.
    project
        .reproof(&["data", "add", "again", "a.parquet"])
        .expect(0);
    let diff = project
        .reproof(&["data", "diff", "goods@~1", "again"])
        .expect(0);
    assert!(diff.out.contains("nothing differs"), "{}", diff.out);
    project
        .reproof(&["data", "export", "goods", "a.txt"])
        .expect(2)
        .says(&["does not tell the format", "--format"]);
}

#[test]
fn statistics_are_a_page_that_needs_nothing_else() {
    let project = goods();
    project.write(
        "data/goods.csv",
        &SECOND.replace("anvil", "<script>alert(1)</script>"),
    );
    project
        .reproof(&["data", "commit", "goods", "-m", "sly"])
        .expect(0);
    project
        .reproof(&["data", "stats", "goods", "--html", "page.html"])
        .expect(0);
    let page = project.read("page.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for part in [
        "<svg",
        "prefers-color-scheme: dark",
        "&lt;script&gt;",
        "4 rows",
    ] {
        assert!(page.contains(part), "no '{part}'");
    }
    for part in ["<script", "http://", "https://", "src=", "url("] {
        assert!(!page.contains(part), "'{part}'");
    }
    project
        .reproof(&["data", "stats", "goods", "--html", "page.html"])
        .expect(2)
        .says(&["is there already"]);
    project
        .reproof(&["data", "stats", "goods", "--html", "page.html", "--force"])
        .expect(0);
    assert_eq!(project.read("page.html"), page);
    let text = project.reproof(&["data", "stats", "goods"]).expect(0).out;
    assert!(text.contains("price"), "{text}");
}

#[test]
fn mistakes_in_adding_are_explained() {
    let project = goods();
    project
        .reproof(&["data", "add", "goods", "data/goods.csv"])
        .expect(2)
        .says(&["data 'goods' is there already"]);
    project
        .reproof(&["data", "add", "new", "data/none.csv"])
        .expect(2)
        .says(&["there is no file data/none.csv"]);
    project
        .reproof(&["data", "add", "new", "/etc/passwd"])
        .expect(2)
        .says(&["is outside the project"]);
    project
        .reproof(&["data", "add", "New", "data/goods.csv"])
        .expect(2)
        .says(&["not a name"]);
    project
        .reproof(&["data", "commit", "gods", "-m", "x"])
        .expect(2)
        .says(&["declares no data 'gods'", "did you mean 'goods'?"]);
    // Nothing of that was written.
    assert!(!project.read("reproof.toml").contains("new"));
    project.write("odd.csv", "a;b\n1;x\n2;-\n");
    let add = [
        "data",
        "add",
        "odd",
        "odd.csv",
        "--delimiter",
        ";",
        "--null",
        "-",
        "--type",
        "a=float",
    ];
    project.reproof(&add).expect(0);
    let toml = project.read("reproof.toml");
    assert!(
        toml.contains("delimiter = \";\"\nnull_tokens = [\"-\"]\nschema = { a = \"float\" }"),
        "{toml}"
    );
}
