//! Patterns of paths, in which `*` stays within a folder and `**` does not.

use globset::{GlobBuilder, GlobMatcher};

/// What makes a text a pattern.
const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

/// A pattern of paths, with `/` between folders: `*` and `?` are any characters of a name or one,
/// `**` any folders, `[a-z]` one of some characters, `{a,b}` one of some texts.
#[derive(Clone, Debug)]
pub struct Pattern(GlobMatcher);

impl Pattern {
    /// Whether a text has characters that mean something in a pattern.
    pub fn is_one(text: &str) -> bool {
        text.contains(SPECIAL)
    }

    /// Takes a pattern.
    ///
    /// # Errors
    /// What is wrong with it, such as a bracket that is not closed.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = GlobBuilder::new(text).literal_separator(true).build();
        let built = built.map_err(|error| error.kind().to_string())?;
        Ok(Self(built.compile_matcher()))
    }

    /// Whether a path fits.
    pub fn is_match(&self, path: &str) -> bool {
        self.0.is_match(path)
    }

    /// The folder that every path lies in that fits a pattern: what stands before the first part with
    /// a special character. Empty if that is the first part.
    pub fn base(text: &str) -> &str {
        let special = text.find(SPECIAL).unwrap_or(text.len());
        text[..special].rfind('/').map_or("", |end| &text[..end])
    }

    /// How many folders deep below its base a pattern looks; none if it has no limit.
    pub fn depth(text: &str) -> Option<usize> {
        let rest = text[Self::base(text).len()..].trim_start_matches('/');
        let several = rest.contains("**")
            || rest
                .find('{')
                .is_some_and(|brace| rest[brace..].contains('/'));
        (!several).then(|| rest.matches('/').count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_pattern() {
        for (text, base, depth) in [
            ("data/*.csv", "data", Some(0)),
            ("*.csv", "", Some(0)),
            ("a/b/*/c[12].csv", "a/b", Some(1)),
            ("a/**/x.csv", "a", None),
            ("a/{b,c/d}/x.csv", "a", None),
            ("a/x{1,2}.csv", "a", Some(0)),
        ] {
            assert!(Pattern::is_one(text));
            assert_eq!(
                (Pattern::base(text), Pattern::depth(text)),
                (base, depth),
                "{text}"
            );
        }
        assert!(!Pattern::is_one("data/a b-c.csv"));
        assert!(Pattern::new("a[").is_err());
    }
}
