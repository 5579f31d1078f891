//! Tables of images: the block `images`, and what it stands for.

use super::*;

const FOLDERS: &str = "\
pipeline: photos
data: {files: photos}
images: folders
label: label
train: {run: [python, train.py]}
predict: {run: [python, predict.py]}
evaluate: {}
";

const LABELLED: &str = "\
pipeline: photos
data: {csv: labels.csv}
images: {files: \"photos/*.jpg\", path: contract, suffix: .jpg}
label: churn
split: {random: {train: 0.8, eval: 0.2}}
features: [tenure, image_width]
train: {run: [python, train.py]}
predict: {run: [python, predict.py]}
";

#[track_caller]
fn graph(text: &str) -> Graph {
    let (pipeline, graph) = expand(text).unwrap_or_else(|errors| panic!("{errors}"));
    let printed = graph.to_steps_yaml(&pipeline);
    let again = expand(&printed).unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
    assert_eq!(again.1.steps, graph.steps, "{printed}");
    graph
}

fn inputs(graph: &Graph, step: &str) -> Vec<String> {
    let inputs = graph.steps[step].inputs.iter();
    inputs
        .map(|(input, from)| format!("{input}: {from}"))
        .collect()
}

#[test]
fn the_images_in_folders_are_a_table_and_programs_get_the_files() {
    let graph = graph(FOLDERS);
    assert_eq!(inputs(&graph, "images"), ["files: data"]);
    assert_eq!(
        json!(graph.steps["images"].parameters),
        json!({"path": null, "suffix": ""})
    );
    assert_eq!(inputs(&graph, "split"), ["table: images.table"]);
    // Equal images share a part.
    assert_eq!(
        graph.steps["split"].parameters["key"],
        json!(["image_digest"])
    );
    assert_eq!(
        inputs(&graph, "train"),
        [
            "eval_table: split.eval",
            "images: data",
            "table: split.train"
        ]
    );
    assert_eq!(
        inputs(&graph, "predict"),
        ["images: data", "model: train.model", "table: split.eval"]
    );
    assert!(!graph.steps.contains_key("preprocess"));
}

#[test]
fn labels_say_where_images_are_and_columns_may_be_features() {
    let graph = graph(LABELLED);
    assert_eq!(
        inputs(&graph, "images"),
        ["files: image_files", "labels: data"]
    );
    assert_eq!(
        json!(graph.steps["images"].parameters),
        json!({"path": "contract", "suffix": ".jpg"})
    );
    let features = &graph.steps["preprocess"].parameters["features"];
    let names: Vec<_> = features.as_object().unwrap().keys().collect();
    assert_eq!(names, ["image_width", "tenure"]);
    assert_eq!(
        inputs(&graph, "predict"),
        [
            "features: preprocess.eval",
            "images: image_files",
            "model: train.model",
            "table: split.eval"
        ]
    );
    let keyed = LABELLED.replace("eval: 0.2", "eval: 0.2, key: contract");
    let graph = self::graph(&keyed);
    assert_eq!(graph.steps["split"].parameters["key"], json!(["contract"]));
}

#[test]
fn what_cannot_be_is_named() {
    let folders = |from: &str, to: &str, expect: &str| {
        refused(&FOLDERS.replacen(from, to, 1), expect);
    };
    let labelled = |from: &str, to: &str, expect: &str| {
        refused(&LABELLED.replacen(from, to, 1), expect);
    };
    folders(
        "train: {run: [python, train.py]}\npredict: {run: [python, predict.py]}",
        "train: logistic_regression",
        "3:1: nothing reads the images: a built-in trainer takes columns (let a program in 'train' read \
         them, or name columns in 'features')",
    );
    folders(
        "{files: photos}",
        "{csv: photos.csv}",
        "3:1: the input 'files' takes the files of a data source; 'data' is a table of data or of a \
         part of it (write the data as 'files: FOLDER')",
    );
    folders(
        "images: folders",
        "images: {path: a}",
        "3:1: where the images are is missing: 'files', 'name' or 'version'\n\
         3:1: the input 'labels' takes a table of data or of a part of it; 'data' is the files of a data \
         source (write the table of the labels as 'data', and where the images are under 'images')",
    );
    folders(
        "{files: photos}",
        "{train: {csv: a}, eval: {csv: b}}",
        "3:1: images are of data that is one source (for others, write the graph under 'steps', with a \
         step 'image_table' for each)",
    );
    labelled(
        "path: contract",
        "name: other, path: contract",
        "3:33: the images are in one place",
    );
    labelled(
        "path: contract",
        "path: contact",
        "3:39: unknown column 'contact' (did you mean 'contract'?)",
    );
    labelled(
        "\"photos/*.jpg\"",
        "s3://photos/a",
        "3:17: 'files' names files inside the project, or of a bucket (write s3://BUCKET/FOLDER/ with a \
         '/' at its end, or a pattern such as s3://BUCKET/**/*.png)",
    );
}

#[test]
fn a_step_makes_a_table_of_images() {
    let steps = "\
pipeline: steps
data: {rows: {csv: labels.csv}, photos: {files: photos}}
steps:
  look:
    operation: image_table
    inputs: {files: photos, labels: rows}
    parameters: {path: contract}
  parts:
    operation: split_stratified
    inputs: {table: look.table}
    parameters: {by: churn}
";
    let graph = graph(steps);
    assert_eq!(inputs(&graph, "look"), ["files: photos", "labels: rows"]);
    let without = |from: &str, expect: &str| refused(&steps.replacen(from, "", 1), expect);
    without(
        ", labels: rows",
        "7:24: 'path' names a column of labels, and there are none (give the input 'labels', or leave it \
         out)",
    );
    without(
        "    parameters: {path: contract}\n",
        "4:3: the column of the labels that holds the path of each image is missing (give the parameter \
         'path')",
    );
    refused(
        &steps.replace("labels: rows", "labels: photos"),
        "6:37: the input 'labels' takes a table of data or of a part of it; 'photos' is the files of a \
         data source (write the table of the labels as 'data', and where the images are under 'images')",
    );
    refused(
        &steps.replace("by: churn", "by: churned"),
        "11:22: unknown column 'churned' (did you mean 'churn'?)",
    );
}
