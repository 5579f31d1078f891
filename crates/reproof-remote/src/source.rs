//! Files on servers as sources of data: objects of S3, or what an address of HTTP gives.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use reproof_config::{RemoteAddress, RemoteSettings};
use reproof_store::ObjectError;
use reproof_store::fs::Io;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::runtime::Runtime;

use crate::profile;
use crate::s3::{CONNECT, PAUSE, RETRIES, S3, TIMEOUT, causes, runtime, wrong};

/// How many bytes of an object are asked for at a time.
const PART: u64 = 8 << 20;
/// How many servers a request may be sent on to.
const REDIRECTS: usize = 10;

/// What came of fetching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is what it was: nothing was written.
    Unchanged,
    /// All its bytes were written.
    New {
        /// What the server calls this state of it: a strong entity tag, which is another one as soon
        /// as a byte is. None if it gives none.
        tag: Option<String>,
    },
}

/// Where the bytes go. A transfer that begins anew opens it again, empty.
pub type Open<'a> = dyn FnMut() -> std::io::Result<Box<dyn Write + 'a>> + 'a;

/// Fetches what is at an address, `s3://BUCKET/KEY`, `https://…` or `http://…`, unless it is what
/// `known` is the tag of. Transfers that break off go on where they were, if the server can do so,
/// and else begin anew.
///
/// Credentials, region and endpoint of S3 come from the variables and files that the AWS tools read.
/// HTTP without TLS only reaches this machine.
///
/// # Errors
/// An address that is none, a server that cannot be reached or refuses, an object that is not there
/// or changes meanwhile, and bytes that cannot be written.
pub fn fetch(
    address: &str,
    known: Option<&str>,
    variables: &BTreeMap<String, String>,
    io: &dyn Io,
    open: &mut Open<'_>,
) -> Result<Fetched, ObjectError> {
    if let Some(rest) = address.strip_prefix("s3://") {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        return Bucket::open(bucket, variables, io)?.fetch(key, known, open);
    }
    Http::new(address)?.fetch(known, open)
}

fn not_written(error: &std::io::Error) -> ObjectError {
    wrong(
        format!("what was fetched cannot be written: {error}"),
        "look at the room on the disk of the project",
    )
}

fn changed(address: &str) -> ObjectError {
    wrong(
        format!("{address} changed while it was fetched"),
        "run again once it is at rest",
    )
}

/// An object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// What the server calls this state of it: see [`Fetched::New`].
    pub tag: Option<String>,
}

/// A bucket of S3 whose objects are data.
#[derive(Debug)]
pub struct Bucket {
    server: S3,
    name: String,
}

impl Bucket {
    /// The bucket of this name. Nothing is asked of it yet.
    ///
    /// # Errors
    /// If no credentials can be found, or an endpoint cannot be used.
    pub fn open(
        name: &str,
        variables: &BTreeMap<String, String>,
        io: &dyn Io,
    ) -> Result<Self, ObjectError> {
        let settings = RemoteSettings::new(RemoteAddress::S3 {
            bucket: name.to_owned(),
            prefix: String::new(),
        });
        let profile = profile::read(io, variables);
        Ok(Self {
            server: S3::open(&settings, (name, ""), variables, &profile)?,
            name: name.to_owned(),
        })
    }

    /// The objects in a folder, which is the bucket itself if it is empty, and in those below it down to
    /// this depth, sorted by their keys.
    ///
    /// # Errors
    /// A server that cannot be reached or refuses, and a bucket that is not there.
    pub fn list(&self, folder: &str, depth: Option<usize>) -> Result<Vec<Listed>, ObjectError> {
        let mut all = Vec::new();
        let mut folders = vec![(object_store::path::Path::from(folder), 0)];
        while let Some((path, level)) = folders.pop() {
            let fetching = &self.server.fetching;
            let listed = (self.server).ask(|| fetching.list_with_delimiter(Some(&path)));
            let listed = listed.map_err(|error| self.server.failed(path.as_ref(), &error))?;
            all.extend(listed.objects.into_iter().map(|object| Listed {
                key: object.location.to_string(),
                tag: object.e_tag.filter(|tag| is_strong(tag)),
            }));
            if depth.is_none_or(|depth| level < depth) {
                let below = listed.common_prefixes.into_iter();
                folders.extend(below.map(|path| (path, level + 1)));
            }
        }
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    /// Fetches an object in parts, all of one state of it, unless it is what `known` is the tag of.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn fetch(
        &self,
        key: &str,
        known: Option<&str>,
        open: &mut Open<'_>,
    ) -> Result<Fetched, ObjectError> {
        let (server, address) = (&self.server, format!("s3://{}/{key}", self.name));
        let path = object_store::path::Path::from(key);
        let head = server.ask(|| server.fetching.head(&path));
        let head = server.if_there(key, head)?.ok_or_else(|| {
            wrong(
                format!("there is no object {address}"),
                "look at its name; letters count as they are written",
            )
        })?;
        let tag = head.e_tag.filter(|tag| is_strong(tag));
        if known.is_some() && tag.as_deref() == known {
            return Ok(Fetched::Unchanged);
        }
        let mut out = open().map_err(|error| not_written(&error))?;
        let mut place = 0;
        while place < head.size {
            let range = place..head.size.min(place + PART);
            let length = range.end - range.start;
            let options = GetOptions {
                range: Some(range.into()),
                if_match: tag.clone(),
                ..GetOptions::default()
            };
            let part = server.ask(|| async {
                let part = server.fetching.get_opts(&path, options.clone()).await?;
                // Without a tag to insist on, what differs tells.
                let same =
                    part.meta.size == head.size && part.meta.last_modified == head.last_modified;
                Ok(if same {
                    Some(part.bytes().await?)
                } else {
                    None
                })
            });
            let part = match part {
                Err(object_store::Error::Precondition { .. }) => None,
                part => server.if_there(key, part)?.flatten(),
            };
            let part = part.filter(|part| part.len() as u64 == length);
            let part = part.ok_or_else(|| changed(&address))?;
            out.write_all(&part).map_err(|error| not_written(&error))?;
            place += length;
        }
        out.flush().map_err(|error| not_written(&error))?;
        Ok(Fetched::New { tag })
    }
}

