//! S3 and its like, behind calls that wait.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};
use reproof_config::RemoteSettings;
use reproof_store::{ObjectError, Objects};
use tokio::runtime::Runtime;

/// How long a server may be silent, in seconds, where the settings do not say it.
pub(crate) const TIMEOUT: u64 = 30;
/// How long it may take until a server is reached at all.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// How much longer for what is sent: a pack is on its way meanwhile.
const SENDING: u32 = 4;
/// How often a request is tried again.
pub(crate) const RETRIES: usize = 5;
/// How long it is waited before the first time; twice as long before each of the next.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// What an error says if an answer broke off.
const BROKEN_OFF: &str = "error reading a body from connection";

/// A bucket.
pub(crate) struct S3 {
    /// For requests that fetch, and for those that send.
    pub(crate) fetching: AmazonS3,
    sending: AmazonS3,
    runtime: Runtime,
    prefix: Path,
    address: String,
    bucket: String,
    endpoint: Option<String>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing that could hold a secret.
        f.debug_struct("S3")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

pub(crate) fn wrong(message: impl Into<String>, hint: impl Into<String>) -> ObjectError {
    ObjectError {
        message: message.into(),
        hint: hint.into(),
    }
}

/// What waits for requests.
pub(crate) fn runtime() -> Result<Runtime, ObjectError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| wrong(format!("no runtime: {error}"), "try again"))
}

impl S3 {
    /// The bucket, with what comes before all names in it.
    pub fn open(
        settings: &RemoteSettings,
        (bucket, prefix): (&str, &str),
        variables: &BTreeMap<String, String>,
        profile: &BTreeMap<String, String>,
    ) -> Result<Self, ObjectError> {
        // Whoever was first chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = endpoint(settings, variables)?;
        let base = builder(settings, variables, profile)?
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(endpoint.is_none())
            // One object at a time: not every server deletes several.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(5),
                    base: 2.,
                },
                max_retries: RETRIES,
                retry_timeout: Duration::from_mins(3),
            });
        let base = match &endpoint {
            Some(endpoint) => base.with_endpoint(endpoint),
            None => base,
        };
        let timeout = Duration::from_secs(settings.timeout.unwrap_or(TIMEOUT));
        let is_http = endpoint
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"));
        let client = |read: Duration| {
            let options = ClientOptions::new()
                .with_timeout_disabled()
                .with_connect_timeout(timeout.min(CONNECT))
                .with_read_timeout(read)
                .with_allow_http(is_http);
            let built = base.clone().with_client_options(options).build();
            built.map_err(|error| {
                wrong(
                    error.to_string(),
                    "look at [remotes] in reproof.toml and at the variables AWS_…",
                )
            })
        };
        let address = match prefix {
            "" => format!("s3://{bucket}"),
            prefix => format!("s3://{bucket}/{prefix}"),
        };
        Ok(Self {
            fetching: client(timeout)?,
            sending: client(timeout * SENDING)?,
            runtime: runtime()?,
            prefix: Path::from(prefix),
            address,
            bucket: bucket.to_owned(),
            endpoint,
        })
    }

    /// Waits for what a request gives. An answer that breaks off in the middle is asked for again
    /// here: `object_store` does not do so if it is an error's.
    pub(crate) fn ask<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        work: impl Fn() -> F,
    ) -> object_store::Result<T> {
        let mut pause = PAUSE;
        for _ in 0..RETRIES {
            match self.runtime.block_on(work()) {
                Err(error @ Error::Generic { .. }) if causes(&error).contains(BROKEN_OFF) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                result => return result,
            }
        }
        self.runtime.block_on(work())
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    pub(crate) fn failed(&self, name: &str, error: &Error) -> ObjectError {
        let text = causes(error);
        let at = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => "AWS".to_owned(),
        };
        if text.contains("NoSuchBucket") {
            return wrong(
                format!("{at} has no bucket '{}'", self.bucket),
                "make the bucket, or mend the remote's url in reproof.toml",
            );
        }
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => wrong(
                format!("{at} refuses {name}: {}", reason(&text)),
                "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and at what \
                 they may do: it takes s3:GetObject, s3:PutObject and s3:ListBucket",
            ),
            _ => wrong(
                format!(
                    "{at} cannot be reached or fails at {name}: {}",
                    reason(&text)
                ),
                "look at the network, at the remote's endpoint and region, and whether the server \
                 runs; then run the same command again: it goes on where this one ended",
            ),
        }
    }

    /// Nothing, where the object is not there; a bucket that is not there is an error.
    pub(crate) fn if_there<T>(
        &self,
        name: &str,
        result: object_store::Result<T>,
    ) -> Result<Option<T>, ObjectError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error @ Error::NotFound { .. }) if !causes(&error).contains("NoSuchBucket") => {
                Ok(None)
            }
            Err(error) => Err(self.failed(name, &error)),
        }
    }
}

