//! The order of steps, and those that wait for one another.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Source, StepName};

use super::draft::Drafts;
use crate::diagnostic::Report;

/// The steps that each step waits for.
pub(super) fn needs(drafts: &Drafts) -> BTreeMap<&StepName, BTreeSet<&StepName>> {
    let steps = drafts.steps.iter();
    steps
        .map(|(name, draft)| {
            let needs = draft.inputs.values().filter_map(|from| match &from.value {
                Source::Output { step, .. } if drafts.steps.contains_key(step) => Some(step),
                _ => None,
            });
            (name, needs.collect())
        })
        .collect()
}

/// The names in an order in which each comes after what it needs; those of a cycle, and what
/// waits for one, are left out.
pub(super) fn order<'a>(
    needs: &BTreeMap<&'a StepName, BTreeSet<&'a StepName>>,
) -> Vec<&'a StepName> {
    let mut open: BTreeMap<_, _> = needs.iter().map(|(name, of)| (*name, of.len())).collect();
    let mut waiting: BTreeMap<&StepName, Vec<&StepName>> = BTreeMap::new();
    for (name, of) in needs {
        for need in of {
            waiting.entry(need).or_default().push(name);
        }
    }
    let mut ready: BTreeSet<_> = needs
        .iter()
        .filter(|(_, of)| of.is_empty())
        .map(|(name, _)| *name)
        .collect();
    let mut order = Vec::new();
    while let Some(name) = ready.pop_first() {
        order.push(name);
        for next in waiting.get(name).into_iter().flatten() {
            if let Some(count) = open.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    order
}

/// Blames one of the steps that wait for each other; those that merely wait for them are left out.
pub(super) fn report_cycle(
    drafts: &Drafts,
    needs: &BTreeMap<&StepName, BTreeSet<&StepName>>,
    order: &[&StepName],
    report: &mut Report<'_>,
) {
    let done: BTreeSet<_> = order.iter().copied().collect();
    let stuck = needs.iter().filter(|(name, _)| !done.contains(*name));
    // Turned around, the same search clears what nothing stuck waits for.
    let mut wanted_by: BTreeMap<&StepName, BTreeSet<&StepName>> = stuck
        .clone()
        .map(|(name, _)| (*name, BTreeSet::new()))
        .collect();
    for (name, of) in stuck {
        for need in of {
            if let Some(wanted_by) = wanted_by.get_mut(need) {
                wanted_by.insert(name);
            }
        }
    }
    let cleared: BTreeSet<_> = self::order(&wanted_by).into_iter().collect();
    let cycle: Vec<_> = wanted_by
        .keys()
        .filter(|name| !cleared.contains(*name))
        .collect();
    let Some(first) = cycle
        .first()
        .and_then(|name| drafts.steps.get(name.as_str()))
    else {
        return;
    };
    let names: Vec<_> = cycle.iter().map(|name| name.as_str()).collect();
    let message = match names.as_slice() {
        [one] => format!("the step '{one}' waits for itself"),
        names => format!("steps wait for each other: {}", names.join(", ")),
    };
    report.error(first.span, message);
}
