//! Chains beyond those of format 1.

use proptest::prelude::*;
use reproof_record::to_canonical;
use serde_json::{Value, json};

use super::*;
use crate::split::tests::threads;
use crate::table::tests::{table, tables};
use crate::{ColumnData, Table, Threads};

const NAN: f64 = f64::NAN;

#[allow(clippy::needless_pass_by_value)] // Shorter at the many places that call it.
fn fit_column(data: ColumnData, chain: Value) -> Result<Fitted, TableError> {
    let chains = serde_json::from_value(json!({"a": chain})).unwrap();
    fit(&table(vec![("a", data)]), &chains, Threads::ONE)
}

fn strings(values: &[Option<&str>]) -> ColumnData {
    ColumnData::String(values.iter().copied().collect())
}

fn floats(values: &[f64]) -> ColumnData {
    ColumnData::Float(values.to_vec())
}

/// What the state makes of a part, by column.
fn applied(fitted: &Fitted, data: ColumnData) -> Result<String, TableError> {
    let part = fitted.apply(&table(vec![("a", data)]), Threads::ONE)?;
    let columns = part.schema().columns().iter().zip(part.columns());
    let texts = columns.map(|(column, data)| match data {
        ColumnData::Float(values) => format!("{}: {values:?}", column.name),
        other => panic!("{other:?}"),
    });
    Ok(texts.collect::<Vec<_>>().join("; "))
}

/// Fits a chain on a column, checks what it makes of it, and gives the stored state of it.
#[track_caller]
fn check(data: ColumnData, chain: Value, expect: &str) -> Value {
    let fitted = fit_column(data.clone(), chain).unwrap();
    let bytes = to_canonical(&fitted).unwrap();
    let stored: Fitted = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(stored, fitted);
    assert_eq!(applied(&stored, data).unwrap(), expect);
    let state: Value = serde_json::from_slice(&bytes).unwrap();
    state["features"]["a"].clone()
}

