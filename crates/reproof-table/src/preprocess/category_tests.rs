//! Codes of categories.

use proptest::prelude::*;
use reproof_record::to_canonical;
use serde_json::{Value, json};

use super::*;
use crate::split::tests::threads;
use crate::table::tests::table;
use crate::{ColumnData, Threads};

fn strings(values: &[Option<&str>]) -> ColumnData {
    ColumnData::String(values.iter().copied().collect())
}

#[allow(clippy::needless_pass_by_value)] // Shorter at the many places that call it.
fn fitted(data: ColumnData, chain: Value) -> Result<Fitted, TableError> {
    let chains: Chains = serde_json::from_value(json!({"a": chain})).unwrap();
    let fitted = fit(&table(vec![("a", data)]), &chains, Threads::ONE)?;
    let stored: Fitted = serde_json::from_slice(&to_canonical(&fitted).unwrap()).unwrap();
    assert_eq!(stored, fitted);
    Ok(stored)
}

/// The codes of a part; a missing one is -1.
fn codes(fitted: &Fitted, data: ColumnData) -> Result<Vec<i64>, TableError> {
    let part = fitted.apply(&table(vec![("a", data)]), Threads::ONE)?;
    let Some(ColumnData::Float(values)) = part.column("a") else {
        panic!("floats are wanted");
    };
    let code = |value: &f64| if value.is_nan() { -1 } else { *value as i64 };
    Ok(values.iter().map(code).collect())
}

#[test]
fn codes_are_places_and_the_rare_share_one() {
    let train = || {
        let texts = ["b", "b", "c", "c", "a", "d", "e", "b"].map(Some);
        strings(&[&texts[..], &[None]].concat())
    };
    let part = || strings(&[Some("a"), Some("b"), Some("e"), Some("new"), None]);
    let check = |options: Value, expect: [i64; 5], state: Value| {
        let fitted = fitted(train(), json!([{ "category": options }])).unwrap();
        assert_eq!(codes(&fitted, part()).unwrap(), expect, "{options}");
        let stored = serde_json::to_value(&fitted).unwrap();
        assert_eq!(stored["format"], Fitted::FORMAT_3);
        assert_eq!(
            stored["features"]["a"],
            json!({"type": "string", "chain": [{ "category": state }]})
        );
    };
    let all = json!(["a", "b", "c", "d", "e"]);
    check(json!({}), [0, 1, 4, -1, -1], json!({ "values": all }));
    check(
        json!({"max": 5}),
        [0, 1, 4, -1, -1],
        json!({ "values": all }),
    );
    // Of the equally frequent ones the first by bytes has its own.
    check(
        json!({"max": 4}),
        [0, 1, 3, -1, -1],
        json!({"values": ["a", "b", "c"], "rare": ["d", "e"]}),
    );
    check(
        json!({"max": 5, "unknown": "other"}),
        [0, 1, 4, 4, -1],
        json!({"values": ["a", "b", "c", "d"], "unknown": "other"}),
    );
    check(
        json!({"max": 6, "unknown": "other"}),
        [0, 1, 4, 5, -1],
        json!({"values": all, "unknown": "other"}),
    );
    let strict = fitted(train(), json!([{"category": {"unknown": "error"}}])).unwrap();
    let error = codes(&strict, part()).unwrap_err().to_string();
    assert!(error.contains("'new' in row 4"), "{error}");
}

