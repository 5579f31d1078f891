//! The files in which the AWS tools keep credentials and regions, by profile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reproof_store::fs::Io;

/// The largest such file that is read.
const MAX_FILE: u64 = 1 << 20;

/// What the files say of the profile that is asked for: `aws_access_key_id` and so on. Nothing
/// where there are no files, or they cannot be read.
pub(crate) fn read(io: &dyn Io, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let named = set("AWS_PROFILE").map_or("default", String::as_str);
    let file = |variable: &str, name: &str| -> Option<PathBuf> {
        let home = || set("HOME").map(|home| Path::new(home).join(".aws").join(name));
        set(variable).map(PathBuf::from).or_else(home)
    };
    let text = |path: Option<PathBuf>| {
        let bytes = io.read(&path?, MAX_FILE).ok()?;
        String::from_utf8(bytes).ok()
    };
    let config = text(file("AWS_CONFIG_FILE", "config")).unwrap_or_default();
    let credentials = text(file("AWS_SHARED_CREDENTIALS_FILE", "credentials")).unwrap_or_default();
    let section = if named == "default" {
        named.to_owned()
    } else {
        format!("profile {named}")
    };
    let mut found = section_of(&config, &section);
    found.extend(section_of(&credentials, named));
    found
}

/// The keys of one section. Lines that are indented belong to a key above, and are of no use here.
fn section_of(text: &str, section: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix('[') {
            inside = name.trim_end().trim_end_matches(']').trim() == section;
        } else if inside
            && !line.starts_with(['#', ';', ' ', '\t'])
            && let Some((key, value)) = line.split_once('=')
        {
            found.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_section_counts() {
        let text = "[default]\naws_access_key_id = A\n# no\n[profile x]\nregion=r\ns3 =\n  a = b\n";
        let default = section_of(text, "default");
        assert_eq!(default.len(), 1);
        assert_eq!(default["aws_access_key_id"], "A");
        assert_eq!(section_of(text, "profile x")["region"], "r");
        assert!(section_of(text, "y").is_empty());
    }
}
