use proptest::prelude::*;
use reproof_record::to_canonical;
use serde_json::{Value, json};

use super::*;
use crate::split::tests::threads;
use crate::table::tests::{table, tables};
use crate::{ColumnData, Table, Threads};

fn chains(value: Value) -> Chains {
    serde_json::from_value(value).unwrap()
}

fn strings(values: &[Option<&str>]) -> ColumnData {
    ColumnData::String(values.iter().copied().collect())
}

fn train() -> Table {
    table(vec![
        (
            "age",
            ColumnData::Integer(vec![Some(1), Some(3), None, Some(5)]),
        ),
        (
            "paid",
            ColumnData::Boolean(vec![Some(true), None, Some(false), Some(false)]),
        ),
        ("plan", strings(&[Some("b"), Some("a"), None, Some("b")])),
        ("price", ColumnData::Float(vec![0.1, 0.1, f64::NAN, 0.1])),
    ])
}

fn fitted(chain: Value) -> Fitted {
    fit(&train(), &chains(chain), Threads::ONE).unwrap()
}

fn state(fitted: &Fitted) -> Value {
    serde_json::from_slice(&to_canonical(fitted).unwrap()).unwrap()
}

/// The columns that come out of the training part, by name.
fn prepared(chain: Value) -> Vec<(String, Vec<f64>)> {
    let prepared = fitted(chain).apply(&train(), Threads::ONE).unwrap();
    let names = prepared
        .schema()
        .columns()
        .iter()
        .map(|column| column.name.clone());
    let values = prepared.columns().iter().map(|data| match data {
        ColumnData::Float(values) => values.clone(),
        other => panic!("{other:?}"),
    });
    names.zip(values).collect()
}

fn error(chain: Value) -> String {
    fit(&train(), &chains(chain), Threads::ONE)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_usual_chains() {
    let chain = json!({
        "plan": ["one_hot"],
        "age": [{"fill": "mean"}, {"scale": "z_score"}],
    });
    let expect = json!({
        "format": "reproof.preprocess/1",
        "features": {
            "age": {
                "type": "integer",
                "fill": {"number": 3},
                "z_score": {"mean": 3, "scale": 2.0_f64.sqrt()},
            },
            "plan": {"type": "string", "one_hot": ["a", "b"]},
        },
    });
    assert_eq!(state(&fitted(chain.clone())), expect);
    let root = 2.0_f64.sqrt();
    let expect = [
        ("age", vec![-2.0 / root, 0.0, 0.0, 2.0 / root]),
        ("plan=a", vec![0.0, 1.0, 0.0, 0.0]),
        ("plan=b", vec![1.0, 0.0, 0.0, 1.0]),
    ];
    assert_eq!(
        prepared(chain),
        expect.map(|(name, values)| (name.to_owned(), values))
    );
}

#[test]
fn other_chains() {
    let check = |chain: Value, expect: &[(&str, &[f64])]| {
        let column = expect[0].0.split('=').next().unwrap();
        let prepared = prepared(json!({column: chain}));
        let expect: Vec<_> = expect
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.to_vec()))
            .collect();
        assert_eq!(format!("{prepared:?}"), format!("{expect:?}"));
    };
    let nan = f64::NAN;
    check(json!([]), &[("age", &[1.0, 3.0, nan, 5.0])]);
    check(
        json!([{"fill": {"constant": -1}}]),
        &[("age", &[1.0, 3.0, -1.0, 5.0])],
    );
    check(
        json!([{"fill": {"constant": 3}}, "one_hot"]),
        &[
            ("age=1", &[1.0, 0.0, 0.0, 0.0]),
            ("age=3", &[0.0, 1.0, 1.0, 0.0]),
            ("age=5", &[0.0, 0.0, 0.0, 1.0]),
        ],
    );
    check(json!([]), &[("paid", &[1.0, nan, 0.0, 0.0])]);
    check(
        json!([{"fill": {"constant": true}}]),
        &[("paid", &[1.0, 1.0, 0.0, 0.0])],
    );
    check(
        json!([{"fill": "mean"}]),
        &[("paid", &[1.0, 1.0 / 3.0, 0.0, 0.0])],
    );
    check(
        json!(["one_hot"]),
        &[
            ("paid=false", &[0.0, 0.0, 1.0, 1.0]),
            ("paid=true", &[1.0, 0.0, 0.0, 0.0]),
        ],
    );
    check(
        json!([{"fill": {"constant": "none"}}, "one_hot"]),
        &[
            ("plan=a", &[0.0, 1.0, 0.0, 0.0]),
            ("plan=b", &[1.0, 0.0, 0.0, 1.0]),
            ("plan=none", &[0.0, 0.0, 1.0, 0.0]),
        ],
    );
    // A column of one value: the mean is that value, and the scale is 1.
    check(
        json!([{"scale": "z_score"}]),
        &[("price", &[0.0, 0.0, nan, 0.0])],
    );
}

