//! In which order the cells were run, as their counts tell.

use std::collections::BTreeSet;

use super::{Finding, Rule};
use crate::notebook::{Cell, Notebook};

/// How many missing counts are named.
const NAMED: usize = 6;
/// What to do about counts.
const RUN_ALL: &str = "run all cells from the first to the last in a new kernel";

pub(super) fn check(notebook: &Notebook) -> Vec<Finding> {
    let cells: Vec<&Cell> = notebook.code().collect();
    let mut findings: Vec<Finding> = cells.iter().filter_map(|cell| error_of(cell)).collect();
    if cells.iter().all(|cell| cell.count.is_none()) {
        // Never run, or stripped.
        return findings;
    }
    let mut last: Option<(u64, &Cell)> = None;
    let mut ordered = true;
    for cell in &cells {
        let Some(count) = cell.count else {
            if has_code(&cell.source) {
                let text = "this cell was not run, though others were";
                let advice = format!("{RUN_ALL}, or take the cell out");
                findings.push(Finding::new(
                    Rule::NotRun,
                    Some(cell.number),
                    1,
                    text,
                    advice,
                ));
            }
            continue;
        };
        if let Some((before, above)) = last
            && count <= before
        {
            ordered = false;
            let text = format!(
                "In [{count}] stands below In [{before}], cell {}: it was run before it, or the \
                 kernel was started again in between",
                above.number
            );
            let cell = Some(cell.number);
            findings.push(Finding::new(Rule::OutOfOrder, cell, 1, text, RUN_ALL));
        }
        last = Some((count, cell));
    }
    findings.extend(gap(&cells, ordered));
    findings
}

fn error_of(cell: &Cell) -> Option<Finding> {
    let (name, message) = cell.errors.first()?;
    let first = message.lines().next().unwrap_or_default();
    let shown: String = first.chars().take(120).collect();
    let text = if shown.is_empty() {
        format!("its output is an error: {name}")
    } else {
        format!("its output is an error: {name}: {shown}")
    };
    let advice =
        "mend the cell and run all again, or tag it 'raises-exception' if the error is meant";
    (!cell.is_tagged("raises-exception"))
        .then(|| Finding::new(Rule::ErrorOutput, Some(cell.number), 1, text, advice))
}

/// Whether a cell holds more than blanks and comments.
fn has_code(source: &str) -> bool {
    let mut lines = source.lines().map(str::trim);
    lines.any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The runs that no cell shows.
fn gap(cells: &[&Cell], ordered: bool) -> Option<Finding> {
    let counts: BTreeSet<u64> = cells.iter().filter_map(|cell| cell.count).collect();
    let highest = counts.last().copied()?;
    let missing = highest.saturating_sub(counts.len() as u64);
    if missing == 0 {
        return None;
    }
    let first = (1..=highest).find(|count| !counts.contains(count))?;
    let unseen = (first..=highest).filter(|count| !counts.contains(count));
    let mut named: Vec<_> = unseen.take(NAMED).map(|count| count.to_string()).collect();
    if missing > NAMED as u64 {
        named.push(format!("{} more", missing - NAMED as u64));
    }
    let after = cells
        .iter()
        .filter(|cell| cell.count > Some(first))
        .min_by_key(|cell| cell.count)?;
    let again = if ordered {
        "cells were run again, or are gone"
    } else {
        "cells were run again, are gone, or stand elsewhere"
    };
    let text = format!("no cell shows In [{}]: {again}", named.join(", "));
    let cell = Some(after.number);
    Some(Finding::new(Rule::ExecutionGap, cell, 1, text, RUN_ALL))
}
