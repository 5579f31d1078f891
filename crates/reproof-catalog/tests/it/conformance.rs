//! What every implementation of the catalogue must do. Each check is a function over the trait and
//! needs a catalogue of its own, empty.

use std::collections::BTreeMap;

use reproof_catalog::{Catalog, DataTag, ExecutionFilter, Lineage, Named};
use reproof_record::{ArtifactKind, Digest, Execution, ExecutionId, ExecutionKind};

use crate::samples::{
    at, digest, file_digest, key, known, known_blob, name, recipe, record, record_id, run,
    snapshot, step_result, table, verify, version, version_id,
};

type Check = fn(&dyn Catalog);

/// All checks, by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("step results", step_results),
    ("records", records),
    ("families", families),
    ("own seeds", own_seeds),
    ("executions", executions),
    ("all or nothing", all_or_nothing),
    ("filters", filters),
    ("names", names),
    ("facts", facts),
    ("files", files),
    ("sources", sources),
    ("lineage", lineage),
    ("history of data", history_of_data),
];

#[test]
fn sqlite_conforms() {
    for (name, check) in CHECKS {
        println!("{name}");
        let (_folder, catalog) = crate::fresh();
        check(&catalog);
        catalog.check().unwrap();
    }
}

fn step_results(catalog: &dyn Catalog) {
    assert_eq!(catalog.step_results(&key("k")).unwrap(), []);
    let one = step_result("k", "in", "out", 1);
    catalog.add_step_result(&one).unwrap();
    // The same result again, later: it is remembered once, from its first time.
    catalog
        .add_step_result(&step_result("k", "in", "out", 9))
        .unwrap();
    assert_eq!(
        catalog.step_results(&key("k")).unwrap(),
        std::slice::from_ref(&one)
    );
    // The same content with another manifest is the same result; the newest manifest counts.
    let mut again = one;
    again.outputs.get_mut("model").unwrap().manifest = digest("another manifest");
    catalog.add_step_result(&again).unwrap();
    assert_eq!(catalog.step_results(&key("k")).unwrap(), [again.clone()]);
    // Another content is another result.
    let other = step_result("k", "in", "something else", 5);
    catalog.add_step_result(&other).unwrap();
    assert_eq!(catalog.step_results(&key("k")).unwrap(), [again, other]);
    assert_eq!(catalog.step_results(&key("l")).unwrap(), []);
}

fn records(catalog: &dyn Catalog) {
    let (one, other) = (record("r", "a", 2), record("r", "b", 1));
    assert_eq!(catalog.record(&one.id).unwrap(), None);
    catalog.finish(&run(2, Some(&one)), Some(&one)).unwrap();
    catalog.finish(&run(3, Some(&other)), Some(&other)).unwrap();
    // Again, later: it is remembered once, from its first time.
    let later = reproof_catalog::RecordEntry {
        created: at(7),
        ..one.clone()
    };
    catalog.finish(&run(7, Some(&later)), Some(&later)).unwrap();
    assert_eq!(catalog.record(&one.id).unwrap(), Some(one.clone()));
    assert_eq!(catalog.records_of(&recipe("r")).unwrap(), [other, one]);
    assert_eq!(catalog.records_of(&recipe("s")).unwrap(), []);
}

fn families(catalog: &dyn Catalog) {
    let records = [
        record("r", "a", 1),
        record("s", "a", 2),
        record("s", "b", 3),
    ];
    for entry in &records {
        catalog.add_record(entry).unwrap();
    }
    let mut all = vec![recipe("r"), recipe("s")];
    all.sort_unstable();
    assert_eq!(catalog.recipes_without_family().unwrap(), all);
    let (one, other) = (digest("one"), digest("other"));
    catalog
        .set_families(&[(recipe("r"), one), (recipe("s"), other)])
        .unwrap();
    assert_eq!(catalog.recipes_without_family().unwrap(), []);
    catalog.set_families(&[(recipe("s"), one)]).unwrap();
    assert_eq!(catalog.recipes_of_family(&one).unwrap(), all);
    assert_eq!(catalog.recipes_of_family(&other).unwrap(), []);
}

