//! Objects of remotes by their address: buckets of S3 and its like, folders; and files on servers as
//! sources of data.
//!
//! The one crate that speaks with a network, and the one that has an async runtime. It is started
//! when a remote in S3 is opened, and nothing of it is seen outside.

mod profile;
mod s3;
mod source;

pub use source::{Bucket, Fetched, Listed, Open, fetch};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use reproof_config::{RemoteAddress, RemoteSettings};
use reproof_store::fs::Io;
use reproof_store::{FolderObjects, ObjectError, Objects};

/// The objects of a remote, by what `reproof.toml` says of it. Nothing is asked of it yet.
///
/// Credentials, region and endpoint come from the variables and files that the AWS tools read,
/// where the settings do not say otherwise.
///
/// # Errors
/// If no credentials can be found, or an endpoint cannot be used.
pub fn open(
    settings: &RemoteSettings,
    variables: &BTreeMap<String, String>,
    io: &Arc<dyn Io>,
) -> Result<Arc<dyn Objects>, ObjectError> {
    match &settings.address {
        RemoteAddress::Folder(path) => {
            let folder = FolderObjects::new(Path::new(path).to_owned(), Arc::clone(io));
            Ok(Arc::new(folder))
        }
        RemoteAddress::S3 { bucket, prefix } => {
            let profile = profile::read(io.as_ref(), variables);
            let objects = s3::S3::open(settings, (bucket, prefix), variables, &profile)?;
            Ok(Arc::new(objects))
        }
    }
}
