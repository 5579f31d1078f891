//! Decimals from the data file to predictions.

use reproof_record::{Column, DecimalType, Schema};
use reproof_table::{ColumnData, StringColumn, Table, write_parquet};

use crate::support::Project;

const PIPELINE: &str = "\
pipeline: orders
data:
  csv: data/orders.csv
  schema:
    price: decimal(10, 2)
    total: decimal(20, 4)
label: total
features: [price, kind, units]
split: {stratified: {by: kind, train: 0.6, eval: 0.4}}
preprocess: {price: [{scale: z_score}]}
train: {linear_regression: {}}
evaluate:
  slices: [price, kind]
  buckets: {price: {edges: [12.5, 30]}}
";

fn price() -> DecimalType {
    DecimalType::new(10, 2).unwrap()
}

/// Orders of two kinds, whose totals are price times units and a fixed part.
fn orders() -> Table {
    let total = DecimalType::new(20, 4).unwrap();
    let prices: Vec<i128> = (0..60)
        .map(|row| 100 + row * 37 % 49 * 100 + row % 4 * 25)
        .collect();
    let kinds = (0..60).map(|row| Some(if row % 3 == 0 { "book" } else { "pen" }));
    let columns = [
        (
            "price",
            ColumnData::Decimal(price(), prices.iter().copied().map(Some).collect()),
        ),
        ("kind", ColumnData::String(kinds.collect::<StringColumn>())),
        (
            "units",
            ColumnData::Integer((0..60).map(|row| Some(row % 5)).collect()),
        ),
        (
            "total",
            ColumnData::Decimal(
                total,
                prices.iter().map(|price| Some(price * 200 + 1)).collect(),
            ),
        ),
    ];
    table(columns.to_vec())
}

fn table(columns: Vec<(&str, ColumnData)>) -> Table {
    let described = columns.iter().map(|(name, data)| Column {
        name: (*name).to_owned(),
        logical_type: data.logical_type(),
    });
    let schema = Schema::new(described.collect()).unwrap();
    Table::new(schema, columns.into_iter().map(|(_, data)| data).collect()).unwrap()
}

