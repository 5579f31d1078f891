//! `reproof schema`.

use crate::support::Project;

#[test]
fn both_schemas_are_json_schema() {
    let project = Project::empty();
    for name in ["pipeline", "project"] {
        let schema = project.reproof(&["schema", name]).json();
        assert!(
            schema["$schema"]
                .as_str()
                .unwrap()
                .contains("json-schema.org"),
            "{name}"
        );
        assert_eq!(schema["type"], "object", "{name}");
    }
}
