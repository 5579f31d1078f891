//! Rules about what several threads or processes make together.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::Rule;
use super::calls::{Given, keyword_of};
use super::visit::{Checker, Said};

impl Checker<'_> {
    pub(super) fn forest(&mut self, name: &str, call: &ExprCall) {
        const FORESTS: [&str; 4] = [
            "RandomForestClassifier",
            "RandomForestRegressor",
            "ExtraTreesClassifier",
            "ExtraTreesRegressor",
        ];
        let last = name.rsplit('.').next().unwrap_or_default();
        if !name.starts_with("sklearn.") || !FORESTS.contains(&last) {
            return;
        }
        let Given::Number(jobs) = keyword_of(call, "n_jobs") else {
            return;
        };
        let several = jobs > 1 || jobs < 0 && self.context.threads > 1;
        if several && self.facts.predicts_probabilities {
            let text = format!(
                "{last} with n_jobs={jobs} sums what its trees predict in the order in which threads \
                 end: predict_proba differs from call to call (at most 3e-16 was measured)"
            );
            let advice =
                "fit with n_jobs if you like, and set_params(n_jobs=1) before predict_proba";
            self.say(call.range(), Said::new(Rule::ParallelForest, text, advice));
        }
    }

    /// `pool.map(draw, tasks)`, where `draw` draws from the one generator of its module.
    pub(super) fn shared(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        const METHODS: [&str; 8] = [
            "submit",
            "map",
            "starmap",
            "imap",
            "imap_unordered",
            "apply_async",
            "map_async",
            "starmap_async",
        ];
        let (None, Expr::Attribute(called)) = (name, &*call.func) else {
            return;
        };
        let (Expr::Name(pool), Some(Expr::Name(task))) =
            (&*called.value, call.arguments.args.first())
        else {
            return;
        };
        let of_pool = method.is_some_and(|method| METHODS.contains(&method))
            && self.facts.is_pool(&(self.scope, pool.id.to_string()));
        if of_pool && self.facts.draws(&task.id) {
            let text = format!(
                "{}() draws from the one generator of all threads, or of a worker: which task draws first is \
                 another one in each run",
                task.id
            );
            let advice = "give each task a generator of its own, made from the step's seed and the task's \
                          number: numpy.random.default_rng([seed, number])";
            self.say(call.range(), Said::new(Rule::SharedGenerator, text, advice));
        }
    }
}