#[test]
fn what_cannot_be_fitted_names_the_column() {
    let check = |chain: Value, expect: &str| {
        let error = error(chain);
        assert!(error.contains(expect), "{error}");
    };
    check(json!({"gone": []}), "no column 'gone'");
    check(
        json!({"plan": []}),
        "feature 'plan': a text becomes a number by `one_hot`",
    );
    check(
        json!({"plan": [{"scale": "z_score"}]}),
        "feature 'plan': `z_score` needs numbers",
    );
    check(
        json!({"plan": [{"fill": "mean"}, "one_hot"]}),
        "feature 'plan': `fill: mean` needs",
    );
    check(
        json!({"plan": [{"fill": {"constant": 1}}, "one_hot"]}),
        "type string",
    );
    check(
        json!({"age": [{"fill": {"constant": "x"}}]}),
        "type integer",
    );
    check(json!({"paid": [{"fill": {"constant": 1}}]}), "type boolean");
    check(
        json!({"age": ["one_hot", {"scale": "z_score"}]}),
        "cannot follow",
    );
    check(
        json!({"age": [{"fill": "mean"}, {"fill": "mean"}]}),
        "cannot follow",
    );
    check(
        json!({"age": [{"scale": "z_score"}, {"fill": "mean"}]}),
        "cannot follow",
    );
}

#[test]
fn a_column_without_values_cannot_be_fitted() {
    let empty = table(vec![("a", ColumnData::Float(vec![f64::NAN; 3]))]);
    for chain in [
        json!({"a": [{"fill": "mean"}]}),
        json!({"a": [{"scale": "z_score"}]}),
    ] {
        let error = fit(&empty, &chains(chain), Threads::ONE)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("feature 'a': all its values are missing"),
            "{error}"
        );
    }
    let constant = chains(json!({"a": [{"fill": {"constant": 0}}, {"scale": "z_score"}]}));
    assert!(fit(&empty, &constant, Threads::ONE).is_ok());
}

#[test]
fn values_that_are_too_large_are_an_error() {
    for values in [
        vec![f64::MAX, 1e300],
        vec![1e200, -1e200],
        vec![f64::INFINITY, 1.0],
    ] {
        let table = table(vec![("a", ColumnData::Float(values))]);
        let chain = chains(json!({"a": [{"scale": "z_score"}]}));
        let error = fit(&table, &chain, Threads::ONE).unwrap_err().to_string();
        assert!(
            error.contains("feature 'a': its values are infinite, or too large"),
            "{error}"
        );
    }
}

#[test]
fn categories_are_limited() {
    let ids = |count: usize| -> Table {
        let values = (0..count).map(|id| Some(id.to_string())).collect();
        table(vec![("id", ColumnData::String(values))])
    };
    let chain = chains(json!({"id": ["one_hot"]}));
    assert!(fit(&ids(1000), &chain, Threads::ONE).is_ok());
    let error = fit(&ids(1001), &chain, threads(2)).unwrap_err().to_string();
    assert!(
        error.starts_with("feature 'id': `one_hot` would make 1001 columns"),
        "{error}"
    );
}

#[test]
fn features_must_not_share_a_name() {
    let table = table(vec![
        ("a", strings(&[Some("b=c")])),
        ("a=b", strings(&[Some("c")])),
    ]);
    let chain = chains(json!({"a": ["one_hot"], "a=b": ["one_hot"]}));
    let error = fit(&table, &chain, Threads::ONE).unwrap_err().to_string();
    assert_eq!(error, "two columns are named 'a=b=c'");
}

