//! Names in messages: shown safely, and the nearest valid one found.

/// The longest name for which a nearest one is looked for, and the most of it that is shown.
const MAX_NAME: usize = 64;

/// Whether a character may be printed as it is: not a control character, nor one that reorders or
/// hides text on a terminal.
pub(crate) fn is_visible(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

/// A text from a file as messages show it: cut, and with what is not visible escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    for c in characters.by_ref().take(MAX_NAME) {
        if is_visible(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// The candidate that a mistyped name most likely means.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    if length > MAX_NAME {
        return None;
    }
    let most = (length / 3).max(1);
    candidates
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["train", "eval", "test", "monthly_charges"];
        let find = |name| nearest(name, known.into_iter());
        assert_eq!(find("trian"), Some("train"));
        assert_eq!(find("Train"), Some("train"));
        assert_eq!(find("monthly_chrges"), Some("monthly_charges"));
        assert_eq!(find("validation"), None);
        assert_eq!(find(&"x".repeat(10_000)), None);
    }

    #[test]
    fn what_could_fool_a_terminal_is_escaped() {
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), 65);
    }
}
