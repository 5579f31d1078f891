//! The language in which files are described: one description gives the validation, the JSON
//! Schema and the reference page.

/// What may stand at a place.
pub(crate) enum Shape {
    /// Anything; what it is decided elsewhere.
    Any,
    /// Nothing, written `null`: as if left out.
    Null,
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Number(Range),
    /// Any text.
    Text,
    /// The name of a step, data source, input or output.
    Name,
    /// The name of data that `reproof.toml` declares.
    DataName,
    /// A version of such data: `churn@v1`.
    DataVersion,
    /// The name of a column: text that is not empty.
    Column,
    /// A file inside the project.
    Path,
    /// A file or folder inside the project, or a pattern of files.
    DataPath,
    /// The name of an environment variable that Reproof does not set itself.
    Variable,
    /// One ASCII character between the fields of a row.
    Delimiter,
    /// A value of a column: a boolean, a number or text.
    Scalar,
    /// One of these texts.
    Choice {
        noun: &'static str,
        of: &'static [&'static str],
    },
    /// The type of a column: one of these names, or `decimal(10, 2)`.
    Type(&'static [&'static str]),
    List {
        of: &'static Shape,
        non_empty: bool,
    },
    /// A mapping with names of the user's as keys.
    Map {
        key: KeyShape,
        of: &'static Shape,
    },
    /// A mapping with known keys.
    Object(&'static Object),
    /// A mapping with exactly one of the known keys. If what is inside may be left out, the key
    /// alone may stand as a text.
    Tagged(&'static Object),
    /// A program of the user's: an object with exactly one of the keys `run` and `shell`.
    Program(&'static Object),
    /// One of several shapes; which one is seen from whether a scalar, a list or a mapping stands
    /// there, so no two of them may be of one kind. A program may stand first, before another
    /// mapping: it is one if there is a key of it.
    Either(&'static [Shape]),
    /// One such object, or a mapping of names to such objects.
    OneOrNamed(&'static Object),
    /// A step of a free graph: an operation of the registry, or a program.
    Step,
}

/// What the keys of a [`Shape::Map`] are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyShape {
    Name,
    Column,
    Variable,
    /// Any text.
    Any,
}

/// The bounds of a number.
pub(crate) struct Range {
    pub min: f64,
    /// Whether `min` itself is excluded.
    pub above: bool,
    pub max: f64,
}

impl Range {
    pub const ANY: Self = Self {
        min: f64::NEG_INFINITY,
        above: false,
        max: f64::INFINITY,
    };

    pub fn holds(&self, value: f64) -> bool {
        (if self.above {
            value > self.min
        } else {
            value >= self.min
        }) && value <= self.max
    }
}

/// A mapping with known keys.
pub(crate) struct Object {
    /// What a key of it is called in messages, such as `key` or `trainer`.
    pub noun: &'static str,
    pub fields: &'static [Field],
    /// Keys that a later version may know, each with what to say about it.
    pub later: &'static [Later],
}

/// A key that this version knows but does not support.
pub(crate) struct Later {
    pub key: &'static str,
    pub message: &'static str,
}

/// A key of an object.
pub(crate) struct Field {
    pub name: &'static str,
    /// One sentence or more, in Markdown.
    pub doc: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// The value if it is left out, as JSON.
    pub default: Option<&'static str>,
}

impl Object {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether everything in it may be left out.
    pub fn all_optional(&self) -> bool {
        self.fields.iter().all(|field| !field.required)
    }
}

impl Field {
    /// The default as a value; null if there is none.
    pub fn default_value(&self) -> serde_json::Value {
        self.default
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default()
    }
}

impl Shape {
    /// Whether nothing (null, or the bare name of a tag) may stand for it.
    pub fn may_be_empty(&self) -> bool {
        match self {
            Self::Object(object) => object.all_optional(),
            Self::Map { .. } => true,
            _ => false,
        }
    }

    /// What is wanted, for a message: `a number above 0`.
    pub fn wanted(&self) -> String {
        match self {
            Self::Any => "a value".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Number(range) => wanted_number(range),
            Self::Text => "text".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::DataName => "the name of data".to_owned(),
            Self::DataVersion => "a version of named data".to_owned(),
            Self::Column => "a column's name".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::DataPath => "the path of a file or folder, a pattern, or an address".to_owned(),
            Self::Variable => "the name of an environment variable".to_owned(),
            Self::Delimiter => "one character".to_owned(),
            Self::Scalar => "a boolean, a number or text".to_owned(),
            Self::Choice { of, .. } => match of {
                [one] => format!("'{one}'"),
                many => format!("one of {}", many.join(", ")),
            },
            Self::Type(of) => format!("one of {}, decimal(10, 2)", of.join(", ")),
            // What is wrong inside is said of the item itself.
            Self::List { .. } => "a list".to_owned(),
            Self::Map { .. } => "a mapping".to_owned(),
            Self::Object(object) => format!("a mapping with {}", keys(object)),
            Self::Tagged(object) => wanted_tag(object),
            Self::Program(_) => "a program: a mapping with 'run', 'shell' or 'notebook'".to_owned(),
            Self::Either(shapes) => {
                let shapes: Vec<_> = shapes.iter().map(Self::wanted).collect();
                shapes.join(", or ")
            }
            Self::OneOrNamed(object) => {
                format!("a mapping with {}, or names of such", keys(object))
            }
            Self::Step => {
                "a step: a mapping with operation, or with run, and inputs, parameters".to_owned()
            }
        }
    }
}

/// What is wanted where exactly one key of an object may stand.
pub(crate) fn wanted_tag(object: &Object) -> String {
    let one_of = if object.fields.len() > 1 {
        "one of "
    } else {
        ""
    };
    format!("a mapping with {one_of}{}", keys(object))
}

fn keys(object: &Object) -> String {
    let names: Vec<_> = object.fields.iter().map(|field| field.name).collect();
    names.join(", ")
}

fn wanted_number(range: &Range) -> String {
    let mut text = "a number".to_owned();
    if range.min.is_finite() {
        let word = if range.above { "above" } else { "from" };
        text.push_str(&format!(" {word} {}", range.min));
    }
    if range.max.is_finite() {
        text.push_str(&format!(" to {}", range.max));
    }
    text
}
