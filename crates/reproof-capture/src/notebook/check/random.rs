//! Random numbers that are others each time.

use std::collections::BTreeMap;

use super::scan::{Call, Given, Scan, Spot};
use super::{Finding, Rule};

/// Where a library keeps a generator of its own, which a seed sets.
struct Library {
    name: &'static str,
    /// What draws from it.
    draws: &'static [&'static str],
    /// What seeds it.
    seed: &'static str,
}

const LIBRARIES: [Library; 3] = [
    Library {
        name: "numpy.random",
        draws: &[
            "beta",
            "binomial",
            "bytes",
            "chisquare",
            "choice",
            "dirichlet",
            "exponential",
            "f",
            "gamma",
            "geometric",
            "gumbel",
            "laplace",
            "logistic",
            "lognormal",
            "multinomial",
            "multivariate_normal",
            "normal",
            "pareto",
            "permutation",
            "poisson",
            "power",
            "rand",
            "randint",
            "randn",
            "random",
            "random_integers",
            "random_sample",
            "ranf",
            "rayleigh",
            "sample",
            "shuffle",
            "standard_normal",
            "standard_t",
            "triangular",
            "uniform",
            "vonmises",
            "wald",
            "weibull",
            "zipf",
        ],
        seed: "np.random.seed(0), or better rng = np.random.default_rng(0)",
    },
    Library {
        name: "random",
        draws: &[
            "betavariate",
            "choice",
            "choices",
            "expovariate",
            "gammavariate",
            "gauss",
            "getrandbits",
            "lognormvariate",
            "normalvariate",
            "paretovariate",
            "randbytes",
            "randint",
            "random",
            "randrange",
            "sample",
            "shuffle",
            "triangular",
            "uniform",
            "vonmisesvariate",
            "weibullvariate",
        ],
        seed: "random.seed(0)",
    },
    Library {
        name: "torch",
        draws: &[
            "bernoulli",
            "multinomial",
            "normal",
            "rand",
            "randint",
            "randn",
            "randperm",
        ],
        seed: "torch.manual_seed(0)",
    },
];

/// Generators of numbers that take a seed as their first argument.
const GENERATORS: [(&str, &str); 3] = [
    ("numpy.random.default_rng", "seed"),
    ("numpy.random.RandomState", "seed"),
    ("random.Random", "x"),
];

/// What of scikit-learn draws numbers unless `random_state` says which.
const SKLEARN: &[&str] = &[
    "BaggingClassifier",
    "BaggingRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "IsolationForest",
    "KMeans",
    "MLPClassifier",
    "MLPRegressor",
    "MiniBatchKMeans",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "RandomizedSearchCV",
    "SGDClassifier",
    "SGDRegressor",
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "GroupShuffleSplit",
    "TSNE",
    "make_blobs",
    "make_circles",
    "make_classification",
    "make_moons",
    "make_regression",
    "resample",
    "shuffle",
    "train_test_split",
];
/// What draws them only where `shuffle=True` is said.
const SHUFFLED: [&str; 2] = ["KFold", "StratifiedKFold"];

pub(super) fn check(scan: &Scan) -> Vec<Finding> {
    let seeds = Seeds::of(scan);
    let mut findings = Vec::new();
    let mut drawn: BTreeMap<usize, (&Call, usize)> = BTreeMap::new();
    for call in &scan.calls {
        let Some(name) = scan.full_name(&call.name) else {
            continue;
        };
        for (at, library) in LIBRARIES.iter().enumerate() {
            let own = name
                .strip_prefix(library.name)
                .and_then(|rest| rest.strip_prefix('.'));
            let draws = own.is_some_and(|own| library.draws.contains(&own));
            let given = call.keywords.contains_key("generator") || call.spread;
            if draws && !given && !seeds.cover(library.name, call.spot) {
                drawn.entry(at).or_insert((call, 0)).1 += 1;
            }
        }
        findings.extend(generator(call, &name));
        findings.extend(sklearn(call, &name, &seeds));
    }
    for (at, (first, count)) in drawn {
        let library = &LIBRARIES[at];
        let more = match count - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let set_later = seeds
            .first(library.name)
            .map(|seed| format!(": the seed is set only below, in cell {}", seed.cell));
        findings.push(Finding {
            rule: Rule::UnseededRandom,
            cell: first.spot.cell,
            line: first.spot.line,
            what: format!(
                "'{}' draws from {}, which has no seed yet{}{more}",
                first.name,
                library.name,
                set_later.unwrap_or_default()
            ),
            advice: format!("set it in one of the first cells: {}", library.seed),
        });
    }
    findings
}

fn generator(call: &Call, name: &str) -> Option<Finding> {
    let (_, keyword) = GENERATORS.iter().find(|(known, _)| *known == name)?;
    let is_none = call.keywords.get(*keyword) == Some(&Given::None);
    let seeded = call.positional > 0 || call.spread || call.keywords.contains_key(*keyword);
    (!seeded || is_none).then(|| Finding {
        rule: Rule::UnseededRandom,
        cell: call.spot.cell,
        line: call.spot.line,
        what: format!("'{}' has no seed", call.name),
        advice: format!("give it one: {}(0)", call.name),
    })
}

fn sklearn(call: &Call, name: &str, seeds: &Seeds) -> Option<Finding> {
    let name = name.strip_prefix("sklearn.")?.rsplit('.').next()?;
    let is = |key: &str, value: Given| call.keywords.get(key) == Some(&value);
    let draws = if SHUFFLED.contains(&name) {
        is("shuffle", Given::True)
    } else {
        SKLEARN.contains(&name) && !(name == "train_test_split" && is("shuffle", Given::False))
    };
    let state = call.keywords.get("random_state");
    let unseeded = state.is_none_or(|state| *state == Given::None) && !call.spread;
    // Without a state it draws from the one of numpy.
    (draws && unseeded && !seeds.cover("numpy.random", call.spot)).then(|| Finding {
        rule: Rule::UnseededRandom,
        cell: call.spot.cell,
        line: call.spot.line,
        what: format!("'{}' has no random_state", call.name),
        advice: "give it one: random_state=0".to_owned(),
    })
}

/// Where seeds are set.
struct Seeds {
    /// By library; the empty name stands for all of them.
    spots: BTreeMap<&'static str, Vec<Spot>>,
}

impl Seeds {
    fn of(scan: &Scan) -> Self {
        let mut spots: BTreeMap<&'static str, Vec<Spot>> = BTreeMap::new();
        for call in &scan.calls {
            if !call.name.to_lowercase().contains("seed") {
                continue;
            }
            let full = scan.full_name(&call.name).unwrap_or_default();
            let library = match full.as_str() {
                "numpy.random.seed" => "numpy.random",
                "random.seed" => "random",
                "torch.manual_seed" => "torch",
                // Someone's own function, or that of a framework: it may seed all.
                _ => "",
            };
            spots.entry(library).or_default().push(call.spot);
        }
        Self { spots }
    }

    fn of_library(&self, library: &str) -> impl Iterator<Item = &Spot> {
        [library, ""]
            .into_iter()
            .filter_map(|name| self.spots.get(name))
            .flatten()
    }

    /// The first place where a library is seeded.
    fn first(&self, library: &str) -> Option<&Spot> {
        self.of_library(library).min()
    }

    /// Whether a library may have its seed when this is run.
    fn cover(&self, library: &str, spot: Spot) -> bool {
        let mut all = self.of_library(library);
        all.any(|seed| spot.later || seed.later || (seed.cell, seed.byte) < (spot.cell, spot.byte))
    }
}
