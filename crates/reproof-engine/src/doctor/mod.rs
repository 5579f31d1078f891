//! What would keep a project from being run, recorded or repeated: git, lock file, disk, store, and the
//! code of its pipelines.

mod code;
mod fix;

use std::path::Path;

use reproof_capture::{CaptureOptions, NoCache, capture};
use reproof_config::parse_lock;

pub use code::{CodeCheck, CodeFinding, check_code};
pub use fix::fix_code;

use crate::project::{LOCK_FILE, exists, read_text};
use crate::{EngineError, Project};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, but results may not be tied to a commit or repeated elsewhere.
    Doubtful,
    /// Does not work.
    Bad,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `git`, `lock`, `disk` or `store`.
    pub area: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub text: String,
    /// What to do, where something is to be done.
    pub advice: Option<&'static str>,
}

/// The free space below which a disk is doubtful, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;

/// Looks at everything. Only what keeps it from looking at all is an error.
pub fn doctor(project: &Project) -> Result<Vec<Finding>, EngineError> {
    let mut findings = Vec::new();
    check_git(project, &mut findings);
    check_lock(project, &mut findings)?;
    check_disk(project, &mut findings);
    check_store(project, &mut findings)?;
    Ok(findings)
}

fn finding(
    area: &'static str,
    health: Health,
    text: impl Into<String>,
    advice: Option<&'static str>,
) -> Finding {
    Finding {
        area,
        health,
        text: text.into(),
        advice,
    }
}

fn check_git(project: &Project, findings: &mut Vec<Finding>) {
    let mut note = |health, text: String, advice| {
        findings.push(finding("git", health, text, advice));
    };
    let runner = project.services.runner.as_ref();
    let captured = capture(
        &project.root,
        project.io(),
        runner,
        &NoCache,
        &CaptureOptions::default(),
    );
    let captured = match captured {
        Ok(captured) => captured,
        Err(error) => return note(Health::Bad, error.to_string(), None),
    };
    let state = captured.state;
    match (state.dirty, state.commit.as_deref()) {
        (None, _) => {
            let text = state.notes.first().cloned().unwrap_or_default();
            note(Health::Doubtful, text, Some("'git init' and commit"));
        }
        (Some(_), None) => {
            let advice = Some("commit, so that a commit names the code");
            note(
                Health::Doubtful,
                "nothing is committed yet".to_owned(),
                advice,
            );
        }
        (Some(true), Some(commit)) => {
            let text = format!(
                "{} differ from commit {}: {}",
                files(state.changed.len()),
                short(commit),
                some_of(&state.changed)
            );
            note(
                Health::Doubtful,
                text,
                Some("commit them before a run that counts"),
            );
        }
        (Some(false), Some(commit)) => {
            note(
                Health::Good,
                format!("clean at commit {}", short(commit)),
                None,
            );
        }
    }
    for (path, reason) in &state.left_out {
        note(
            Health::Doubtful,
            format!("{path} is not captured: {reason}"),
            None,
        );
    }
    if captured.lock_committed == Some(false) {
        let text = format!("{LOCK_FILE} is not committed as it is now");
        findings.push(finding(
            "lock",
            Health::Doubtful,
            text,
            Some("commit it with the code"),
        ));
    }
}

fn short(commit: &str) -> &str {
    &commit[..commit.len().min(7)]
}

fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

fn some_of(paths: &[String]) -> String {
    let mut list: Vec<_> = paths.iter().take(3).cloned().collect();
    if paths.len() > list.len() {
        list.push(format!("and {} more", paths.len() - list.len()));
    }
    list.join(", ")
}

fn check_lock(project: &Project, findings: &mut Vec<Finding>) -> Result<(), EngineError> {
    let path = project.root.join(LOCK_FILE);
    let mut note = |health, text: String, advice| {
        findings.push(finding("lock", health, text, advice));
    };
    if !exists(project.io(), &path)? {
        let text = format!("there is no {LOCK_FILE}: no data is pinned");
        note(
            Health::Doubtful,
            text,
            Some("'reproof run' writes it; commit it"),
        );
        return Ok(());
    }
    match parse_lock(LOCK_FILE, &read_text(project.io(), &path)?) {
        Err(error) => note(
            Health::Bad,
            error.to_string(),
            Some("keep one line of each source"),
        ),
        Ok(lock) => {
            let count = lock.entries().count();
            let plural = if count == 1 { "" } else { "s" };
            note(
                Health::Good,
                format!("{count} data source{plural} pinned"),
                None,
            );
        }
    }
    Ok(())
}

fn check_disk(project: &Project, findings: &mut Vec<Finding>) {
    let folder: &Path = project.store.root();
    let found = match rustix::fs::statvfs(folder) {
        Err(error) => {
            let text = format!("{}: {error}", folder.display());
            finding("disk", Health::Bad, text, None)
        }
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let health = if free < LITTLE_SPACE {
                Health::Doubtful
            } else {
                Health::Good
            };
            let text = format!("{:.1} GB free for {}", free as f64 / 1e9, folder.display());
            let advice = (health == Health::Doubtful).then_some("make room before a large run");
            finding("disk", health, text, advice)
        }
    };
    findings.push(found);
}

fn check_store(project: &Project, findings: &mut Vec<Finding>) -> Result<(), EngineError> {
    let checked = project.store.check()?;
    if checked.damage.is_empty() {
        let text = format!("{} blobs and chunks, every byte right", checked.entries);
        findings.push(finding("store", Health::Good, text, None));
    }
    let advice = Some("'reproof verify' of the records that use it makes it again");
    findings.extend(
        checked
            .damage
            .iter()
            .map(|damage| finding("store", Health::Bad, damage.to_string(), advice)),
    );
    Ok(())
}