/// What was run for the spread over seeds can be left out.
fn own_seeds(catalog: &dyn Catalog) {
    let own = run(1, None);
    let mut further = run(2, None);
    further.further_seed = Some(reproof_record::Seed(u64::MAX));
    for execution in [&own, &further] {
        catalog.finish(execution, None).unwrap();
    }
    let own_alone = ExecutionFilter {
        own_seed: true,
        ..ExecutionFilter::default()
    };
    assert_eq!(
        catalog.executions(&own_alone).unwrap(),
        std::slice::from_ref(&own)
    );
    let all = catalog.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all, [further, own]);
}

fn executions(catalog: &dyn Catalog) {
    let entry = record("r", "a", 1);
    let (ran, verified) = (run(1, Some(&entry)), verify(2, &entry));
    let failed = run(3, None);
    for execution in [&failed, &ran, &verified] {
        assert_eq!(catalog.execution(&execution.id).unwrap(), None);
        catalog
            .finish(execution, execution.record.map(|_| &entry))
            .unwrap();
        assert_eq!(
            catalog.execution(&execution.id).unwrap().as_ref(),
            Some(execution)
        );
    }
    let all = catalog.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all, [failed, verified, ran]);
}

/// An execution is written once; where it cannot be, its record is not written either.
fn all_or_nothing(catalog: &dyn Catalog) {
    catalog.finish(&run(1, None), None).unwrap();
    let entry = record("r", "a", 1);
    assert!(catalog.finish(&run(1, Some(&entry)), Some(&entry)).is_err());
    assert_eq!(catalog.record(&entry.id).unwrap(), None);
    assert_eq!(
        catalog.execution(&run(1, None).id).unwrap(),
        Some(run(1, None))
    );
}

fn filters(catalog: &dyn Catalog) {
    let (one, two) = (record("r", "a", 1), record("s", "b", 2));
    let first = run(1, Some(&one));
    let second = Execution {
        pipeline: "other; DROP TABLE records".to_owned(),
        lock: None,
        ..run(2, Some(&two))
    };
    let third = verify(3, &one);
    let mut fourth = run(4, None);
    fourth.code.commit = Some("decade".to_owned());
    fourth.steps.remove("train");
    let all = [&first, &second, &third, &fourth];
    for (execution, entry) in all.into_iter().zip([Some(&one), Some(&two), None, None]) {
        catalog.finish(execution, entry).unwrap();
    }
    // Which of the four, newest first.
    let check = |expected: &[usize], change: &dyn Fn(&mut ExecutionFilter)| {
        let mut filter = ExecutionFilter::default();
        change(&mut filter);
        let found = catalog.executions(&filter).unwrap();
        let expected: Vec<_> = expected.iter().map(|number| all[number - 1]).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    };
    check(&[4, 3, 2, 1], &|_| {});
    check(&[4, 3], &|filter| filter.limit = Some(2));
    check(&[], &|filter| filter.limit = Some(0));
    check(&[4, 3, 1], &|filter| {
        filter.pipeline = Some("churn".to_owned());
    });
    check(&[2], &|filter| {
        filter.pipeline = Some(second.pipeline.clone());
    });
    check(&[], &|filter| filter.pipeline = Some("none".to_owned()));
    check(&[3, 1], &|filter| filter.record = Some(one.id));
    check(&[], &|filter| filter.record = Some(record_id("none")));
    check(&[3], &|filter| filter.kind = Some(ExecutionKind::Verify));
    check(&[3, 2, 1], &|filter| filter.with_record = true);
    check(&[2], &|filter| filter.recipe = Some(two.recipe));
    check(&[4], &|filter| filter.commit = Some("decade".to_owned()));
    check(&[4, 3, 1], &|filter| filter.lock = Some(digest("lock")));
    check(&[3, 2, 1], &|filter| filter.step = Some(key("train")));
    check(&[4, 3, 2, 1], &|filter| filter.data = Some(digest("churn")));
    // It stands in the documents, but as no data.
    check(&[], &|filter| filter.data = Some(digest("model")));
    check(&[2, 1], &|filter| {
        filter.kind = Some(ExecutionKind::Run);
        filter.with_record = true;
    });
    check(&[3], &|filter| {
        filter.record = Some(one.id);
        filter.pipeline = Some("churn".to_owned());
        filter.limit = Some(1);
    });
}

