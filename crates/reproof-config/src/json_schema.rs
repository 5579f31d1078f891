//! JSON Schemas (draft 7, which editors know best) from the tables that validate.

use serde_json::{Map, Value, json};

use crate::registry::{Action, OPERATIONS, OperationSpec};
use crate::shape::{Field, KeyShape, Object, Shape};
use crate::tables::{BLOCKS, PIPELINE, PROGRAM_STEP, PROJECT, REQUIRE_FIELD, STEP};

/// A pattern of step names; what `reproof_record::StepName` takes.
const NAME: &str = "^[a-z][a-z0-9_-]{0,62}$";

/// A pattern of stored versions; what [`VersionRef`](crate::VersionRef) takes.
const VERSION: &str = "^(data:[0-9a-f]{4,64}|[a-z][a-z0-9_-]{0,62}(@(~[0-9]{1,6}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}))?)$";

/// A pattern of the names of environment variables.
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// A pattern of the types that [`reproof_record::DecimalType::named`] takes, but for the bounds of
/// the digits.
const DECIMAL: &str = "^decimal *\\( *[1-9][0-9]? *, *[0-9]{1,2} *\\)$";

/// The JSON Schema of pipeline files.
pub fn pipeline_json_schema() -> Value {
    let mut schema = object(&PIPELINE);
    head(&mut schema, "A pipeline of Reproof");
    let forbidden: Vec<_> = BLOCKS
        .iter()
        .map(|block| json!({"required": [block]}))
        .collect();
    if let Some(map) = schema.as_object_mut() {
        map.insert(
            "oneOf".to_owned(),
            json!([
                {"required": ["data", "label", "train"], "not": {"required": ["steps"]}},
                {"required": ["steps"], "not": {"anyOf": forbidden}},
            ]),
        );
    }
    schema
}

/// The JSON Schema of `reproof.toml`.
pub fn project_json_schema() -> Value {
    let mut schema = object(&PROJECT);
    head(&mut schema, "The settings of a project of Reproof");
    schema
}

fn head(schema: &mut Value, title: &str) {
    if let Some(map) = schema.as_object_mut() {
        let draft = "http://json-schema.org/draft-07/schema#";
        map.insert("$schema".to_owned(), draft.into());
        map.insert("title".to_owned(), title.into());
    }
}

