//! Reads `[remotes.NAME]`, and adds and removes them without touching what else stands there.

use std::collections::BTreeMap;
use std::fmt;

use reproof_record::StepName;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::diagnostic::Report;
use crate::tree::Node;

/// Where a remote is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Where it is.
    pub address: RemoteAddress,
    /// The address of the server, if it is not AWS's own.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// How many seconds the server may be silent.
    pub timeout: Option<u64>,
    /// Whether a server on another machine may be reached without TLS.
    pub allow_http: bool,
}

impl RemoteSettings {
    /// A remote at this address, reached as the variables and files of the AWS tools say.
    pub fn new(address: RemoteAddress) -> Self {
        Self {
            address,
            endpoint: None,
            region: None,
            timeout: None,
            allow_http: false,
        }
    }
}

/// The address of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteAddress {
    /// A folder: an absolute path.
    Folder(String),
    /// A bucket of S3 or its like.
    S3 {
        /// Its name.
        bucket: String,
        /// What comes before all names in it; may be empty.
        prefix: String,
    },
}

/// How an address is written.
pub const ADDRESS_HINT: &str = "write s3://BUCKET, s3://BUCKET/PREFIX or file:///absolute/path";

impl RemoteAddress {
    /// The address that a text is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("file://") {
            let inside = path.strip_prefix('/').ok_or("the path must be absolute")?;
            let inside = inside.trim_end_matches('/');
            let parts = || inside.split('/');
            if inside.is_empty() || parts().any(|part| matches!(part, "" | "." | "..")) {
                return Err("the path must be absolute, without . and .. in it");
            }
            return Ok(Self::Folder(format!("/{inside}")));
        }
        let rest = text
            .strip_prefix("s3://")
            .ok_or("only s3:// and file:// are known")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-._".contains(&c);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_name) {
            return Err("the bucket's name must be 3 to 63 of a-z, 0-9, '-', '.'");
        }
        let prefix = prefix.trim_end_matches('/');
        let is_part = |part: &str| {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._=".contains(&c);
            !matches!(part, "" | "." | "..") && part.bytes().all(plain)
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err("the prefix must be made of letters, digits, '-', '.', '_', '=' and '/'");
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{path}"),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Whether what follows `http://` in an address is this machine.
pub fn is_loopback(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(host) => host.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads the remotes. What is malformed was reported by the validation.
pub(super) fn read(
    node: Option<&Node>,
    report: &mut Report<'_>,
) -> BTreeMap<StepName, RemoteSettings> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let settings = read_one(&entry.value, report)?;
        let name = StepName::new(entry.key.value.as_str()).ok()?;
        Some((name, settings))
    });
    read.collect()
}

fn read_one(node: &Node, report: &mut Report<'_>) -> Option<RemoteSettings> {
    let url = node.get("url")?;
    let address = match RemoteAddress::parse(url.text()?) {
        Ok(address) => address,
        Err(what) => {
            report.hinted(url.span, what, ADDRESS_HINT);
            return None;
        }
    };
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let settings = RemoteSettings {
        endpoint: text("endpoint"),
        region: text("region"),
        timeout: node
            .get("timeout")
            .and_then(Node::integer)
            .and_then(|seconds| u64::try_from(seconds).ok()),
        allow_http: node.get("allow_http").and_then(Node::boolean) == Some(true),
        address,
    };
    if let RemoteAddress::Folder(_) = settings.address {
        for key in ["endpoint", "region", "timeout", "allow_http"] {
            if let Some(entry) = node.entry(key) {
                let message = format!("'{key}' has no use for a folder");
                report.error(entry.key.span, message);
            }
        }
    }
    if let (Some(endpoint), Some(node)) = (&settings.endpoint, node.get("endpoint")) {
        let plain = endpoint.strip_prefix("http://");
        if let Some(rest) = plain
            && !is_loopback(rest)
            && !settings.allow_http
        {
            report.hinted(
                node.span,
                "without TLS only a server on this machine may be reached",
                "use https://, or add allow_http = true",
            );
        } else if plain.is_none() && !endpoint.starts_with("https://") {
            let hint = "write it as https://HOST or https://HOST:PORT";
            report.hinted(node.span, "the endpoint is no address", hint);
        }
    }
    Some(settings)
}

/// The text of `reproof.toml` with a remote more; all else stays as it is, comments too. None if
/// there is one of that name.
///
/// # Errors
/// If the text is not TOML, or `remotes` in it is no table.
pub fn with_remote(
    text: &str,
    name: &StepName,
    settings: &RemoteSettings,
) -> Result<Option<String>, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let remotes = document.entry("remotes").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let remotes = remotes
        .as_table_like_mut()
        .ok_or("'remotes' is not a table")?;
    if remotes.contains_key(name.as_str()) {
        return Ok(None);
    }
    let mut table = Table::new();
    table["url"] = value(settings.address.to_string());
    for (key, text) in [
        ("endpoint", &settings.endpoint),
        ("region", &settings.region),
    ] {
        if let Some(text) = text {
            table[key] = value(text.as_str());
        }
    }
    if settings.allow_http {
        table["allow_http"] = value(true);
    }
    remotes.insert(name.as_str(), Item::Table(table));
    Ok(Some(document.to_string()))
}

/// The text of `reproof.toml` without a remote; all else stays as it is. None if there is none of
/// that name.
///
/// # Errors
/// If the text is not TOML.
pub fn without_remote(text: &str, name: &StepName) -> Result<Option<String>, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let remotes = document
        .get_mut("remotes")
        .and_then(Item::as_table_like_mut);
    let Some(remotes) = remotes else {
        return Ok(None);
    };
    if remotes.remove(name.as_str()).is_none() {
        return Ok(None);
    }
    if remotes.is_empty() {
        document.remove("remotes");
    }
    Ok(Some(document.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StepName {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_parsed_and_written_alike() {
        for text in ["s3://bucket", "s3://a.b-c/x/y=1", "file:///srv/reproof"] {
            assert_eq!(RemoteAddress::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "s3://",
            "s3://a",
            "s3://Bucket",
            "s3://bucket//x",
            "s3://bucket/a/../b",
            "file://x",
            "file:///",
            "file:///a/../b",
            "https://x",
            "/srv",
            "s3://bucket/a b",
        ] {
            assert!(RemoteAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in [
            "localhost",
            "127.0.0.1:9000",
            "127.1.2.3",
            "[::1]:9000",
            "localhost:1/x",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "example.org",
            "127.0.0.1.example.org",
            "10.0.0.1:9000",
            "",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn adding_and_removing_leaves_the_rest() {
        let before = "# ours\n[policy]\nlocked = true # always\n";
        let address = RemoteAddress::parse("s3://bucket/x").unwrap();
        let settings = RemoteSettings::new(address);
        let after = with_remote(before, &name("origin"), &settings)
            .unwrap()
            .unwrap();
        assert_eq!(
            after,
            format!("{before}\n[remotes.origin]\nurl = \"s3://bucket/x\"\n")
        );
        assert_eq!(with_remote(&after, &name("origin"), &settings), Ok(None));
        let removed = without_remote(&after, &name("origin")).unwrap().unwrap();
        assert_eq!(removed.trim_end(), before.trim_end());
        assert_eq!(without_remote(before, &name("origin")), Ok(None));
    }
}
