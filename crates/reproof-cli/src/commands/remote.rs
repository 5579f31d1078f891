//! `reproof remote`: adds, lists and removes the remotes of a project.

use clap::{Args, Subcommand};
use reproof_config::{
    ADDRESS_HINT, RemoteAddress, RemoteSettings, parse_project, with_remote, without_remote,
};
use reproof_engine::{EngineError, PROJECT_FILE, Project, read_text};
use reproof_record::StepName;
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with remotes.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Write a remote into reproof.toml.
    Add(Add),
    /// List the remotes.
    List,
    /// Take a remote out of reproof.toml. What lies there is left as it is.
    Remove(Named),
}

/// A new remote.
#[derive(Debug, Args)]
pub struct Add {
    /// How it is called here, such as origin.
    #[arg(value_name = "NAME")]
    pub name: StepName,
    /// Where it is: s3://BUCKET/PREFIX, or a folder as file:///absolute/path.
    #[arg(value_name = "URL")]
    pub url: String,
    /// The address of the server, if it is not AWS's own.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The region of the bucket.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Reach a server on another machine without TLS.
    #[arg(long)]
    pub allow_http: bool,
}

/// One remote.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub name: StepName,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    match &arguments.action {
        Action::Add(new) => add(&project, new, printer),
        Action::List => {
            list(&project, printer);
            Ok(())
        }
        Action::Remove(named) => remove(&project, &named.name, printer),
    }?;
    Ok(Exit::Done)
}

fn text(project: &Project) -> Result<String, EngineError> {
    read_text(project.io(), &project.root.join(PROJECT_FILE))
}

fn add(project: &Project, new: &Add, printer: &Printer) -> Result<(), EngineError> {
    let address = RemoteAddress::parse(&new.url).map_err(|what| EngineError::Usage {
        message: format!("'{}': {what}", new.url),
        hint: Some(ADDRESS_HINT.to_owned()),
    })?;
    let settings = RemoteSettings {
        endpoint: new.endpoint.clone(),
        region: new.region.clone(),
        allow_http: new.allow_http,
        ..RemoteSettings::new(address)
    };
    let added = with_remote(&text(project)?, &new.name, &settings).map_err(EngineError::usage)?;
    let added = added.ok_or_else(|| EngineError::Usage {
        message: format!("there is a remote '{}' already", new.name),
        hint: Some(format!(
            "choose another name, or 'reproof remote remove {}' first",
            new.name
        )),
    })?;
    // What the file could not say is not written into it.
    parse_project(PROJECT_FILE, &added)?;
    project.write_text(PROJECT_FILE, &added)?;
    if printer.json {
        printer.document(&json!({ "name": new.name, "url": settings.address.to_string() }));
    } else {
        printer.line(&format!("{} {}", new.name, settings.address));
    }
    Ok(())
}

fn list(project: &Project, printer: &Printer) {
    let remotes = &project.settings.remotes;
    if printer.json {
        let remotes: Vec<_> = remotes
            .iter()
            .map(|(name, settings)| {
                json!({
                    "name": name,
                    "url": settings.address.to_string(),
                    "endpoint": settings.endpoint,
                    "region": settings.region,
                })
            })
            .collect();
        printer.document(&json!({ "remotes": remotes }));
        return;
    }
    if remotes.is_empty() {
        printer.line("no remote: 'reproof remote add NAME URL' adds one");
    }
    let width = remotes.keys().map(|name| name.as_str().len()).max();
    for (name, settings) in remotes {
        printer.line(&format!(
            "{:<width$}  {}{}",
            name.as_str(),
            settings.address,
            settings
                .endpoint
                .as_ref()
                .map_or(String::new(), |endpoint| format!("  at {endpoint}")),
            width = width.unwrap_or(0)
        ));
    }
}

fn remove(project: &Project, name: &StepName, printer: &Printer) -> Result<(), EngineError> {
    // Says which there are if there is none of this name.
    reproof_engine::pick_remote(project, Some(name.as_str()))?;
    let removed = without_remote(&text(project)?, name).map_err(EngineError::usage)?;
    if let Some(removed) = removed {
        project.write_text(PROJECT_FILE, &removed)?;
    }
    if printer.json {
        printer.document(&json!({ "removed": name }));
    } else {
        printer.line(&format!("removed {name}"));
    }
    Ok(())
}