fn shape(of: &Shape) -> Value {
    match of {
        Shape::Any => json!({}),
        Shape::Null => json!({"type": "null"}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number(range) => {
            let mut schema = json!({"type": "number"});
            if range.min.is_finite() {
                let key = if range.above {
                    "exclusiveMinimum"
                } else {
                    "minimum"
                };
                schema[key] = range.min.into();
            }
            if range.max.is_finite() {
                schema["maximum"] = range.max.into();
            }
            schema
        }
        Shape::Text => json!({"type": "string"}),
        Shape::Name | Shape::DataName => json!({"type": "string", "pattern": NAME}),
        Shape::DataVersion => json!({"type": "string", "pattern": VERSION}),
        Shape::Column => json!({"type": "string", "minLength": 1}),
        Shape::Path | Shape::DataPath => json!({"type": "string", "pattern": "^[^/\\\\]"}),
        Shape::Variable => json!({"type": "string", "pattern": VARIABLE}),
        Shape::Delimiter => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::Scalar => json!({"type": ["boolean", "number", "string"]}),
        Shape::Choice { of, .. } => json!({"enum": of}),
        Shape::Type(of) => json!({"anyOf": [
            {"enum": of},
            {"type": "string", "pattern": DECIMAL},
        ]}),
        Shape::List { of, non_empty } => {
            let mut schema = json!({"type": "array", "items": shape(of)});
            if *non_empty {
                schema["minItems"] = 1.into();
            }
            schema
        }
        Shape::Map { key, of } => {
            let key = match key {
                KeyShape::Name => json!({"pattern": NAME}),
                KeyShape::Column => json!({"minLength": 1}),
                KeyShape::Variable => json!({"pattern": VARIABLE}),
                KeyShape::Any => json!({}),
            };
            json!({"type": "object", "propertyNames": key, "additionalProperties": shape(of)})
        }
        Shape::Object(of) => object(of),
        Shape::Tagged(of) => tagged(of),
        Shape::Program(of) => program(of),
        Shape::Either(shapes) => {
            json!({"anyOf": shapes.iter().map(shape).collect::<Vec<_>>()})
        }
        Shape::OneOrNamed(of) => json!({"anyOf": [object(of), {
            "type": "object",
            "propertyNames": {"pattern": NAME},
            "additionalProperties": object(of),
        }]}),
        Shape::Step => {
            let operations = OPERATIONS.iter().map(step);
            let shapes = operations.chain(std::iter::once(program(&PROGRAM_STEP)));
            json!({"anyOf": shapes.collect::<Vec<_>>()})
        }
    }
}

fn field(field: &Field) -> Value {
    let mut schema = shape(&field.shape);
    // An optional block with nothing in it is as if left out.
    if field.shape.may_be_empty() && !field.required {
        schema["type"] = json!(["object", "null"]);
    }
    schema["description"] = field.doc.into();
    if field.default.is_some() {
        schema["default"] = field.default_value();
    }
    schema
}

fn object(of: &Object) -> Value {
    let properties: Map<_, _> = of
        .fields
        .iter()
        .map(|of| (of.name.to_owned(), field(of)))
        .collect();
    let required: Vec<_> = of
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn tagged(of: &Object) -> Value {
    let mut mapping = object(of);
    mapping["minProperties"] = 1.into();
    mapping["maxProperties"] = 1.into();
    let bare: Vec<_> = of
        .fields
        .iter()
        .filter(|field| field.shape.may_be_empty() || field.default.is_some())
        .map(|field| field.name)
        .collect();
    if bare.is_empty() {
        return mapping;
    }
    json!({"anyOf": [{"enum": bare}, mapping]})
}

/// A mapping with `run`, `shell` or `notebook`.
fn program(of: &Object) -> Value {
    let mut schema = object(of);
    schema["oneOf"] = json!([
        {"required": ["run"]},
        {"required": ["shell"]},
        {"required": ["notebook"]},
    ]);
    schema
}

fn step(spec: &OperationSpec) -> Value {
    let mut schema = object(&STEP);
    let versioned = format!("{}@{}", spec.name, spec.version);
    schema["properties"]["operation"] = json!({
        "enum": [spec.name, versioned],
        "description": spec.doc,
    });
    let inputs: Map<_, _> = spec
        .inputs
        .iter()
        .map(|input| {
            let schema = json!({"type": "string", "description": input.doc});
            (input.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = spec
        .inputs
        .iter()
        .filter(|input| input.required)
        .map(|input| input.name)
        .collect();
    schema["properties"]["inputs"] = json!({
        "type": "object",
        "properties": inputs,
        "required": required,
        "additionalProperties": false,
    });
    schema["properties"]["parameters"] = object(spec.parameters);
    if spec.action == Action::Evaluate {
        schema["properties"]["require"] = field(&REQUIRE_FIELD);
    } else if let Some(properties) = schema["properties"].as_object_mut() {
        properties.remove("require");
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{PREDICT_PROGRAM, TRAIN_PROGRAM};

    #[test]
    fn the_schemas_describe_what_is_read() {
        let schema = pipeline_json_schema();
        let properties = schema["properties"].as_object().unwrap();
        for field in PIPELINE.fields {
            assert_eq!(properties[field.name]["description"], field.doc);
        }
        assert_eq!(schema["required"], json!(["pipeline"]));
        let steps = &properties["steps"]["additionalProperties"]["anyOf"];
        assert_eq!(steps.as_array().unwrap().len(), OPERATIONS.len() + 1);
        let policy = &project_json_schema()["properties"]["policy"];
        assert_eq!(policy["properties"]["locked"]["default"], json!(false));
    }

    #[test]
    fn every_default_is_json() {
        fn walk(of: &Object) {
            for field in of.fields {
                if let Some(json) = field.default {
                    serde_json::from_str::<Value>(json).unwrap();
                }
                if let Shape::Object(of) | Shape::Tagged(of) | Shape::OneOrNamed(of) = field.shape {
                    walk(of);
                }
            }
        }
        walk(&PIPELINE);
        walk(&PROJECT);
        walk(&STEP);
        for of in [&PROGRAM_STEP, &TRAIN_PROGRAM, &PREDICT_PROGRAM] {
            walk(of);
        }
        for spec in OPERATIONS {
            walk(spec.parameters);
        }
    }
}
