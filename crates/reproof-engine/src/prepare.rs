//! From a pipeline file to a recipe: the file is read, the code captured, the policies checked,
//! the data pinned, and the pipeline expanded. Where a built-in step takes a table that a program makes,
//! the program runs in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reproof_capture::{Capture, CaptureOptions, DigestCache, capture};
use reproof_config::{
    DataFrom, Early, ExpandOptions, Graph, Lock, Override, Pipeline, parse_lock, parse_pipeline,
};
use reproof_record::{
    DataInput, DataUse, Digest, ExpectationOutcome, Isolation, Recipe, Schema, Source, StepKey,
    StepName, Timestamp,
};
use reproof_store::fs::write_atomic;

use crate::code;
use crate::data::{self, Pinned};
use crate::digests::CatalogDigests;
use crate::environments::Ready;
use crate::observer::{Event, Observer};
use crate::programs::{self, Programs, Resolved};
use crate::project::{LOCK_FILE, exists, read_text};
use crate::{Cancel, EngineError, Project, expect, pins, queries, written};

/// What to run, and how strictly.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The pipeline file, inside the project.
    pub pipeline_file: String,
    /// Values set on the command line.
    pub overrides: Vec<Override>,
    /// Whether the overrides give another seed than the pipeline's own, for the spread over seeds.
    pub further_seed: bool,
    /// Whether data must be as the lock file says.
    pub locked: bool,
    /// Whether files that differ from the commit are refused.
    pub require_clean: bool,
    /// Whether data is what the lock file pins, as far as that is stored: then its source is not read,
    /// and the history of named data is left as it is.
    pub data_of_lock: bool,
    /// Whether the test part is scored.
    pub final_look: bool,
    /// How far programs are kept from what they were not given. Less than all of it is for the person
    /// at the machine to grant, never for a project.
    pub isolation: Isolation,
}

/// A pipeline that was read and whose data is pinned, before it is expanded.
pub(crate) struct Read {
    pipeline: Pipeline,
    code: Capture,
    pinned: BTreeMap<StepName, Pinned>,
    /// The lock file as it was.
    lock: Lock,
    resolved: Resolved,
    /// What programs get that no recipe holds.
    pub programs: Arc<Programs>,
    /// What the data must meet.
    pub expectations: Vec<ExpectationOutcome>,
    /// What must run before the pipeline can be expanded.
    pub early: Option<Early>,
    options: ExpandOptions,
    /// When the data was judged.
    now: Timestamp,
    locked: bool,
    writes_lock: bool,
}

/// A recipe, and under which keys the lock file pins what came out of its steps, if it must be kept to.
pub(crate) type Keyed = (Recipe, BTreeMap<StepName, StepKey>);

/// A pipeline that is ready to run.
pub struct Prepared {
    /// The pipeline as its file says it.
    pub pipeline: Pipeline,
    /// Its steps and gates.
    pub graph: Graph,
    /// Its recipe.
    pub recipe: Recipe,
    /// The code.
    pub code: Capture,
    /// The data that was read.
    pub data: BTreeMap<StepName, DataUse>,
    /// What the data had to meet.
    pub expectations: Vec<ExpectationOutcome>,
    /// The data, as it was pinned.
    pub(crate) pinned: BTreeMap<StepName, Pinned>,
    /// What programs get that no recipe holds.
    pub(crate) programs: Arc<Programs>,
    /// Whether the graph is but what must run before the rest can be expanded.
    pub partial: bool,
    /// The lock file as it is now; none if there is none.
    pub lock: Option<String>,
    /// The keys under which the lock file pins what came out of steps, if it must be kept to.
    pub(crate) pinned_keys: BTreeMap<StepName, StepKey>,
    /// Whether the lock file may be written.
    pub(crate) writes_lock: bool,
}