#[track_caller]
fn refused(data: ColumnData, chain: Value, expect: &str) {
    let error = fit_column(data, chain).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn fillings() {
    let data = || floats(&[4.0, NAN, 1.0, 4.0, 2.0]);
    for (fill, value) in [
        ("mean", "2.75"),
        ("median", "3.0"),
        ("min", "1.0"),
        ("max", "4.0"),
        ("mode", "4.0"),
    ] {
        let state = check(
            data(),
            json!([{ "fill": fill }]),
            &format!("a: [4.0, {value}, 1.0, 4.0, 2.0]"),
        );
        // The first format can say all of it.
        assert!(state["fill"]["number"].is_number(), "{state}");
    }
    check(
        strings(&[Some("y"), None, Some("x"), Some("x"), Some("y")]),
        json!([{"fill": "mode"}, "one_hot"]),
        "a=x: [0.0, 1.0, 1.0, 1.0, 0.0]; a=y: [1.0, 0.0, 0.0, 0.0, 1.0]",
    );
    let flags = || ColumnData::Boolean(vec![Some(true), None, Some(false)]);
    check(
        flags(),
        json!([{"fill": "max"}, "one_hot"]),
        "a=false: [0.0, 0.0, 1.0]; a=true: [1.0, 1.0, 0.0]",
    );
    check(flags(), json!([{"fill": "mode"}]), "a: [1.0, 0.0, 0.0]");
    refused(
        strings(&[Some("x")]),
        json!([{"fill": "median"}, "one_hot"]),
        "`fill: median` needs numbers",
    );
    for fill in ["median", "min", "max", "mode"] {
        refused(floats(&[NAN]), json!([{ "fill": fill }]), "all its values");
    }
    refused(
        ColumnData::Integer(vec![Some(i64::MAX), None]),
        json!([{"fill": "mode"}, "one_hot"]),
        "beyond 2^53",
    );
}

#[test]
fn scalings() {
    let data = || floats(&[1.0, 2.0, NAN, 5.0]);
    let state = check(
        data(),
        json!([{"scale": "min_max"}]),
        "a: [0.0, 0.25, NaN, 1.0]",
    );
    let expect = json!({"type": "float", "chain": [{"min_max": {"min": 1, "scale": 4}}]});
    assert_eq!(state, expect);
    let outside = || floats(&[-3.0, 9.0, NAN]);
    let fitted = fit_column(data(), json!([{"scale": "min_max"}])).unwrap();
    assert_eq!(applied(&fitted, outside()).unwrap(), "a: [-1.0, 2.0, NaN]");
    let fitted = fit_column(data(), json!([{"scale": "zero_one"}])).unwrap();
    assert_eq!(applied(&fitted, outside()).unwrap(), "a: [0.0, 1.0, NaN]");
    // One value is divided by 1.
    check(
        floats(&[7.0, 7.0]),
        json!([{"scale": "min_max"}]),
        "a: [0.0, 0.0]",
    );
    refused(
        floats(&[f64::INFINITY, 1.0]),
        json!([{"scale": "min_max"}]),
        "infinite",
    );
}

#[test]
fn clips() {
    let data = || floats(&[1.0, 2.0, NAN, 3.0, 4.0, 5.0]);
    check(
        data(),
        json!([{"clip": {"min": 2, "max": 4.5}}]),
        "a: [2.0, 2.0, NaN, 3.0, 4.0, 4.5]",
    );
    check(
        data(),
        json!([{"clip": {"max": 2}}]),
        "a: [1.0, 2.0, NaN, 2.0, 2.0, 2.0]",
    );
    let state = check(
        data(),
        json!([{"clip": {"quantiles": [0.25, 0.875]}}, {"fill": "max"}]),
        "a: [2.0, 2.0, 4.5, 3.0, 4.0, 4.5]",
    );
    let expect = json!([{"clip": {"min": 2, "max": 4.5}}, {"fill": {"number": 4.5}}]);
    assert_eq!(state["chain"], expect);
    for clip in [
        json!({}),
        json!({"min": 1, "quantiles": [0.1, 0.9]}),
        json!({"quantiles": [0.9, 0.1]}),
        json!({"quantiles": [-0.1, 0.5]}),
    ] {
        refused(data(), json!([{ "clip": clip }]), "a clip has bounds");
    }
    refused(
        data(),
        json!([{"clip": {"min": 2, "max": 1}}]),
        "lies above",
    );
    refused(
        strings(&[Some("x")]),
        json!([{"clip": {"min": 1}}, "one_hot"]),
        "`clip` needs numbers",
    );
}

#[test]
fn buckets() {
    let data = || floats(&[0.0, 1.0, NAN, 5.0, 10.0]);
    let state = check(
        data(),
        json!([{"bucketize": {"count": 4}}]),
        "a: [0.0, 0.0, NaN, 2.0, 3.0]",
    );
    assert_eq!(state["chain"][0]["bucketize"], json!([2.5, 5, 7.5]));
    check(
        data(),
        json!([{"bucketize": {"edges": [1, 5]}}, "one_hot"]),
        "a=0: [1.0, 0.0, 0.0, 0.0, 0.0]; a=1: [0.0, 1.0, 0.0, 0.0, 0.0]; \
         a=2: [0.0, 0.0, 0.0, 1.0, 1.0]",
    );
    check(
        data(),
        json!([{"bucketize": {"quantiles": 2}}]),
        "a: [0.0, 0.0, NaN, 1.0, 1.0]",
    );
    // Edges that are equal, or not above the smallest value, are not there.
    let state = check(
        floats(&[0.0, 0.0, 0.0, 1.0]),
        json!([{"bucketize": {"quantiles": 4}}]),
        "a: [0.0, 0.0, 0.0, 1.0]",
    );
    assert_eq!(state["chain"][0]["bucketize"], json!([0.25]));
    check(
        floats(&[3.0, 3.0]),
        json!([{"bucketize": {"count": 5}}]),
        "a: [0.0, 0.0]",
    );
    refused(
        data(),
        json!([{"bucketize": {"edges": [2, 1]}}]),
        "edges of buckets rise",
    );
    refused(
        data(),
        json!([{"bucketize": {"count": 1}}]),
        "2 to 1000 buckets",
    );
    refused(
        floats(&[NAN]),
        json!([{"bucketize": {"count": 2}}]),
        "all its values",
    );
}

#[test]
fn orders() {
    let sizes = || strings(&[Some("small"), Some("large"), None, Some("medium")]);
    check(sizes(), json!(["ordinal"]), "a: [2.0, 0.0, NaN, 1.0]");
    let order = ["small", "medium", "large"];
    check(
        sizes(),
        json!([{"ordinal": {"order": order}}]),
        "a: [0.0, 2.0, NaN, 1.0]",
    );
    check(
        sizes(),
        json!([{"fill": {"constant": "small"}}, {"ordinal": {"order": order}}, {"scale": "min_max"}]),
        "a: [0.0, 1.0, 0.0, 0.5]",
    );
    // Numbers by their size.
    check(
        ColumnData::Integer(vec![Some(10), Some(9), Some(-1), Some(10)]),
        json!(["ordinal"]),
        "a: [2.0, 1.0, 0.0, 2.0]",
    );
    let unknown = |policy: &str| {
        let chain = json!([{"ordinal": {"order": order, "unknown": policy}}]);
        let fitted = fit_column(sizes(), chain).unwrap();
        applied(&fitted, strings(&[Some("huge"), Some("small")]))
    };
    assert_eq!(unknown("missing").unwrap(), "a: [NaN, 0.0]");
    assert_eq!(unknown("other").unwrap(), "a: [3.0, 0.0]");
    let error = unknown("error").unwrap_err().to_string();
    assert!(
        error.starts_with("feature 'a': the value 'huge' in row 1 is not in the order"),
        "{error}"
    );
    refused(
        sizes(),
        json!([{"ordinal": {"order": ["a", "a"]}}]),
        "the values of an order differ",
    );
    refused(sizes(), json!([{"ordinal": {"order": [1]}}]), "type string");
}

#[test]
fn one_hot_codings_with_options() {
    let data = || {
        strings(&[
            Some("x"),
            Some("x"),
            Some("y"),
            Some("z"),
            None,
            Some("y"),
            Some("w"),
        ])
    };
    let state = check(
        data(),
        json!([{"one_hot": {"min_count": 2}}]),
        "a=x: [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]; a=y: [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]; \
         a:other: [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]",
    );
    let expect = json!([{"one_hot": {"categories": ["x", "y"], "rare": ["w", "z"]}}]);
    assert_eq!(state["chain"], expect);
    let unknown = |options: Value| {
        let fitted = fit_column(data(), json!([{ "one_hot": options }])).unwrap();
        applied(&fitted, strings(&[Some("new"), Some("x"), Some("z")]))
    };
    assert_eq!(
        unknown(json!({"min_count": 2})).unwrap(),
        "a=x: [0.0, 1.0, 0.0]; a=y: [0.0, 0.0, 0.0]; a:other: [0.0, 0.0, 1.0]"
    );
    assert_eq!(
        unknown(json!({"min_count": 2, "unknown": "other"})).unwrap(),
        "a=x: [0.0, 1.0, 0.0]; a=y: [0.0, 0.0, 0.0]; a:other: [1.0, 0.0, 1.0]"
    );
    let error = unknown(json!({"unknown": "error"})).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("'new' in row 1 is not in the training part")
    );
    // Two thousand values, of which two are frequent.
    let ids: Vec<String> = (0..2000)
        .map(|id| {
            if id < 20 {
                (id % 2).to_string()
            } else {
                id.to_string()
            }
        })
        .collect();
    let ids = ColumnData::String(ids.iter().map(|id| Some(id.as_str())).collect());
    let fitted = fit_column(ids.clone(), json!([{"one_hot": {"min_count": 5}}])).unwrap();
    assert_eq!(fitted.schema().unwrap().columns().len(), 3);
    refused(ids, json!(["one_hot"]), "`min_count`");
}

