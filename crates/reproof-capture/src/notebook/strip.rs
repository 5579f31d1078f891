//! A notebook without what running it leaves behind: outputs, counts, and metadata that changes from
//! run to run. All other bytes stay as they are.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::{Cell, CellKind, Notebook, NotebookError, checked};
use super::json::{get, items, member, members, root};

/// What of a cell's metadata changes when it is run or looked at.
const OF_CELLS: [&str; 8] = [
    "ExecuteTime",
    "collapsed",
    "execution",
    "heading_collapsed",
    "hidden",
    "papermill",
    "pycharm",
    "scrolled",
];
/// What of a notebook's metadata does.
const OF_NOTEBOOKS: [&str; 4] = ["papermill", "signature", "varInspector", "widgets"];
/// Tags of cells whose outputs stay.
const KEEP_TAGS: [&str; 2] = ["keep", "keep_output"];

/// What stays beyond the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Tags of cells whose outputs stay, beside `keep` and `keep_output`.
    pub tags: BTreeSet<String>,
    /// Names of metadata that stay.
    pub metadata: BTreeSet<String>,
}

/// A part of the text, and what stands there instead.
type Edit = (Range<usize>, &'static str);

/// The bytes of a notebook without outputs, counts and metadata that changes from run to run. What
/// is stripped already comes out as it is.
pub fn strip(bytes: &[u8], keep: &Keep) -> Result<Vec<u8>, NotebookError> {
    let notebook = Notebook::parse(bytes)?;
    let text = checked(bytes)?;
    let mut edits: Vec<Edit> = Vec::new();
    for cell in &notebook.cells {
        strip_cell(text, cell, keep, &mut edits);
    }
    if let Some(metadata) = member(text, &root(text), "metadata") {
        drop_members(text, &metadata, &OF_NOTEBOOKS, keep, &mut edits);
        // The version of whoever's Python ran it last.
        if let Some(language) = member(text, &metadata, "language_info") {
            drop_members(text, &language, &["version"], keep, &mut edits);
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (place, instead) in edits {
        out.push_str(text.get(at..place.start).unwrap_or_default());
        out.push_str(instead);
        at = place.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Ok(out.into_bytes())
}

fn strip_cell(text: &str, cell: &Cell, keep: &Keep, edits: &mut Vec<Edit>) {
    let parts = members(text, &cell.place);
    if let Some(metadata) = get(&parts, "metadata") {
        drop_members(text, &metadata, &OF_CELLS, keep, edits);
    }
    if cell.kind != CellKind::Code {
        return;
    }
    edits.extend(get(&parts, "execution_count").map(|count| (count, "null")));
    let Some(outputs) = get(&parts, "outputs") else {
        return;
    };
    let kept = cell
        .tags
        .iter()
        .any(|tag| KEEP_TAGS.contains(&tag.as_str()) || keep.tags.contains(tag));
    if !kept {
        edits.push((outputs, "[]"));
        return;
    }
    let counts = items(text, &outputs)
        .into_iter()
        .filter_map(|output| member(text, &output, "execution_count"));
    edits.extend(counts.map(|count| (count, "null")));
}

/// Takes members out of an object, with the commas and blanks that part them from others.
fn drop_members(
    text: &str,
    object: &Range<usize>,
    names: &[&str],
    keep: &Keep,
    edits: &mut Vec<Edit>,
) {
    let all = members(text, object);
    let goes = |key: &str| names.contains(&key) && !keep.metadata.contains(key);
    let stays: Vec<usize> = (0..all.len()).filter(|at| !goes(&all[*at].key)).collect();
    if stays.len() == all.len() {
        return;
    }
    let Some((first, last)) = stays.first().zip(stays.last()) else {
        edits.push((object.clone(), "{}"));
        return;
    };
    if *first > 0 {
        edits.push((all[0].name.start..all[*first].name.start, ""));
    }
    for pair in stays.windows(2) {
        if pair[1] > pair[0] + 1 {
            edits.push((all[pair[0]].value.end..all[pair[1] - 1].value.end, ""));
        }
    }
    if last + 1 < all.len() {
        edits.push((all[*last].value.end..all[all.len() - 1].value.end, ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Jupyter writes it: one space, sorted keys, characters as they are, a line feed at the end.
    const RUN: &str = r##"{
 "cells": [
  {
   "cell_type": "markdown",
   "id": "m",
   "metadata": {
    "collapsed": true
   },
   "source": [
    "# Größe\n"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 7,
   "id": "c",
   "metadata": {
    "ExecuteTime": {
     "end_time": "2020"
    },
    "editable": true,
    "scrolled": false,
    "slideshow": {
     "slide_type": ""
    },
    "execution": {}
   },
   "outputs": [
    {
     "data": {
      "text/plain": [
       "{\"outputs\": [1]}"
      ]
     },
     "execution_count": 7,
     "output_type": "execute_result"
    }
   ],
   "source": [
    "\"execution_count\": 3, '\\u00e9', 'é'"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 8,
   "id": "k",
   "metadata": {
    "tags": [
     "keep"
    ]
   },
   "outputs": [
    {
     "execution_count": 8,
     "output_type": "execute_result"
    }
   ],
   "source": []
  }
 ],
 "metadata": {
  "kernelspec": {
   "language": "python"
  },
  "language_info": {
   "name": "python",
   "version": "3.11.2"
  },
  "widgets": {}
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
"##;

    fn stripped(text: &str, keep: &Keep) -> String {
        String::from_utf8(strip(text.as_bytes(), keep).unwrap()).unwrap()
    }

    #[test]
    fn only_what_a_run_leaves_is_taken_out() {
        let found = stripped(RUN, &Keep::default());
        let expected = RUN
            .replace("{\n    \"collapsed\": true\n   }", "{}")
            .replace(
                "\n    \"ExecuteTime\": {\n     \"end_time\": \"2020\"\n    },",
                "",
            )
            .replace("\n    \"scrolled\": false,", "")
            .replace("},\n    \"execution\": {}", "}")
            .replace(
                "\"execution_count\": 7,\n   \"id\"",
                "\"execution_count\": null,\n   \"id\"",
            )
            .replace("\"execution_count\": 8", "\"execution_count\": null")
            .replace(",\n   \"version\": \"3.11.2\"", "")
            .replace(",\n  \"widgets\": {}", "");
        let outputs = "[\n    {\n     \"data\"";
        let (before, rest) = expected.split_once(outputs).unwrap();
        let (_, after) = rest.split_once("\"execute_result\"\n    }\n   ]").unwrap();
        assert_eq!(found, format!("{before}[]{after}"));
        assert_eq!(stripped(&found, &Keep::default()), found);
        assert!(Notebook::parse(found.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_to_stay_stays() {
        let keep = Keep {
            tags: ["figure".to_owned()].into(),
            metadata: ["collapsed", "version"].map(str::to_owned).into(),
        };
        let text = RUN.replace("\"keep\"", "\"figure\"");
        let found = stripped(&text, &keep);
        assert!(found.contains("\"collapsed\": true") && found.contains("3.11.2"));
        assert!(found.contains("\"execution_count\": null,\n     \"output_type\""));
        assert!(!found.contains("ExecuteTime"));
    }

    #[test]
    fn any_writing_of_json_is_left_as_it_is() {
        let text = "{\"nbformat\":4,\"nbformat_minor\":0,\"metadata\":{\"widgets\":1,\"a\":2},\
                    \"cells\":[{\"cell_type\":\"code\",\"source\":\"\",\"outputs\":[1],\
                    \"execution_count\":null,\"metadata\":{}}]}";
        let expected = text
            .replace("\"widgets\":1,", "")
            .replace("\"outputs\":[1]", "\"outputs\":[]");
        assert_eq!(stripped(text, &Keep::default()), expected);
        assert!(strip(b"", &Keep::default()).is_err());
    }
}
