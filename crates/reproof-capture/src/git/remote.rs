//! The address of the remote repository.

use std::collections::BTreeMap;

/// The address of the remote that `branch` follows, else of `origin`, else of the first by name;
/// from the output of `git config -z --get-regexp`. Without credentials.
pub(crate) fn remote_url(output: &[u8], branch: Option<&str>) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let mut urls = BTreeMap::new();
    let mut followed = None;
    for entry in text.split('\0') {
        let Some((key, value)) = entry.split_once('\n') else {
            continue;
        };
        if let Some(rest) = key.strip_prefix("remote.") {
            if let Some(name) = rest.strip_suffix(".url") {
                // Of several the first is fetched from.
                urls.entry(name).or_insert(value);
            }
        } else if let Some(name) = key
            .strip_prefix("branch.")
            .and_then(|rest| rest.strip_suffix(".remote"))
            && Some(name) == branch
        {
            followed = Some(value);
        }
    }
    let url = followed
        .and_then(|name| urls.get(name))
        .or_else(|| urls.get("origin"))
        .or_else(|| urls.values().next())?;
    Some(without_credentials(url))
}

/// The address without a password or token. The user's name stays only where it is part of the
/// way there, as in `ssh://git@host`.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return scp_like(url);
    };
    let ssh = scheme.ends_with("ssh") || scheme.starts_with("ssh+");
    let rest = if ssh {
        rest
    } else {
        rest.split(['?', '#']).next().unwrap_or(rest)
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some((user, host)) = authority.rsplit_once('@') {
        let user = user.split(':').next().unwrap_or_default();
        return if ssh && !user.is_empty() {
            format!("{scheme}://{user}@{host}{path}")
        } else {
            format!("{scheme}://{host}{path}")
        };
    }
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_port =
        |port: &str| port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if port.is_some_and(|port| !is_port(port))
        && let Some((_, address)) = rest.rsplit_once('@')
    {
        // A password with a slash in it, which should have been escaped.
        return format!("{scheme}://{address}");
    }
    format!("{scheme}://{authority}{path}")
}

/// `user@host:path`, or a path. What looks like `user:password@host` loses both.
fn scp_like(url: &str) -> String {
    match url.split_once('@') {
        Some((user, rest)) if user.contains(':') && !user.contains('/') => rest.to_owned(),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out() {
        for (url, expect) in [
            ("https://github.com/o/r.git", "https://github.com/o/r.git"),
            (
                "https://user:token@github.com/o/r.git",
                "https://github.com/o/r.git",
            ),
            (
                "https://token@github.com:8443/o/r",
                "https://github.com:8443/o/r",
            ),
            ("https://u:p@ss@host/r", "https://host/r"),
            ("https://u:p/w@host/r", "https://host/r"),
            ("https://host/r?access_token=x#y", "https://host/r"),
            ("https://u:p@host?x", "https://host"),
            ("http://[::1]/r", "http://[::1]/r"),
            ("ssh://git@host:22/r", "ssh://git@host:22/r"),
            ("ssh://git:secret@host/r", "ssh://git@host/r"),
            ("git@github.com:o/r.git", "git@github.com:o/r.git"),
            ("u:p@host:r", "host:r"),
            ("../other repo", "../other repo"),
            ("file:///srv/r.git", "file:///srv/r.git"),
        ] {
            assert_eq!(without_credentials(url), expect, "{url}");
        }
    }

    #[test]
    fn the_followed_remote_then_origin_then_the_first() {
        let two = b"remote.zoo.url\nhttps://zoo/r\0remote.a.b.url\nhttps://ab/r\0\
                    branch.main.remote\nzoo\0";
        assert_eq!(remote_url(two, Some("main")).unwrap(), "https://zoo/r");
        assert_eq!(remote_url(two, Some("other")).unwrap(), "https://ab/r");
        let origin = b"remote.a.url\nx\0remote.origin.url\ny\0remote.origin.url\nz\0";
        assert_eq!(remote_url(origin, None).unwrap(), "y");
        assert_eq!(remote_url(b"", None), None);
        assert_eq!(remote_url(b"branch.main.remote\n.\0", Some("main")), None);
    }
}
