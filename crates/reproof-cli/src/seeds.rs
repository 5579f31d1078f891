//! The spread over seeds, as a person reads it.

use reproof_engine::{AgainstSeeds, LabelsFlipped, SeedScope, SeedSpread};
use reproof_learn::{SeedDistance, Spread};

use crate::format;
use crate::printer::{Printer, Style};

/// How many seeds there are, and what they change: `over 10 seeds on the same rows`.
fn title(spread: &SeedSpread) -> String {
    let seeds = format::counted(spread.records.len() as u64, "seed");
    format!("over {seeds} {}", spread.scope.name())
}

fn metrics(spread: &SeedSpread) -> impl Iterator<Item = (&String, &Spread)> {
    spread.metrics.iter().chain(&spread.reported)
}

/// The spread of each metric, a line for each.
pub fn table(spread: &SeedSpread, printer: &Printer) -> Vec<String> {
    let names = metrics(spread).map(|(name, _)| name.chars().count());
    let width = names.max().unwrap_or(0).max(18);
    let mut lines = vec![printer.paint(Style::Strong, &title(spread))];
    if !spread.is_known() {
        lines.push(format!(
            "  too few gave a record: {} are needed",
            Spread::FEWEST
        ));
        return lines;
    }
    let line = |name: &str, cells: [&str; 4]| {
        let [mean, deviation, least, most] = cells;
        let line = format!("  {name:<width$}  {mean:<10} {deviation:<18} {least:<10} {most}");
        line.trim_end().to_owned()
    };
    let heads = ["mean", "standard deviation", "least", "most"];
    lines.push(line("", heads));
    for (name, spread) in metrics(spread) {
        let [mean, least, most] = [spread.mean, spread.least, spread.most].map(format::metric);
        let deviation = format::short(spread.deviation);
        lines.push(line(name, [&mean, &deviation, &least, &most]));
    }
    if spread.is_nothing() && spread.scope == SeedScope::SameRows {
        lines.push(
            "  no seed changes anything on these rows; '--splits' divides the rows anew under each"
                .to_owned(),
        );
    }
    lines
}

/// The spread of all metrics on one line.
pub fn line(spread: &SeedSpread) -> String {
    let all = metrics(spread).map(|(name, spread)| {
        let [mean, least, most] = [spread.mean, spread.least, spread.most].map(format::metric);
        let deviation = format::short(spread.deviation);
        format!("{name} {mean} sd {deviation} ({least} to {most})")
    });
    let all: Vec<_> = all.collect();
    format!("{}: {}", title(spread), all.join("   "))
}

/// A difference against the spread: `seeds ±0.012 (0.7 sd), within`.
pub fn distance(distance: &SeedDistance) -> String {
    let verdict = if distance.beyond { "beyond" } else { "within" };
    match distance.deviations {
        None => format!("seeds ±0, {verdict}"),
        Some(deviations) => {
            let limit = format::short(distance.limit);
            format!("seeds ±{limit} ({deviations:.1} sd), {verdict}")
        }
    }
}

/// In how many rows labels flipped, and in how many between seeds.
pub fn labels(labels: &LabelsFlipped, rows: u64) -> String {
    let of = format::counted(rows, "row");
    let mut text = format!("{} of {of}", format::count(labels.rows));
    if let (Some([least, most]), Some(beyond)) = (labels.between_seeds, labels.is_beyond()) {
        let [least, most] = [least, most].map(format::count);
        let verdict = if beyond { "beyond" } else { "within" };
        text += &format!("   between seeds {least} to {most}, {verdict}");
    }
    text
}

/// How many seeds differences are judged by, or how to come to know them.
pub fn known(seeds: &AgainstSeeds) -> String {
    if seeds.is_known() {
        return format!(
            "'seeds ±': what two of {} differ by in 95 of 100 cases, {}; sd: of such differences",
            format::counted(seeds.count() as u64, "seed"),
            seeds.scope.name(),
        );
    }
    let option = match seeds.scope {
        SeedScope::SameRows => "",
        SeedScope::OtherRows => " --splits",
    };
    format!(
        "how much of that another seed alone makes is not known: 'reproof run --seeds 10{option}' on \
         the code of one of them tells"
    )
}
