//! Random numbers that are others each time.

use ruff_python_ast::ExprCall;
use ruff_text_size::Ranged;

use super::calls::{Given, keyword_of};
use super::facts::gives_nothing;
use super::visit::{Checker, Said};
use super::{Generator, Rule};

impl Checker<'_> {
    /// Functions and classes that draw.
    pub(super) fn random(&mut self, name: &str, call: &ExprCall) {
        let Some(draws) = draws(name, call) else {
            return;
        };
        let said = match draws {
            Draws::Own => Said::new(
                Rule::UnseededRandom,
                format!("{name}() without a seed is seeded by the system, anew in each run"),
                if self.context.is_step {
                    "give it the step's seed: int(step[\"seed\"])"
                } else {
                    "give it a number: 0"
                },
            ),
            Draws::From(generator) => {
                let Some(state) = self.unseeded(generator, call) else {
                    return;
                };
                let advice = self.seeding(generator);
                let text = format!("{name} draws from a generator that {state}");
                let mut said = Said::new(Rule::UnseededRandom, text, advice);
                said.unless_seeded = Some(generator);
                said.is_one_of_many = true;
                said
            }
            Draws::Without(argument) => return self.without(name, argument, call),
        };
        self.say(call.range(), said);
    }

    /// Methods of what a module got from elsewhere.
    pub(super) fn random_method(&mut self, method: Option<&str>, call: &ExprCall) {
        let without = |keyword| keyword_of(call, keyword) == Given::Not;
        let draws = match method {
            Some("sample") => {
                self.names.imports("pandas")
                    && without("random_state")
                    && (!without("n") || !without("frac"))
            }
            Some("rvs") => self.names.imports("scipy") && without("random_state") && without("rng"),
            _ => false,
        };
        if draws {
            let name = format!(".{}()", method.unwrap_or_default());
            self.without(&name, "random_state", call);
        }
    }

    /// What draws from NumPy's generator unless an argument is given.
    fn without(&mut self, name: &str, argument: &str, call: &ExprCall) {
        let Some(state) = self.unseeded(Generator::NumPy, call) else {
            return;
        };
        let text = format!("{name} without {argument} draws from NumPy's generator, which {state}");
        let advice = if self.context.is_step {
            format!("give it {argument}=int(step[\"seed\"]) % 2**32")
        } else {
            format!("give it {argument}=0")
        };
        let mut said = Said::new(Rule::UnseededRandom, text, advice);
        said.unless_seeded = Some(Generator::NumPy);
        self.say(call.range(), said);
    }

    /// That a generator has no seed where this is called; none if it may have one.
    fn unseeded(&self, generator: Generator, call: &ExprCall) -> Option<String> {
        let spot = self.spot(call.range());
        if self.facts.seeds.cover(generator, spot) {
            return None;
        }
        Some(match self.facts.seeds.first(generator) {
            Some(seed) => format!("is seeded only below, in {}", self.shown(seed)),
            None if self.context.is_step => "no code of the step seeds".to_owned(),
            None => "nothing seeds".to_owned(),
        })
    }

    /// How a generator is seeded.
    fn seeding(&self, generator: Generator) -> String {
        let (call, bound) = match generator {
            Generator::Python => ("random.seed", ""),
            Generator::NumPy => ("np.random.seed", " % 2**32"),
            Generator::Torch => ("torch.manual_seed", " % 2**63"),
            Generator::TensorFlow => ("tf.random.set_seed", " % 2**31"),
        };
        let better = match generator {
            Generator::NumPy => ", or better rng = np.random.default_rng(0)",
            _ => "",
        };
        if self.context.is_step {
            format!("{call}(int(step[\"seed\"]){bound}) first")
        } else {
            format!("set its seed in one of the first lines: {call}(0){better}")
        }
    }
}

/// Functions of `random` that draw from its own generator.
const PYTHON: &[&str] = &[
    "random",
    "randint",
    "randrange",
    "randbytes",
    "getrandbits",
    "choice",
    "choices",
    "shuffle",
    "sample",
    "uniform",
    "triangular",
    "betavariate",
    "expovariate",
    "gammavariate",
    "gauss",
    "lognormvariate",
    "normalvariate",
    "paretovariate",
    "vonmisesvariate",
    "weibullvariate",
    "binomialvariate",
];
/// Functions of `numpy.random` that draw nothing from the global generator.
const NUMPY_OTHERS: &[&str] = &["seed", "default_rng", "get_state", "set_state", "test"];
/// What makes a generator of NumPy, seeded by the system unless a seed is given.
const NUMPY_GENERATORS: &[&str] = &[
    "default_rng",
    "RandomState",
    "SeedSequence",
    "PCG64",
    "PCG64DXSM",
    "MT19937",
    "Philox",
    "SFC64",
];
/// Functions of `torch` that draw.
const TORCH: &[&str] = &[
    "rand",
    "randn",
    "randint",
    "randperm",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
    "rand_like",
    "randn_like",
    "randint_like",
];
/// Layers of `torch.nn` that begin with drawn weights, or draw as they run.
const TORCH_LAYERS: &[&str] = &[
    "Linear",
    "Bilinear",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Embedding",
    "EmbeddingBag",
    "RNN",
    "LSTM",
    "GRU",
    "MultiheadAttention",
    "Transformer",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
    "Dropout",
];
/// Layers of Keras that do.
const KERAS_LAYERS: &[&str] = &[
    "Dense",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Embedding",
    "LSTM",
    "GRU",
    "SimpleRNN",
    "Dropout",
];