#[test]
fn unknown_texts_and_wrong_types_at_another_part() {
    let fitted = fitted(json!({"plan": ["one_hot"]}));
    let apply = |data: ColumnData| fitted.apply(&table(vec![("plan", data)]), Threads::ONE);
    let part = apply(strings(&[Some("z"), None, Some("a")])).unwrap();
    let expect = [vec![0.0, 0.0, 1.0], vec![0.0, 0.0, 0.0]].map(ColumnData::Float);
    assert_eq!(part.columns(), expect);
    let error = apply(ColumnData::Integer(vec![Some(1)]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "feature 'plan': it was fitted on the type string and the column is of type integer"
    );
    assert!(fitted.apply(&table(vec![]), Threads::ONE).is_err());
}

#[test]
fn no_features_keep_the_rows() {
    let prepared = fitted(json!({})).apply(&train(), Threads::ONE).unwrap();
    assert_eq!((prepared.rows(), prepared.columns().len()), (4, 0));
}

#[test]
fn a_state_that_does_not_fit_together_is_refused() {
    let check = |state: Value, expect: &str| {
        let error = serde_json::from_value::<Fitted>(state)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    let of = |feature: Value| json!({"format": Fitted::FORMAT, "features": {"a": feature}});
    check(
        json!({"format": "reproof.preprocess/3", "features": {}}),
        "preprocess/3",
    );
    check(
        json!({"format": Fitted::FORMAT, "features": {}, "x": 1}),
        "unknown field",
    );
    check(of(json!({"type": "float", "x": 1})), "unknown field");
    check(of(json!({"type": "string"})), "a text becomes a number");
    check(
        of(json!({"type": "string", "one_hot": ["b", "a"]})),
        "sorted",
    );
    check(
        of(json!({"type": "string", "one_hot": ["a", "a"]})),
        "sorted",
    );
    check(
        of(json!({"type": "float", "z_score": {"mean": 0, "scale": 0}})),
        "positive",
    );
    check(
        of(json!({"type": "float", "fill": {"text": "x"}})),
        "filled",
    );
    let scale = json!({"mean": 0, "scale": 1});
    check(
        of(json!({"type": "float", "z_score": scale, "one_hot": []})),
        "either",
    );
    let many: Vec<String> = (0..1001).map(|id| format!("{id:04}")).collect();
    check(
        of(json!({"type": "string", "one_hot": many})),
        "more than 1000",
    );
}

#[test]
fn unknown_chains_are_refused() {
    for chain in [
        json!({"a": ["two_hot"]}),
        json!({"a": [{"fill": "medium"}]}),
        json!({"a": [{"fill": {"constant": [1]}}]}),
        json!({"a": [{"fill": {"constant": 1, "x": 2}}]}),
        json!({"a": [{"fill": "mean", "scale": "z_score"}]}),
    ] {
        assert!(
            serde_json::from_value::<Chains>(chain.clone()).is_err(),
            "{chain}"
        );
    }
    let all = json!({"a": [{"fill": {"constant": "x"}}, "one_hot"], "b": [{"fill": "mean"}]});
    assert_eq!(serde_json::to_value(chains(all.clone())).unwrap(), all);
}

fn usual() -> Chains {
    chains(json!({
        "flag": ["one_hot"],
        "count": [{"fill": "mean"}, {"scale": "z_score"}],
        "size": [{"fill": {"constant": 0.5}}, {"scale": "z_score"}],
        "name": [{"fill": {"constant": "?"}}, "one_hot"],
    }))
}

proptest! {
    /// Neither threads nor the order of the rows change a bit of the state, or of what it makes of
    /// a row; the stored state does the same.
    #[test]
    fn threads_and_order_change_nothing(
        (whole, order) in tables().prop_flat_map(|whole| {
            let rows: Vec<usize> = (0..whole.rows()).collect();
            (Just(whole), Just(rows).prop_shuffle())
        }),
    ) {
        let Ok(one) = fit(&whole, &usual(), Threads::ONE) else {
            // No value of `count` at all, or sizes beyond what can be squared.
            for count in [2, 7] {
                prop_assert!(fit(&whole, &usual(), threads(count)).is_err());
            }
            return Ok(());
        };
        let prepared = one.apply(&whole, Threads::ONE).unwrap();
        let shuffled = whole.take(&order).unwrap();
        for count in [1, 2, 3, 7] {
            let other = fit(&shuffled, &usual(), threads(count)).unwrap();
            let (bytes, expect) = (to_canonical(&other).unwrap(), to_canonical(&one).unwrap());
            prop_assert_eq!(&bytes, &expect);
            let stored: Fitted = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&stored, &one);
            let other = stored.apply(&shuffled, threads(count)).unwrap();
            prop_assert_eq!(other, prepared.take(&order).unwrap());
        }
    }
}
