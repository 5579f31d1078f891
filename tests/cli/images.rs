//! Images as a table with labels.

use crate::support::{Project, statuses};

const PIPELINE: &str = "pipeline: steps\nseed: 1\ndata: {files: photos}\nimages: folders\n\
                        label: {column: label, positive: dog}\nsplit: {random: {train: 0.6, eval: 0.4}}\n\
                        features: [image_width, image_height]\ntrain: logistic_regression\n\
                        evaluate: {metrics: [accuracy], slices: [image_format]}\n";

/// The beginning of a PNG, with something of its own behind it.
fn png(width: u32, height: u32, own: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    for number in [width, height] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend([8, 2, 0, 0, 0]);
    bytes.extend(own.to_be_bytes());
    bytes
}

/// Forty images of dogs, which are tall, and of cats, which are wide.
fn project(pipeline: &str) -> Project {
    let project = Project::shell("");
    project.write("pipelines/steps.yaml", pipeline);
    let mut labels = "id,animal,site\n".to_owned();
    for index in 0..40_u32 {
        let (animal, width, height) = match index % 2 {
            0 => ("dog", 20 + index, 40 + index),
            _ => ("cat", 40 + index, 20 + index),
        };
        let path = format!("photos/{animal}/{index}.png");
        project.write(&path, "");
        std::fs::write(project.path(&path), png(width, height, index)).unwrap();
        labels += &format!(
            "{animal}/{index},{animal},{}\n",
            ["a", "b"][index as usize / 20]
        );
    }
    project.write("labels.csv", &labels);
    project.write("photos/README.md", "who took them\n");
    project
}

#[test]
fn folders_of_images_are_learned_from_and_verified() {
    let project = project(PIPELINE);
    let said = project.reproof(&["run"]).expect(0).out;
    assert!(
        said.contains("41 files") && said.contains("40 rows x 6"),
        "{said}"
    );
    let run = project.run(&[]);
    assert!(statuses(&run).iter().all(|(_, status)| status == "cached"));
    // A file beside the images is part of the version, and of no row.
    let table = run["execution"]["steps"]["images"].clone();
    assert!(!table.is_null(), "{run}");
    let record = run["record"].as_str().unwrap();
    std::fs::remove_dir_all(project.path("photos")).unwrap();
    let verified = project.reproof(&["verify", record]).expect(0).out;
    assert!(verified.starts_with("identical"), "{verified}");
}

#[test]
fn an_image_that_comes_moves_no_other_and_one_that_is_damaged_is_named() {
    let project = project(PIPELINE);
    project.run(&[]);
    std::fs::write(project.path("photos/cat/new.png"), png(50, 20, 100)).unwrap();
    let said = project.reproof(&["run"]).expect(0).out;
    assert!(said.contains("41 rows x 6"), "{said}");
    project.write("photos/cat/new.png", "no image\n");
    project
        .reproof(&["run"])
        .expect(11)
        .says(&["step 'images' failed: images: 1 file cannot be read: 'cat/new.png' is no BMP"]);
    project.write("photos/loose.png", "");
    project
        .reproof(&["run"])
        .expect(11)
        .says(&["1 image lies in no folder", "'loose.png'"]);
}

#[test]
fn a_program_gets_the_table_of_labels_and_the_folder() {
    let train = "train: {shell: \"echo /reproof/in/* /reproof/in/images/dog/* > /reproof/out/model; cat \
                 /reproof/in/images/README.md >> /reproof/out/model\", environment: default, outputs: \
                 {model: model}}\n";
    let pipeline = format!(
        "pipeline: steps\nseed: 1\ndata: {{csv: labels.csv}}\n\
         images: {{files: photos, path: id, suffix: .png}}\nlabel: animal\n\
         split: {{random: {{train: 0.6, eval: 0.4}}}}\n{train}"
    );
    let project = project(&pipeline);
    let run = project.run(&[]);
    let seen = project.output(&run, "train", "model");
    for text in [
        "eval_table.parquet",
        "/table.parquet",
        "38.png",
        "who took them",
    ] {
        assert!(seen.contains(text), "{text} in {seen}");
    }
    let data = run["execution"]["data"].as_object().unwrap();
    assert_eq!(data["data"]["version"]["kind"], "table");
    assert_eq!(data["image_files"]["version"]["kind"], "files");
    // A label without its image.
    std::fs::remove_file(project.path("photos/dog/0.png")).unwrap();
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["data 'image_files' (photos) is not the version that the lock file pins"]);
    project.reproof(&["run"]).expect(11).says(&[
        "1 file is not there of the column 'id' in 40 rows of labels: 'dog/0.png' in row 1",
        "files are named as 'README.md'",
    ]);
}