#[test]
fn values_of_any_type_are_categories() {
    let integers = ColumnData::Integer(vec![Some(10), Some(9), None, Some(10)]);
    let plain = fitted(integers.clone(), json!(["category"])).unwrap();
    // By their texts.
    assert_eq!(codes(&plain, integers.clone()).unwrap(), [0, 1, -1, 0]);
    let filled = fitted(integers.clone(), json!([{"fill": "mode"}, "category"])).unwrap();
    assert_eq!(codes(&filled, integers).unwrap(), [0, 1, 0, 0]);
    let floats = ColumnData::Float(vec![0.0, 5.0, 11.0]);
    let chain = json!([{"bucketize": {"edges": [3, 10]}}, "category"]);
    let buckets = fitted(floats.clone(), chain).unwrap();
    assert_eq!(codes(&buckets, floats).unwrap(), [0, 1, 2]);
    let none = fitted(strings(&[None]), json!(["category"])).unwrap();
    assert_eq!(codes(&none, strings(&[Some("a"), None])).unwrap(), [-1, -1]);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |chain: Value, expect: &str| {
        let error = fitted(strings(&[Some("1")]), chain)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    refused(json!([{"category": {"max": 1}}]), "from 2 to 255");
    refused(json!([{"category": {"max": 256}}]), "from 2 to 255");
    refused(
        json!(["category", "one_hot"]),
        "`one_hot` cannot follow `category`",
    );
    refused(
        json!(["category", {"scale": "z_score"}]),
        "`scale` cannot follow `category`",
    );
}

#[test]
fn damaged_states_are_refused() {
    let sound = json!({
        "format": Fitted::FORMAT_3,
        "features": {"a": {"type": "string", "chain": [
            {"category": {"values": ["a", "b"], "rare": ["c"]}},
        ]}},
    });
    serde_json::from_value::<Fitted>(sound.clone()).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut state = sound.clone();
        change(&mut state);
        assert!(serde_json::from_value::<Fitted>(state).is_err());
    };
    refused(&|state| state["format"] = json!(Fitted::FORMAT));
    refused(&|state| state["format"] = json!(Fitted::FORMAT_2));
    refused(&|state| state["format"] = json!("reproof.preprocess/4"));
    refused(&|state| state["features"]["a"]["chain"] = json!(["category"]));
    refused(&|state| state["features"]["a"]["chain"] = json!([{"ordinal": {"values": ["a"]}}]));
    let categories = |value: Value| {
        move |state: &mut Value| state["features"]["a"]["chain"][0]["category"] = value.clone()
    };
    refused(&categories(json!({"values": ["b", "a"]})));
    refused(&categories(json!({"values": ["a"], "rare": ["a"]})));
    refused(&categories(json!({"values": ["a"], "rare": ["c", "b"]})));
    refused(&categories(json!({"values": ["a"], "more": 1})));
    let many: Vec<String> = (0..255).map(|code| format!("{code:03}")).collect();
    refused(&categories(json!({"values": many, "rare": ["x"]})));
    refused(&categories(json!({"values": many, "unknown": "other"})));
}

#[test]
fn the_vector_of_the_third_format() {
    let chains: Chains = serde_json::from_value(json!({
        "count": [],
        "flag": ["category"],
        "name": [{"category": {"max": 2, "unknown": "other"}}],
        "size": [{"bucketize": {"count": 2}}],
    }))
    .unwrap();
    let fitted = fit(&crate::vectors::sample(), &chains, Threads::ONE).unwrap();
    let state = String::from_utf8(to_canonical(&fitted).unwrap()).unwrap();
    let document = include_str!("../../../../docs/formats/preprocess.md");
    assert!(document.contains(&format!("\n{state}\n")), "{state}");
}

proptest! {
    #[test]
    fn order_and_threads_change_no_code(
        drawn in prop::collection::vec(prop::option::of(0_u16..400), 1..800),
        max in prop::option::of(2_u32..=255),
        other in any::<bool>(),
        count in 2_usize..5,
    ) {
        let mut options = json!({"unknown": if other { "other" } else { "missing" }});
        if let Some(max) = max {
            options["max"] = json!(max);
        }
        let chains: Chains = serde_json::from_value(json!({"a": [{ "category": options }]})).unwrap();
        let column = |values: &[Option<u16>]| {
            let texts: Vec<_> = values.iter().map(|value| value.map(|value| value.to_string())).collect();
            strings(&texts.iter().map(Option::as_deref).collect::<Vec<_>>())
        };
        let part = table(vec![("a", column(&drawn))]);
        let one = fit(&part, &chains, Threads::ONE).unwrap();
        prop_assert_eq!(&fit(&part, &chains, threads(count)).unwrap(), &one);
        let mut turned = drawn.clone();
        turned.reverse();
        let other_order = table(vec![("a", column(&turned))]);
        prop_assert_eq!(&fit(&other_order, &chains, Threads::ONE).unwrap(), &one);
        let found = codes(&one, column(&drawn)).unwrap();
        let most = max.map_or(255, i64::from);
        prop_assert!(found.iter().all(|code| *code < most));
        for (value, code) in drawn.iter().zip(&found) {
            prop_assert_eq!(value.is_none(), *code == -1);
        }
    }
}