#[test]
fn casts() {
    let texts = || strings(&[Some("1.5"), Some(" 20"), None, Some("x")]);
    let missing = json!([{"cast": {"to": "float", "invalid": "missing"}}, {"fill": "min"}]);
    check(texts(), missing, "a: [1.5, 20.0, 1.5, 1.5]");
    refused(
        texts(),
        json!([{"cast": "float"}]),
        "the value 'x' in row 4 is no float",
    );
    for text in ["inf", "NaN", "1e999", "0x10", ""] {
        refused(
            strings(&[Some(text)]),
            json!([{"cast": "float"}]),
            "no float",
        );
    }
    check(
        floats(&[2.9, -2.9, NAN]),
        json!([{"cast": "integer"}]),
        "a: [2.0, -2.0, NaN]",
    );
    refused(floats(&[1e19]), json!([{"cast": "integer"}]), "no integer");
    check(
        ColumnData::Integer(vec![Some(2), Some(10)]),
        json!([{"cast": "string"}, "ordinal"]),
        "a: [1.0, 0.0]",
    );
    check(
        strings(&[Some("true"), Some("False")]),
        json!([{"cast": "boolean"}]),
        "a: [1.0, 0.0]",
    );
    refused(floats(&[2.0]), json!([{"cast": "boolean"}]), "no boolean");
    refused(
        floats(&[2.0]),
        json!([{"cast": "string"}]),
        "a text becomes a number",
    );
    refused(
        floats(&[2.0]),
        json!([{"cast": "date"}]),
        "not cast to date",
    );
}