fn names(catalog: &dyn Catalog) {
    let entry = record("r", "a", 1);
    let execution = run(1, Some(&entry));
    catalog.finish(&execution, Some(&entry)).unwrap();
    let check = |prefix: &str, expected: &[Named]| {
        assert_eq!(catalog.resolve(prefix).unwrap(), expected, "{prefix}");
    };
    let id = execution.id.to_string();
    let known = [
        ("record:", entry.id.to_string(), Named::Record(entry.id)),
        (
            "recipe:",
            entry.recipe.to_string(),
            Named::Recipe(entry.recipe),
        ),
        (
            "data:",
            table("churn").digest.to_hex(),
            Named::Data(table("churn").digest),
        ),
        (
            "x:",
            id[id.len() - 12..].to_owned(),
            Named::Execution(execution.id),
        ),
    ];
    for (prefix, digits, named) in &known {
        for length in [6, 12, digits.len()] {
            let part = &digits[..length];
            check(part, &[*named]);
            check(&format!("{prefix}{part}"), &[*named]);
            let others = known.iter().filter(|(other, _, _)| other != prefix);
            for (other, _, _) in others {
                check(&format!("{other}{part}"), &[]);
            }
        }
        // One digit more or another last one names nothing.
        check(&format!("{}0", &digits[..digits.len() - 1]).repeat(2), &[]);
    }
    check(&id, &[Named::Execution(execution.id)]);
    check(&format!("x:{id}"), &[Named::Execution(execution.id)]);
    check(&ExecutionId::new(at(9), [0; 10]).to_string(), &[]);
    for nothing in [
        "", "x:", "record:", "g", "%", "_", "'", "ABC", "other:ab", "é", "a b",
    ] {
        check(nothing, &[]);
    }
    check(&"0".repeat(65), &[]);
    // Several things with one beginning are all given, each once, and at most 50 of them.
    for second in 2..200 {
        let entry = record(&second.to_string(), "a", second);
        catalog
            .finish(&run(second, Some(&entry)), Some(&entry))
            .unwrap();
    }
    let found = catalog.resolve("record:a").unwrap();
    assert!(found.len() > 1 && found.len() <= 50, "{}", found.len());
    assert!(found.is_sorted());
    let all: Vec<_> = (0..16)
        .flat_map(|digit| catalog.resolve(&format!("{digit:x}")).unwrap())
        .collect();
    let data = all.iter().filter(|named| matches!(named, Named::Data(_)));
    assert!(data.count() <= 1);
}

fn facts(catalog: &dyn Catalog) {
    let blobs: Vec<Digest> = (0..300).map(|number| digest(&number.to_string())).collect();
    assert_eq!(catalog.facts(&blobs).unwrap(), BTreeMap::new());
    assert_eq!(catalog.facts(&[]).unwrap(), BTreeMap::new());
    catalog.set_facts(&[]).unwrap();
    let some: Vec<_> = blobs
        .iter()
        .step_by(2)
        .map(|blob| (*blob, known_blob(3)))
        .collect();
    catalog.set_facts(&some).unwrap();
    assert_eq!(
        catalog.facts(&blobs).unwrap(),
        some.iter().cloned().collect()
    );
    // The last that was seen counts.
    catalog.set_facts(&[(blobs[0], known_blob(8))]).unwrap();
    let newest = catalog.facts(&blobs[..1]).unwrap();
    assert_eq!(newest[&blobs[0]], known_blob(8));
    assert!(known_blob(3).is_settled() && !known_blob(1).is_settled());
    assert!(known(3).holds_for(&known(3).facts));
    assert!(!known(1).holds_for(&known(1).facts));
    let mut moved = known(3).facts;
    moved.inode -= 1;
    assert!(!known(3).holds_for(&moved));
}

fn files(catalog: &dyn Catalog) {
    let paths = ["train.py", "lib/é \"x\" 'y'.py", "a\\b", ""];
    assert_eq!(catalog.file_digests(&paths).unwrap(), BTreeMap::new());
    let some = [
        (paths[0].to_owned(), file_digest("one", 1)),
        (paths[1].to_owned(), file_digest("two", 2)),
    ];
    catalog.set_file_digests(&some).unwrap();
    assert_eq!(
        catalog.file_digests(&paths).unwrap(),
        some.into_iter().collect()
    );
    catalog
        .set_file_digests(&[(paths[0].to_owned(), file_digest("three", 3))])
        .unwrap();
    let found = catalog.file_digests(&paths[..1]).unwrap();
    assert_eq!(found[paths[0]], file_digest("three", 3));
}