/// Reads a pipeline file and pins its data.
pub(crate) fn read(
    project: &Project,
    request: &Request,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Read, EngineError> {
    refuse_isolation(project, request.isolation)?;
    let lock = read_lock(project)?;
    let locked = request.locked || project.settings.policy.locked;
    let (pipeline, environment) = if written::is_python(&request.pipeline_file) {
        let read = written::read(project, request, &lock, locked, observer, cancel)?;
        (read.pipeline, Some(read.environment))
    } else {
        let text = read_text(project.io(), &project.root.join(&request.pipeline_file))?;
        let pipeline = parse_pipeline(&request.pipeline_file, &text, &request.overrides)?;
        (pipeline, None)
    };
    let code = capture_code(project, Some(&pipeline))?;
    observer.event(&Event::Code(&code.state));
    code::keep(project, &code)?;
    if request.require_clean || project.settings.policy.require_clean {
        refuse_dirty(&code)?;
    }
    let read = data::Reading {
        locked,
        of_lock: request.data_of_lock,
    };
    let pinned = data::pin_all(project, &pipeline, &lock, read, observer, cancel)?;
    let options = ExpandOptions {
        final_look: request.final_look,
    };
    let mut resolved = programs::resolve(
        project,
        &pipeline,
        &code,
        &lock,
        (locked, request.isolation),
        environment,
        observer,
    )?;
    let early = pipeline.early(&columns(&pinned), &resolved.programs, &options)?;
    let now = project.services.clock.now();
    let expectations = expect::judge_all(project, &pipeline, &pinned, &lock, now, cancel)?;
    Ok(Read {
        pipeline,
        code,
        pinned,
        lock,
        programs: Arc::new(std::mem::take(&mut resolved.given)),
        resolved,
        // What must not be used is not pinned either: drift would then be judged against it.
        writes_lock: request.overrides.is_empty() && !locked && !expect::refuses(&expectations),
        expectations,
        early,
        options,
        now,
        locked,
    })
}

/// The columns of data.
fn columns(pinned: &BTreeMap<StepName, Pinned>) -> BTreeMap<Source, Schema> {
    let data = pinned.iter();
    data.map(|(name, pinned)| (Source::Data { data: name.clone() }, pinned.schema.clone()))
        .collect()
}

impl Read {
    /// The recipe of what must run first; none if nothing must.
    pub fn early_recipe(&self) -> Result<Option<(Keyed, &BTreeSet<Source>)>, EngineError> {
        let Some(early) = &self.early else {
            return Ok(None);
        };
        Ok(Some((self.recipe(&early.graph)?, &early.tables)))
    }

    fn recipe(&self, graph: &Graph) -> Result<Keyed, EngineError> {
        let pinned = self.pinned.iter();
        let versions: BTreeMap<StepName, DataInput> = pinned
            .map(|(name, pinned)| (name.clone(), pinned.used.version))
            .collect();
        let mut recipe = graph.recipe(&versions)?;
        let keys = if self.locked {
            pins::fill(&mut recipe, &self.lock, &self.pipeline.name)?
        } else {
            BTreeMap::new()
        };
        Ok((recipe, keys))
    }

    /// Expands the pipeline with the tables that programs made first, of which the columns are then known,
    /// and what is expected of them is judged.
    pub fn expand(
        mut self,
        project: &Project,
        made: &BTreeMap<Source, Digest>,
        cancel: &Cancel,
    ) -> Result<Prepared, EngineError> {
        let mut columns = columns(&self.pinned);
        for (source, table) in made {
            let table = project.store.table_object(table)?;
            columns.insert(source.clone(), table.schema);
        }
        let judged = expect::judge_made(project, &self.pipeline, made, self.now, cancel)?;
        self.expectations.extend(judged);
        self.writes_lock &= !expect::refuses(&self.expectations);
        let programs = &self.resolved.programs;
        let graph = self.pipeline.expand(&columns, programs, &self.options)?;
        self.complete(project, graph, false)
    }

    /// What must run first as all that there is: without its tables the rest is not known.
    pub fn early_alone(mut self, project: &Project) -> Result<Prepared, EngineError> {
        let graph = self.early.take().map(|early| early.graph);
        self.complete(project, graph.unwrap_or_default(), true)
    }

    fn complete(
        mut self,
        project: &Project,
        graph: Graph,
        partial: bool,
    ) -> Result<Prepared, EngineError> {
        let (recipe, pinned_keys) = self.recipe(&graph)?;
        if self.writes_lock {
            let environments = &self.resolved.environments;
            update_lock(project, &mut self.lock, &self.pinned, environments)?;
        }
        let data = self.pinned.iter();
        let data = data.map(|(name, pinned)| (name.clone(), pinned.used.clone()));
        Ok(Prepared {
            data: data.collect(),
            lock: lock_text(project)?,
            pipeline: self.pipeline,
            graph,
            recipe,
            code: self.code,
            pinned: self.pinned,
            expectations: self.expectations,
            programs: self.programs,
            partial,
            pinned_keys,
            writes_lock: self.writes_lock,
        })
    }
}

/// Refuses less isolation than the project's policy asks for.
pub(crate) fn refuse_isolation(project: &Project, asked: Isolation) -> Result<(), EngineError> {
    match (asked, project.settings.policy.isolation) {
        (Isolation::None, Some(Isolation::Full)) => Err(EngineError::Refused {
            message:
                "policy.isolation in reproof.toml is 'full': no step may run without isolation"
                    .to_owned(),
            hint: Some(
                "run it on a machine with user namespaces, without '--isolation none'".to_owned(),
            ),
        }),
        _ => Ok(()),
    }
}

/// Reads the lock file; an empty one if there is none.
pub(crate) fn read_lock(project: &Project) -> Result<Lock, EngineError> {
    let path = project.root.join(LOCK_FILE);
    if exists(project.io(), &path)? {
        Ok(parse_lock(LOCK_FILE, &read_text(project.io(), &path)?)?)
    } else {
        Ok(Lock::default())
    }
}

fn lock_text(project: &Project) -> Result<Option<String>, EngineError> {
    let path = project.root.join(LOCK_FILE);
    if !exists(project.io(), &path)? {
        return Ok(None);
    }
    read_text(project.io(), &path).map(Some)
}

fn update_lock(
    project: &Project,
    lock: &mut Lock,
    pinned: &BTreeMap<StepName, Pinned>,
    environments: &[Ready],
) -> Result<(), EngineError> {
    let mut changed = false;
    for ready in environments {
        if !lock.closures(&ready.specification).contains(&ready.closure) {
            lock.add_closure(ready.specification, ready.closure);
            changed = true;
        }
    }
    for pinned in pinned.values() {
        let entry = pinned.entry();
        if lock.get(&entry.source) != Some(&entry) {
            lock.set(entry);
            changed = true;
        }
    }
    if changed {
        write_atomic(
            project.io(),
            &project.root.join(LOCK_FILE),
            lock.to_text().as_bytes(),
        )?;
    }
    Ok(())
}

/// Captures the project's code: what is not the data that it names, nor that of this pipeline.
pub(crate) fn capture_code(
    project: &Project,
    pipeline: Option<&Pipeline>,
) -> Result<Capture, EngineError> {
    let digests = CatalogDigests::new(project);
    let captured = capture_with(project, pipeline, &digests)?;
    digests.finish()?;
    Ok(captured)
}

/// The same, with digests of files from this cache.
pub(crate) fn capture_with(
    project: &Project,
    pipeline: Option<&Pipeline>,
    digests: &dyn DigestCache,
) -> Result<Capture, EngineError> {
    let named = project.settings.data.values().map(|named| &named.source);
    let read = pipeline.iter().flat_map(|pipeline| pipeline.data.values());
    let read = read.filter_map(|from| match from {
        DataFrom::Source(source) => Some(source),
        DataFrom::Named(_) | DataFrom::Version(_) => None,
    });
    let data = named.chain(read).flat_map(queries::files).collect();
    Ok(capture(
        &project.root,
        project.io(),
        project.services.runner.as_ref(),
        digests,
        &CaptureOptions { data },
    )?)
}

fn refuse_dirty(code: &Capture) -> Result<(), EngineError> {
    let refused = |message: String, hint: &str| {
        Err(EngineError::Refused {
            message,
            hint: Some(hint.to_owned()),
        })
    };
    match code.state.dirty {
        Some(false) => Ok(()),
        Some(true) => {
            let paths = &code.state.changed;
            let mut list: Vec<_> = paths.iter().take(5).cloned().collect();
            if paths.len() > list.len() {
                list.push(format!("and {} more", paths.len() - list.len()));
            }
            refused(
                format!("files differ from the commit: {}", list.join(", ")),
                "commit them, or run without --require-clean (policy.require_clean)",
            )
        }
        None => refused(
            "the project is not in a git repository, so no commit names its code".to_owned(),
            "'git init' and commit, or run without --require-clean (policy.require_clean)",
        ),
    }
}