#[test]
fn days_as_categories() {
    let time = crate::TimeType::Date;
    let days = ["2024-05-01", "2024-01-01"].map(|day| time.parse(day.as_bytes()));
    let data = || ColumnData::Time(time, vec![days[0], days[1], None, days[0]]);
    check(data(), json!(["ordinal"]), "a: [1.0, 0.0, NaN, 1.0]");
    for chain in [
        json!([{"fill": "mode"}, "one_hot"]),
        json!([{"fill": "min"}, "ordinal"]),
        json!([{"ordinal": {"order": [19844, 19723]}}]),
    ] {
        refused(data(), chain, "`cast: string`");
    }
    check(
        data(),
        json!([{"cast": "string"}, {"fill": "mode"}, "ordinal"]),
        "a: [1.0, 0.0, 1.0, 1.0]",
    );
}

#[test]
fn items_have_their_order() {
    for chain in [
        json!([{"fill": "mean"}, {"cast": "integer"}]),
        json!([{"clip": {"min": 0}}, {"clip": {"min": 0}}]),
        json!([{"scale": "z_score"}, {"bucketize": {"count": 2}}]),
        json!(["ordinal", {"bucketize": {"count": 2}}]),
        json!([{"scale": "z_score"}, {"scale": "min_max"}]),
        json!(["one_hot", {"fill": "mean"}]),
    ] {
        refused(floats(&[1.0]), chain, "cannot follow");
    }
}

#[test]
fn the_shortest_form_is_written() {
    let long = json!({"a": [
        {"cast": {"to": "float"}}, {"one_hot": {}}, {"ordinal": {"unknown": "missing"}},
        {"one_hot": {"unknown": "zeros", "min_count": 3}},
    ]});
    let chains: Chains = serde_json::from_value(long).unwrap();
    assert_eq!(
        serde_json::to_value(chains).unwrap(),
        json!({"a": [{"cast": "float"}, "one_hot", "ordinal", {"one_hot": {"min_count": 3}}]})
    );
}

