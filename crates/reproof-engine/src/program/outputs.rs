//! What a program wrote, taken into the store.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use reproof_catalog::StepOutput;
use reproof_record::{ArtifactKind, Program, RelativePath, StepName, to_canonical};
use reproof_store::fs::{FileKind, IoError};
use reproof_store::{Batch, StoredArtifact, TakeError};
use reproof_table::{CsvOptions, FileFormat, SnapshotOptions, StatisticsLevel, snapshot_file};
use serde_json::Map;

use super::protocol::{self, METRICS, REPORTED_FILE, Reported};
use super::{Outputs, ProgramJob, Told, holds_secret};
use crate::OperationError;

/// The most bytes of an output that are looked at for secrets at a time.
const PIECE: u64 = 1 << 20;

impl ProgramJob<'_> {
    /// Takes every declared output, and the metrics that were reported.
    pub(super) fn collect(
        &self,
        program: &Program,
        work: &Path,
        told: &mut Told,
    ) -> Result<Outputs, OperationError> {
        let out = work.join("out");
        self.refuse_links(program, &out)?;
        self.check_there(program, &out)?;
        self.note_undeclared(program, &out, told)?;
        self.refuse_secrets(&out)?;
        let mut batch = self.store.batch();
        let mut outputs = Outputs::new();
        for (name, path) in &program.outputs {
            let kind = self.step.outputs.get(name).copied();
            let kind = kind.unwrap_or(ArtifactKind::Files);
            let path = out.join(path.as_str());
            let stored = if kind == ArtifactKind::Table {
                self.take_table(&mut batch, name, &path)?
            } else {
                self.take_files(&mut batch, kind, name, &path)?
            };
            outputs.insert(name.clone(), output(stored));
        }
        let (reported, name) = self.reported(&mut batch, work)?;
        outputs.insert(name, output(reported));
        batch.commit()?;
        Ok(outputs)
    }

    /// The folders that an output lies in must be folders: a link in their place could lead to files
    /// that the program was never shown.
    fn refuse_links(&self, program: &Program, out: &Path) -> Result<(), OperationError> {
        for (name, path) in &program.outputs {
            let mut folder = out.to_owned();
            let Some((above, _)) = path.as_str().rsplit_once('/') else {
                continue;
            };
            for part in above.split('/') {
                folder.push(part);
                match self.io().metadata(&folder) {
                    Ok(facts) if facts.kind != FileKind::Folder => {
                        return Err(OperationError::failed(format!(
                            "the output '{name}' does not lie in a folder: the program put a link or \
                             a file in place of {}/{above}",
                            protocol::OUTPUTS
                        )));
                    }
                    Ok(_) => {}
                    Err(error) if error.is_not_found() => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Every declared output must have been written.
    fn check_there(&self, program: &Program, out: &Path) -> Result<(), OperationError> {
        let missing: Vec<_> = program
            .outputs
            .iter()
            .filter(|(_, path)| self.io().metadata(&out.join(path.as_str())).is_err())
            .map(|(name, path)| format!("'{name}' ({}/{path})", protocol::OUTPUTS))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut written = Vec::new();
        self.list(out, "", &mut written)?;
        let written = match written.len() {
            0 => "it wrote nothing there".to_owned(),
            count => format!(
                "it wrote {}{}",
                written[..count.min(5)].join(", "),
                if count > 5 { ", …" } else { "" }
            ),
        };
        Err(OperationError::failed(format!(
            "the program did not write its output {}: {written}",
            missing.join(", ")
        )))
    }

    fn list(
        &self,
        folder: &Path,
        prefix: &str,
        files: &mut Vec<String>,
    ) -> Result<(), OperationError> {
        for entry in self.io().read_dir(folder)? {
            let name = format!("{prefix}{}", entry.name.to_string_lossy());
            match entry.kind {
                FileKind::Folder => {
                    self.list(&folder.join(&entry.name), &format!("{name}/"), files)?;
                }
                _ => files.push(name),
            }
        }
        Ok(())
    }

    /// Files beside the declared outputs are not kept, which a person should know.
    fn note_undeclared(
        &self,
        program: &Program,
        out: &Path,
        told: &mut Told,
    ) -> Result<(), OperationError> {
        let mut written = Vec::new();
        self.list(out, "", &mut written)?;
        let declared: BTreeSet<_> = program.outputs.values().map(RelativePath::as_str).collect();
        let covered = |file: &&String| {
            declared.iter().any(|path| {
                file.strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let undeclared: Vec<_> = written.iter().filter(|file| !covered(file)).collect();
        if let Some(first) = undeclared.first() {
            told.notes.push(format!(
                "{} not kept, because no output is declared for it: {first}{}",
                if undeclared.len() == 1 {
                    "a file was"
                } else {
                    "files were"
                },
                if undeclared.len() > 1 { ", …" } else { "" }
            ));
        }
        Ok(())
    }

    /// No secret may lie in what is kept.
    fn refuse_secrets(&self, out: &Path) -> Result<(), OperationError> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let mut files = Vec::new();
        self.list(out, "", &mut files)?;
        for file in files {
            if let Some(name) = self.secret_in(&out.join(&file), &file)? {
                return Err(OperationError::failed(format!(
                    "the output file {file} holds the value of the secret {name}: nothing of this \
                     step is kept"
                )));
            }
        }
        Ok(())
    }

    /// The secret that is in the name of a file, in what it links to or in its bytes.
    fn secret_in(&self, path: &Path, name: &str) -> Result<Option<String>, OperationError> {
        if let Some(secret) = holds_secret(name.as_bytes(), self.secrets) {
            return Ok(Some(secret));
        }
        match self.io().metadata(path)?.kind {
            FileKind::Link => {
                let target = self.io().read_link(path)?;
                let target = target.as_os_str().as_encoded_bytes();
                Ok(holds_secret(target, self.secrets))
            }
            FileKind::File => self.secret_in_bytes(path),
            FileKind::Folder | FileKind::Other => Ok(None),
        }
    }

    fn secret_in_bytes(&self, path: &Path) -> Result<Option<String>, OperationError> {
        let longest = self.secrets.values().map(String::len).max().unwrap_or(0);
        let mut reader = self.io().open_read(path)?;
        let mut window = Vec::new();
        loop {
            // A secret may be cut where a piece ends: so much of the last one is looked at again.
            let from = window.len().saturating_sub(longest);
            window.drain(..from);
            let kept = window.len();
            let mut piece = reader.by_ref().take(PIECE);
            let read = piece.read_to_end(&mut window);
            read.map_err(|source| IoError::new("read", path, source))?;
            if let Some(name) = holds_secret(&window, self.secrets) {
                return Ok(Some(name));
            }
            if window.len() == kept {
                return Ok(None);
            }
        }
    }

    fn take_table(
        &self,
        batch: &mut Batch,
        name: &StepName,
        path: &Path,
    ) -> Result<StoredArtifact, OperationError> {
        if self.io().metadata(path)?.kind != FileKind::File {
            return Err(OperationError::failed(format!(
                "the output '{name}' is a table and must be a file"
            )));
        }
        let extension = path.extension().and_then(|text| text.to_str());
        let format = match extension {
            Some("parquet") => FileFormat::Parquet,
            _ => FileFormat::Csv(CsvOptions::default()),
        };
        let options = SnapshotOptions {
            statistics: StatisticsLevel::None,
            ..SnapshotOptions::default()
        };
        let read = snapshot_file(self.store, batch, path, &format, &options);
        let read = read.map_err(|error| {
            OperationError::failed(format!(
                "the output '{name}' cannot be read as a table: {error}"
            ))
        })?;
        Ok(read.stored)
    }

    fn take_files(
        &self,
        batch: &mut Batch,
        kind: ArtifactKind,
        name: &StepName,
        path: &Path,
    ) -> Result<StoredArtifact, OperationError> {
        let facts = self.io().metadata(path)?;
        let refused = |error| match error {
            TakeError::Store(error) => OperationError::from(error),
            refused => OperationError::failed(format!("the output '{name}': {refused}")),
        };
        let files = match facts.kind {
            FileKind::Folder => batch.take_folder(path).map_err(refused)?,
            FileKind::File => {
                let file = path.file_name().and_then(|file| file.to_str());
                let file = file.and_then(|file| file.parse().ok());
                let file = file.ok_or_else(|| {
                    OperationError::Contract(format!("the output '{name}' has no plain name"))
                })?;
                vec![(file, facts.executable, batch.take_file(path)?)]
            }
            FileKind::Link | FileKind::Other => {
                return Err(OperationError::failed(format!(
                    "the output '{name}' is neither a file nor a folder"
                )));
            }
        };
        Ok(batch.put_tree(kind, "application/octet-stream", files, Map::new())?)
    }

    /// The metrics that the program reported, as an output of their own.
    fn reported(
        &self,
        batch: &mut Batch,
        work: &Path,
    ) -> Result<(StoredArtifact, StepName), OperationError> {
        let text = self.read_report(work, METRICS)?;
        if let Some(name) = holds_secret(&text, self.secrets) {
            return Err(OperationError::failed(format!(
                "{METRICS} holds the value of the secret {name}: nothing of this step is kept"
            )));
        }
        let metrics = protocol::read_lines(METRICS, &text, false);
        let reported = Reported {
            format: Reported::FORMAT.to_owned(),
            metrics: metrics.map_err(OperationError::failed)?,
        };
        let blob = batch.put(&to_canonical(&reported)?)?;
        let named = |text: &str| OperationError::Contract(format!("'{text}' is no name"));
        let path = REPORTED_FILE.parse().map_err(|_| named(REPORTED_FILE))?;
        let name = Program::REPORTED
            .parse()
            .map_err(|_| named(Program::REPORTED))?;
        let files = vec![(path, false, blob)];
        let stored =
            batch.put_tree(ArtifactKind::Metrics, "application/json", files, Map::new())?;
        Ok((stored, name))
    }
}

fn output(stored: StoredArtifact) -> StepOutput {
    StepOutput {
        artifact: stored.artifact,
        manifest: stored.manifest,
    }
}