/// What draws random numbers.
pub(super) enum Draws {
    /// From this generator, which may be seeded elsewhere.
    From(Generator),
    /// From a generator that this very call makes without a seed.
    Own,
    /// From the generator of NumPy unless this argument is given.
    Without(&'static str),
}

/// Whether a call draws random numbers whose seed it does not fix.
pub(super) fn draws(name: &str, call: &ExprCall) -> Option<Draws> {
    let (module, last) = name.rsplit_once('.')?;
    let given = |keyword: &str| keyword_of(call, keyword);
    match module {
        "random" if PYTHON.contains(&last) => Some(Draws::From(Generator::Python)),
        "random" if last == "seed" && gives_nothing(call, "a") => Some(Draws::Own),
        "random" if last == "Random" && gives_nothing(call, "x") => Some(Draws::Own),
        "numpy.random" if NUMPY_GENERATORS.contains(&last) => {
            gives_nothing(call, "seed").then_some(Draws::Own)
        }
        "numpy.random" if last == "seed" => gives_nothing(call, "seed").then_some(Draws::Own),
        "numpy.random" if last.starts_with(|first: char| first.is_lowercase()) => {
            (!NUMPY_OTHERS.contains(&last)).then_some(Draws::From(Generator::NumPy))
        }
        "torch" if TORCH.contains(&last) => {
            (given("generator") == Given::Not).then_some(Draws::From(Generator::Torch))
        }
        "torch.nn" | "torch.nn.modules" if TORCH_LAYERS.contains(&last) => {
            Some(Draws::From(Generator::Torch))
        }
        "torch.utils.data" => {
            let shuffles = last == "random_split"
                || last == "DataLoader" && matches!(given("shuffle"), Given::True);
            (shuffles && given("generator") == Given::Not).then_some(Draws::From(Generator::Torch))
        }
        "tensorflow.random" if !matches!(last, "set_seed" | "Generator") => {
            (given("seed") == Given::Not).then_some(Draws::From(Generator::TensorFlow))
        }
        "keras.layers" | "tensorflow.keras.layers" if KERAS_LAYERS.contains(&last) => {
            Some(Draws::From(Generator::TensorFlow))
        }
        _ if name.starts_with("sklearn.") => {
            sklearn(last, call).then_some(Draws::Without("random_state"))
        }
        _ => None,
    }
}

/// What of scikit-learn draws whatever its other arguments say.
const SKLEARN: &[&str] = &[
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "GroupShuffleSplit",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "RandomizedSearchCV",
    "HalvingRandomSearchCV",
    "HalvingGridSearchCV",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "RandomTreesEmbedding",
    "IsolationForest",
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "BaggingClassifier",
    "BaggingRegressor",
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "BernoulliRBM",
    "SGDClassifier",
    "SGDRegressor",
    "SGDOneClassSVM",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "PassiveAggressiveRegressor",
    "RANSACRegressor",
    "LinearSVC",
    "LinearSVR",
    "KMeans",
    "MiniBatchKMeans",
    "BisectingKMeans",
    "SpectralClustering",
    "GaussianMixture",
    "BayesianGaussianMixture",
    "TSNE",
    "MDS",
    "FastICA",
    "TruncatedSVD",
    "DictionaryLearning",
    "MiniBatchDictionaryLearning",
    "LatentDirichletAllocation",
    "GaussianRandomProjection",
    "SparseRandomProjection",
    "RBFSampler",
    "Nystroem",
    "QuantileTransformer",
    "TargetEncoder",
    "permutation_importance",
    "resample",
    "shuffle",
    "make_blobs",
    "make_classification",
    "make_regression",
    "make_moons",
    "make_circles",
    "make_friedman1",
];

/// Whether a function or class of scikit-learn draws from NumPy's generator.
fn sklearn(last: &str, call: &ExprCall) -> bool {
    let is = |keyword: &str, texts: &[&str]| match keyword_of(call, keyword) {
        Given::Text(text) => texts.contains(&text),
        _ => false,
    };
    let draws = match last {
        "train_test_split" => keyword_of(call, "shuffle") != Given::False,
        "KFold" | "StratifiedKFold" | "StratifiedGroupKFold" => {
            keyword_of(call, "shuffle") == Given::True
        }
        "LogisticRegression" | "LogisticRegressionCV" => {
            is("solver", &["sag", "saga", "liblinear"])
        }
        "Ridge" | "RidgeClassifier" => is("solver", &["sag", "saga"]),
        "PCA" => is("svd_solver", &["randomized", "arpack"]),
        "SVC" | "NuSVC" => keyword_of(call, "probability") == Given::True,
        _ => SKLEARN.contains(&last),
    };
    draws && keyword_of(call, "random_state") == Given::Not
}