/// An error and those behind it, each once.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What of an error a person wants to know, on one line.
fn reason(text: &str) -> String {
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let message = text
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"));
    if let Some((code, _)) = code {
        let message = message.map_or("", |(message, _)| message);
        return format!("{code} {message}").trim().to_owned();
    }
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.chars().take(400).collect()
}

/// Settings, variables and files, the first that says something.
fn builder(
    settings: &RemoteSettings,
    variables: &BTreeMap<String, String>,
    profile: &BTreeMap<String, String>,
) -> Result<AmazonS3Builder, ObjectError> {
    let mut builder = AmazonS3Builder::new();
    let given = variables
        .iter()
        .filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty());
    for (name, value) in given {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let is_set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let from_profile = !is_set("AWS_ACCESS_KEY_ID");
    if from_profile {
        if let (Some(id), Some(key)) = (
            profile.get("aws_access_key_id"),
            profile.get("aws_secret_access_key"),
        ) {
            builder = builder.with_access_key_id(id).with_secret_access_key(key);
            if let Some(token) = profile.get("aws_session_token") {
                builder = builder.with_token(token);
            }
        } else if !OTHER_CREDENTIALS.iter().any(|name| is_set(name)) {
            return Err(wrong(
                "there are no credentials",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for one of \
                 ~/.aws/credentials; AWS_SKIP_SIGNATURE=true reads a public bucket",
            ));
        }
    }
    let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| variables.get(name).filter(|value| !value.is_empty()));
    let region = settings
        .region
        .as_ref()
        .or(variable)
        .or(profile.get("region"));
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    Ok(builder)
}

/// What says that credentials come from elsewhere.
const OTHER_CREDENTIALS: [&str; 5] = [
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// Where the server is, if it is not AWS itself. Without TLS only on this machine, unless the
/// settings allow it.
fn endpoint(
    settings: &RemoteSettings,
    variables: &BTreeMap<String, String>,
) -> Result<Option<String>, ObjectError> {
    let variable = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| variables.get(name).filter(|value| !value.is_empty()));
    let Some(endpoint) = settings.endpoint.as_ref().or(variable) else {
        return Ok(None);
    };
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    if let Some(rest) = endpoint.strip_prefix("http://") {
        if !settings.allow_http && !reproof_config::is_loopback(rest) {
            return Err(wrong(
                format!("the endpoint {endpoint} is without TLS and not on this machine"),
                "use https://, or write allow_http = true for the remote in reproof.toml",
            ));
        }
    } else if !endpoint.starts_with("https://") {
        return Err(wrong(
            format!("the endpoint '{endpoint}' is no address"),
            "write it as https://HOST or https://HOST:PORT",
        ));
    }
    Ok(Some(endpoint))
}

impl Objects for S3 {
    fn address(&self) -> &str {
        &self.address
    }

    fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        let path = self.path(name);
        let result = self.ask(|| async {
            let found = self.fetching.get(&path).await?;
            if found.meta.size > limit {
                return Ok(Err(found.meta.size));
            }
            Ok(Ok(found.bytes().await?))
        });
        match self.if_there(name, result)? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes.into())),
            Some(Err(size)) => Err(wrong(
                format!("{name} has {size} bytes, more than the limit of {limit}"),
                "something else than Reproof wrote it: remove it, and push again",
            )),
        }
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, ObjectError> {
        let path = self.path(name);
        let result = self.ask(|| self.fetching.get_range(&path, range.clone()));
        if let Err(error) = &result {
            // A server answers so if the object is shorter than the range.
            let text = causes(error);
            let is_other = text.contains("Requested ") && text.contains(", got ");
            if is_other || text.contains("InvalidRange") {
                return Ok(Some(Vec::new()));
            }
        }
        Ok(self.if_there(name, result)?.map(Into::into))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes);
        let result = self.ask(|| self.sending.put(&path, payload.clone()));
        result
            .map(|_| ())
            .map_err(|error| self.failed(name, &error))
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.path(name);
        let result = self.ask(|| self.sending.delete(&path));
        self.if_there(name, result).map(|_| ())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let path = self.path(folder);
        let result = self.ask(|| self.fetching.list_with_delimiter(Some(&path)));
        let listed = result.map_err(|error| self.failed(folder, &error))?;
        let names = listed
            .objects
            .iter()
            .filter_map(|object| object.location.filename());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }
}