fn sources(catalog: &dyn Catalog) {
    let source = r#"{"path":"data/churn.csv"}"#;
    assert_eq!(catalog.source(source).unwrap(), None);
    catalog.set_source(source, &snapshot("one")).unwrap();
    catalog.set_source("another", &snapshot("two")).unwrap();
    assert_eq!(catalog.source(source).unwrap(), Some(snapshot("one")));
    catalog.set_source(source, &snapshot("three")).unwrap();
    assert_eq!(catalog.source(source).unwrap(), Some(snapshot("three")));
}

fn lineage(catalog: &dyn Catalog) {
    catalog
        .add_step_result(&step_result("k", "in", "out", 1))
        .unwrap();
    catalog
        .add_step_result(&step_result("l", "out", "end", 2))
        .unwrap();
    let found = catalog.lineage(&digest("out")).unwrap();
    let produced: Vec<_> = found
        .produced_by
        .iter()
        .map(|made| (made.key, &made.output))
        .collect();
    assert_eq!(produced, [(key("k"), &name("model"))]);
    assert_eq!(found.produced_by[0].kind, ArtifactKind::Model);
    assert_eq!(found.produced_by[0].operation.version, 1);
    let used: Vec<_> = found
        .used_by
        .iter()
        .map(|used| (used.key, &used.input))
        .collect();
    assert_eq!(used, [(key("l"), &name("table"))]);
    assert_eq!(catalog.lineage(&digest("in")).unwrap().produced_by, []);
    assert_eq!(
        catalog.lineage(&digest("nothing")).unwrap(),
        Lineage::default()
    );
}

fn history_of_data(catalog: &dyn Catalog) {
    let churn = name("churn");
    assert_eq!(catalog.data_heads(None).unwrap(), []);
    let (first, second) = (
        version("churn", "a", None, 1),
        version("churn", "b", Some("a"), 2),
    );
    assert!(
        catalog
            .append_version(&first, "data/churn.csv", None)
            .unwrap()
    );
    // Whoever appends to a head that is not there any more is told so, and nothing is changed.
    let lost = version("churn", "c", None, 3);
    assert!(
        !catalog
            .append_version(&lost, "data/churn.csv", None)
            .unwrap()
    );
    assert!(
        !catalog
            .append_version(&lost, "x", Some(&version_id("x")))
            .unwrap()
    );
    assert!(
        catalog
            .append_version(&second, "data/churn.csv", Some(&first.id))
            .unwrap()
    );
    let other = version("other", "a2", None, 4);
    assert!(
        catalog
            .append_version(&other, "data/other.csv", None)
            .unwrap()
    );
    let heads = catalog.data_heads(None).unwrap();
    assert_eq!(
        heads,
        [(churn.clone(), second.id), (name("other"), other.id)]
    );
    assert_eq!(
        catalog.data_heads(Some(&churn)).unwrap(),
        [(churn.clone(), second.id)]
    );
    let all = [first.clone(), second.clone()];
    assert_eq!(catalog.versions_of(&churn).unwrap(), all);
    assert_eq!(
        catalog.versions_holding(&second.content).unwrap(),
        std::slice::from_ref(&second)
    );
    // What a version holds has a name from then on.
    let digits = second.content.to_hex();
    assert_eq!(
        catalog.resolve(&format!("data:{}", &digits[..12])).unwrap(),
        [Named::Data(second.content)]
    );
    catalog.set_head(&churn, &first.id).unwrap();
    assert_eq!(
        catalog.data_heads(Some(&churn)).unwrap(),
        [(churn.clone(), first.id)]
    );
    let tag = |tag: &str, entry| DataTag {
        name: churn.clone(),
        tag: tag.to_owned(),
        entry,
        created: at(9),
    };
    for set in [
        tag("v2", second.id),
        tag("v1", second.id),
        tag("v1", first.id),
    ] {
        catalog.set_data_tag(&set).unwrap();
    }
    let tags = catalog.data_tags(&churn).unwrap();
    assert_eq!(tags, [tag("v1", first.id), tag("v2", second.id)]);
    assert!(catalog.remove_data_tag(&churn, "v2").unwrap());
    assert!(!catalog.remove_data_tag(&churn, "v2").unwrap());
    assert_eq!(catalog.data_tags(&churn).unwrap(), [tag("v1", first.id)]);
}