#[test]
fn states_of_the_second_format_are_checked() {
    let check = |chain: Value, expect: &str| {
        let state = json!({
            "format": Fitted::FORMAT_2,
            "features": {"a": {"type": "float", "chain": chain}},
        });
        let error = serde_json::from_value::<Fitted>(state).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(json!([{"three_hot": 1}]), "unknown variant");
    check(json!([{"bucketize": [2, 1]}]), "rise");
    check(json!([{"min_max": {"min": 0, "scale": 0}}]), "positive");
    check(json!([{"clip": {"min": 1, "max": 0}}]), "above");
    check(json!([{"ordinal": {"values": ["a", "a"]}}]), "differ");
    check(
        json!([{"one_hot": {"categories": ["a"], "rare": ["a"]}}]),
        "rare",
    );
    check(
        json!([{"one_hot": {"categories": []}}, {"fill": {"number": 1}}]),
        "cannot follow",
    );
    let mixed =
        json!({"format": Fitted::FORMAT, "features": {"a": {"type": "float", "chain": []}}});
    assert!(serde_json::from_value::<Fitted>(mixed).is_err());
    let mixed = json!({"format": Fitted::FORMAT_2, "features": {"a": {"type": "float"}}});
    assert!(serde_json::from_value::<Fitted>(mixed).is_err());
}

#[test]
fn the_vector_of_the_second_format() {
    let chains: Chains = serde_json::from_value(json!({
        "count": [{"clip": {"quantiles": [0.25, 1]}}, {"fill": "median"}, {"scale": "min_max"}],
        "flag": [{"fill": "mode"}],
        "name": [{"one_hot": {"min_count": 2, "unknown": "error"}}],
        "size": [{"bucketize": {"count": 2}}],
    }))
    .unwrap();
    let fitted = fit(&crate::vectors::sample(), &chains, Threads::ONE).unwrap();
    let state = String::from_utf8(to_canonical(&fitted).unwrap()).unwrap();
    let document = include_str!("../../../../docs/formats/preprocess.md");
    assert!(document.contains(&format!("\n{state}\n")), "{state}");
}

fn many() -> impl Strategy<Value = Chains> {
    let numeric = prop::sample::select(vec![
        json!([{"fill": "median"}, {"scale": "min_max"}]),
        json!([{"clip": {"quantiles": [0.1, 0.9]}}, {"fill": "mode"}, {"scale": "zero_one"}]),
        json!([{"bucketize": {"count": 3}}, "one_hot"]),
        json!([{"bucketize": {"quantiles": 4}}]),
        json!([{"cast": {"to": "integer", "invalid": "missing"}}, {"one_hot": {"min_count": 2}}]),
        json!([{"fill": "max"}, "ordinal"]),
    ]);
    let text = prop::sample::select(vec![
        json!([{"fill": "mode"}, {"one_hot": {"min_count": 2, "unknown": "other"}}]),
        json!(["ordinal", {"scale": "z_score"}]),
        json!([{"cast": {"to": "float", "invalid": "missing"}}]),
    ]);
    (numeric.clone(), numeric, text).prop_map(|(count, size, name)| {
        let chains =
            json!({"count": count, "size": size, "name": name, "flag": [{"fill": "mode"}]});
        serde_json::from_value(chains).unwrap()
    })
}

proptest! {
    /// Neither threads nor the order of the rows change a bit of the state, or of what it makes of
    /// a row; the stored state does the same.
    #[test]
    fn threads_and_order_change_nothing(
        chains in many(),
        (whole, order) in tables().prop_flat_map(|whole| {
            let rows: Vec<usize> = (0..whole.rows()).collect();
            (Just(whole), Just(rows).prop_shuffle())
        }),
    ) {
        let shuffled: Table = whole.take(&order).unwrap();
        let Ok(one) = fit(&whole, &chains, Threads::ONE) else {
            for count in [2, 7] {
                prop_assert!(fit(&shuffled, &chains, threads(count)).is_err());
            }
            return Ok(());
        };
        let prepared = one.apply(&whole, Threads::ONE).unwrap();
        for count in [1, 2, 3, 7] {
            let other = fit(&shuffled, &chains, threads(count)).unwrap();
            let (bytes, expect) = (to_canonical(&other).unwrap(), to_canonical(&one).unwrap());
            prop_assert_eq!(&bytes, &expect);
            let stored: Fitted = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&stored, &one);
            let other = stored.apply(&shuffled, threads(count)).unwrap();
            prop_assert_eq!(other, prepared.take(&order).unwrap());
        }
    }
}