fn csv(table: &Table) -> String {
    let names: Vec<_> = table
        .schema()
        .columns()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let mut text = names.join(",") + "\n";
    for row in 0..table.rows() {
        let fields = table
            .columns()
            .iter()
            .map(|data| data.text(row).unwrap_or_default());
        text += &(fields.collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

fn parquet(project: &Project, path: &str, table: &Table) {
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, table).unwrap();
    std::fs::write(project.path(path), bytes).unwrap();
}

fn project() -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write("data/orders.csv", &csv(&orders()));
    project.write("pipelines/orders.yaml", PIPELINE);
    project
}

#[test]
fn the_same_decimals_in_parquet_come_to_the_same_record() {
    let project = project();
    let id = project.record(&[]);
    let lock = project.read("reproof.lock");
    assert!(
        lock.contains(r#"{"name":"price","type":"decimal(10, 2)"}"#),
        "{lock}"
    );
    assert_eq!(
        project.record(&["--locked", "--no-cache", "--threads", "3"]),
        id
    );
    parquet(&project, "data/orders.parquet", &orders());
    project.edit(
        "pipelines/orders.yaml",
        "csv: data/orders.csv",
        "parquet: data/orders.parquet",
    );
    assert_eq!(project.record(&[]), id);
    project.reproof(&["verify", &id]).expect(0);
    project.edit("pipelines/orders.yaml", "decimal(10, 2)", "decimal(10, 3)");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["column 'price' is declared as decimal(10, 3), and the file holds decimal(10, 2)"]);
}

#[test]
fn their_statistics_and_slices_are_shown() {
    let project = project();
    let id = project.record(&[]);
    let shown = project.reproof(&["data", "show", "orders"]).expect(0).out;
    assert!(shown.contains("decimal(10, 2)"), "{shown}");
    assert!(shown.contains("1.00 … 49.25"), "{shown}");
    let document = project
        .reproof(&["data", "show", "orders", "--json"])
        .json();
    let column = &document["statistics"]["columns"][0];
    assert_eq!(
        (&column["type"], &column["min"]),
        (&"decimal(10, 2)".into(), &"1.00".into())
    );
    let record = project.reproof(&["show", &id, "--json"]).json();
    let slices = record["metrics"]["slices"].to_string();
    assert!(slices.contains("12.5 to below 30"), "{slices}");
    let by_value = project.record(&["--set", "evaluate.buckets={}"]);
    let record = project.reproof(&["show", &by_value, "--json"]).json();
    let slices = record["metrics"]["slices"].to_string();
    let orders = orders();
    let prices = &orders.columns()[0];
    let found =
        (0..60).filter(|&row| slices.contains(&format!("\"{}\"", prices.text(row).unwrap())));
    assert!(found.count() >= 20, "{slices}");
}

#[test]
fn what_they_cannot_be_is_said_plainly() {
    let project = project();
    project.edit(
        "pipelines/orders.yaml",
        "linear_regression",
        "logistic_regression",
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["the label 'total' is decimal(20, 4); a classification has two classes"]);
    project.write("pipelines/orders.yaml", PIPELINE);
    project.edit("data/orders.csv", "\n1.00,book,0", "\n1.005,book,0");
    project.reproof(&["run"]).expect(2).says(&[
        "orders.csv:2: column 'price' is decimal(10, 2), and 1.005 does not fit: it has more than 2 digits \
         after the point",
    ]);
    project.edit(
        "pipelines/orders.yaml",
        "price: decimal(10, 2)",
        "price: decimal",
    );
    project.reproof(&["run"]).expect(2).says(&[
        "unknown type 'decimal'",
        "write decimal(10, 2) for 10 digits",
    ]);
}

#[test]
fn predictions_take_and_keep_them() {
    let project = project();
    let id = project.record(&[]);
    let rows = table(vec![
        ("kind", orders().take(&[0, 1]).unwrap().columns()[1].clone()),
        ("units", ColumnData::Integer(vec![Some(1), Some(2)])),
        (
            "price",
            ColumnData::Decimal(price(), vec![Some(1250), Some(5)]),
        ),
    ]);
    project.write("rows.csv", &csv(&rows));
    parquet(&project, "rows.parquet", &rows);
    let predict = |file: &str| {
        let call = project.reproof(&["predict", &id, file, "--keep", "price"]);
        call.expect(0).out
    };
    let out = predict("rows.csv");
    assert!(out.starts_with("price,prediction\n12.50,"), "{out}");
    assert_eq!(predict("rows.parquet"), out);
    let written = [
        "predict",
        &id,
        "rows.parquet",
        "--keep",
        "price",
        "-o",
        "out.parquet",
    ];
    project.reproof(&written).expect(0);
    // What was written is a source with the same decimals.
    project.write(
        "pipelines/again.yaml",
        &PIPELINE
            .replace("csv: data/orders.csv", "parquet: out.parquet")
            .replace("    total: decimal(20, 4)\n", "")
            .replace("label: total", "label: prediction")
            .replace("[price, kind, units]", "[price]")
            .replace(
                "stratified: {by: kind, train: 0.6, eval: 0.4}",
                "random: {train: 0.5, eval: 0.5, exact: true}",
            )
            .replace("[price, kind]", "[price]"),
    );
    project.reproof(&["run", "again"]).expect(0);
    let list = project
        .reproof(&["data", "show", "out.parquet", "--json"])
        .json();
    let column = &list["statistics"]["columns"][0];
    assert_eq!(
        (&column["min"], &column["max"]),
        (&"0.05".into(), &"12.50".into())
    );
    let floats = table(vec![
        ("kind", rows.columns()[0].clone()),
        ("units", rows.columns()[1].clone()),
        ("price", ColumnData::Float(vec![12.5, 0.05])),
    ]);
    parquet(&project, "rows.parquet", &floats);
    let lines = |text: &str| -> Vec<String> {
        let fields = text
            .lines()
            .map(|line| line.split(',').nth(1).unwrap().to_owned());
        fields.collect()
    };
    assert_eq!(lines(&predict("rows.parquet")), lines(&out));
}