/// Whether a tag changes with every byte.
fn is_strong(tag: &str) -> bool {
    tag.starts_with('"')
}

/// An address of HTTP.
struct Http<'a> {
    address: &'a str,
    client: Client,
    runtime: Runtime,
}

/// Why an attempt ended early.
enum Broken {
    /// It may go better the next time.
    Again(String),
    /// It will not.
    Never(ObjectError),
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let text = causes(&error);
        if error.is_redirect() {
            return Self::Never(wrong(text, "name the address that it leads to"));
        }
        Self::Again(text)
    }
}

/// How far a transfer is.
struct Transfer<'o> {
    out: Option<Box<dyn Write + 'o>>,
    place: u64,
    tag: Option<String>,
}

impl<'a> Http<'a> {
    fn new(address: &'a str) -> Result<Self, ObjectError> {
        // Whoever was first chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let follow = Policy::custom(|attempt| {
            let url = attempt.url();
            let is_plain = url.scheme() == "http";
            let host = url.host_str().unwrap_or_default();
            if attempt.previous().len() > REDIRECTS {
                attempt.error("it is redirected again and again")
            } else if is_plain && !reproof_config::is_loopback(host) {
                attempt.error("it is redirected to an address without TLS")
            } else {
                attempt.follow()
            }
        });
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(Duration::from_secs(TIMEOUT))
            .redirect(follow)
            .user_agent(concat!("reproof/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| {
            wrong(
                format!("nothing can be fetched: {error}"),
                "look at the certificates of this machine",
            )
        })?;
        Ok(Self {
            address,
            client,
            runtime: runtime()?,
        })
    }

    fn fetch(&self, known: Option<&str>, open: &mut Open<'_>) -> Result<Fetched, ObjectError> {
        let mut transfer = Transfer {
            out: None,
            place: 0,
            tag: None,
        };
        let mut pause = PAUSE;
        let mut attempt = 0;
        loop {
            let tried = self.attempt(known, &mut transfer, open);
            match self.runtime.block_on(tried) {
                Ok(fetched) => return Ok(fetched),
                Err(Broken::Never(error)) => return Err(error),
                Err(Broken::Again(_)) if attempt < RETRIES => {
                    std::thread::sleep(pause);
                    pause *= 2;
                    attempt += 1;
                }
                Err(Broken::Again(reason)) => {
                    return Err(wrong(
                        format!("{} cannot be fetched: {reason}", self.address),
                        "look at the address and the network, and run again",
                    ));
                }
            }
        }
    }

    async fn attempt<'o>(
        &self,
        known: Option<&str>,
        transfer: &mut Transfer<'o>,
        open: &mut Open<'o>,
    ) -> Result<Fetched, Broken> {
        let mut request = self.client.get(self.address);
        let mut rest = false;
        match (&transfer.tag, &transfer.out, known) {
            // The rest of the very same bytes, else all of them.
            (Some(tag), Some(_), _) if transfer.place > 0 => {
                let range = format!("bytes={}-", transfer.place);
                rest = true;
                request = request.header(IF_RANGE, tag).header(RANGE, range);
            }
            (_, _, Some(known)) => request = request.header(IF_NONE_MATCH, known),
            _ => {}
        }
        let mut response = request.send().await?;
        if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Fetched::Unchanged);
        }
        self.check(&response)?;
        let never = |error: std::io::Error| Broken::Never(not_written(&error));
        if response.status() == StatusCode::PARTIAL_CONTENT {
            if !rest || begin_of(&response) != Some(transfer.place) {
                // It is another part than was asked for: all of it, the next time.
                transfer.tag = None;
                return Err(Broken::Again("it sent another part".to_owned()));
            }
        } else {
            transfer.tag = tag_of(&response);
            transfer.place = 0;
            transfer.out = Some(open().map_err(never)?);
        }
        let Some(out) = &mut transfer.out else {
            return Err(Broken::Again(
                "it sent a part without being asked".to_owned(),
            ));
        };
        while let Some(bytes) = response.chunk().await? {
            out.write_all(&bytes).map_err(never)?;
            transfer.place += bytes.len() as u64;
        }
        out.flush().map_err(never)?;
        Ok(Fetched::New {
            tag: transfer.tag.clone(),
        })
    }

    fn check(&self, response: &Response) -> Result<(), Broken> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let address = self.address;
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Broken::Never(wrong(
                format!("there is nothing at {address} ({status})"),
                "look at the address",
            )),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Broken::Never(wrong(
                format!("{address} is refused ({status})"),
                "only what everyone may read is fetched by HTTP: fetch it yourself, or put it in a \
                 bucket",
            )),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Broken::Again(format!("the server answers {status}"))
            }
            _ if status.is_server_error() => Broken::Again(format!("the server answers {status}")),
            _ => Broken::Never(wrong(
                format!("{address} cannot be fetched: the server answers {status}"),
                "look at the address",
            )),
        })
    }
}

/// The place of the first byte of a part (RFC 9110, 14.4).
fn begin_of(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (begin, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    begin.parse().ok()
}

fn tag_of(response: &Response) -> Option<String> {
    let tag = response.headers().get(ETAG)?.to_str().ok()?;
    is_strong(tag).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests;
