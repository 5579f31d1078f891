//! How a PostgreSQL server is named: the two forms that libpq knows, `host=… dbname=…` and
//! `postgresql://…`, of which a few keys.

use std::fmt;
use std::net::Ipv6Addr;

/// The port of a server that names none.
const PORT: u16 = 5432;
/// The keys that may stand in a connection text.
const KEYS: &str = "host, port, dbname, user, sslmode, sslrootcert, connect_timeout";
/// The longest wait for a connection, in seconds.
const MAX_TIMEOUT: u64 = 3600;

/// How the connection to a server is protected; the names are those of libpq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can; its certificate is not looked at.
    #[default]
    Prefer,
    /// Encrypted; the certificate is not looked at.
    Require,
    /// Encrypted, with a certificate that an authority signed which is trusted here.
    VerifyCa,
    /// The same, and the certificate is for this host.
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 5] = [
        Self::Disable,
        Self::Prefer,
        Self::Require,
        Self::VerifyCa,
        Self::VerifyFull,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Where a database is, and how it is reached; without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// The name or address of the host, or the absolute path of the folder of its socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// As whom; none for whoever is at work.
    pub user: Option<String>,
    /// How the connection is protected.
    pub ssl_mode: SslMode,
    /// A file of certificates of authorities; none for those that the machine trusts.
    pub ssl_root: Option<String>,
    /// How many seconds the server may take to answer at first.
    pub connect_timeout: Option<u64>,
}

impl PostgresAddress {
    /// What tells one database from another: neither how it is protected nor how long is waited.
    pub fn identity(&self) -> String {
        let mut text = "postgresql://".to_owned();
        if let Some(user) = &self.user {
            text.push_str(&format!("{}@", escaped(user)));
        }
        // A colon would begin the port.
        if self.host.parse::<Ipv6Addr>().is_ok() {
            text.push_str(&format!("[{}]", self.host));
        } else {
            text.push_str(&escaped(&self.host));
        }
        text.push_str(&format!(":{}/{}", self.port, escaped(&self.database)));
        text
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())?;
        let mut more = Vec::new();
        if self.ssl_mode != SslMode::default() {
            more.push(format!("sslmode={}", self.ssl_mode.name()));
        }
        if let Some(file) = &self.ssl_root {
            more.push(format!("sslrootcert={}", escaped(file)));
        }
        if let Some(seconds) = self.connect_timeout {
            more.push(format!("connect_timeout={seconds}"));
        }
        for (index, option) in more.iter().enumerate() {
            write!(f, "{}{option}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// A password, which is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A text that is a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the server alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A connection text, as an environment variable may hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConnection {
    /// Where the database is.
    pub address: PostgresAddress,
    /// The password that stands in the text.
    pub password: Option<Password>,
}

impl PostgresConnection {
    /// Reads a connection text of either form.
    ///
    /// # Errors
    /// What is wrong, without anything of the text but keys that libpq knows.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rest = text
            .strip_prefix("postgresql://")
            .or_else(|| text.strip_prefix("postgres://"));
        let pairs = match rest {
            Some(rest) => url_pairs(rest)?,
            None => key_pairs(text)?,
        };
        from_pairs(pairs)
    }
}

type Pairs = Vec<(String, String)>;

fn from_pairs(pairs: Pairs) -> Result<PostgresConnection, String> {
    let (mut host, mut database, mut user, mut password) = (None, None, None, None);
    let (mut port, mut ssl_mode, mut ssl_root) = (PORT, SslMode::default(), None);
    let mut connect_timeout = None;
    for (key, value) in pairs {
        match key.as_str() {
            "host" => host = Some(value),
            "port" => {
                let read = value.parse().ok().filter(|port| *port > 0);
                port = read.ok_or("the port must be a number from 1 to 65535")?;
            }
            "dbname" => database = Some(value),
            "user" => user = Some(value),
            "password" => password = Some(Password::new(value)),
            "sslmode" => {
                let mut all = SslMode::ALL.into_iter();
                ssl_mode = all.find(|mode| mode.name() == value).ok_or(
                    "sslmode must be one of disable, prefer, require, verify-ca, verify-full",
                )?;
            }
            "sslrootcert" => ssl_root = Some(value),
            "connect_timeout" => {
                let read = value.parse().ok().filter(|seconds| *seconds <= MAX_TIMEOUT);
                let seconds: u64 = read.ok_or("connect_timeout must be at most 3600 seconds")?;
                // libpq waits for ever then.
                connect_timeout = (seconds > 0).then_some(seconds);
            }
            _ => return Err(unknown(&key)),
        }
    }
    let wanted = |value: Option<String>, what: &str| match value.filter(|text| !text.is_empty()) {
        Some(text) if !text.contains('\0') => Ok(text),
        _ => Err(format!("{what} is missing: write host=… dbname=…")),
    };
    let host = wanted(host, "the host")?;
    if host.contains(',') {
        return Err("several hosts are not supported: name one".to_owned());
    }
    if host.contains(':') && !host.starts_with('/') && host.parse::<Ipv6Addr>().is_err() {
        return Err("the host must be a name, an address or the folder of a socket".to_owned());
    }
    Ok(PostgresConnection {
        address: PostgresAddress {
            host,
            port,
            database: wanted(database, "the database")?,
            user: user.filter(|user| !user.is_empty()),
            ssl_mode,
            ssl_root: ssl_root.filter(|file| !file.is_empty() && file != "system"),
            connect_timeout,
        },
        password: password.filter(|password| !password.0.is_empty()),
    })
}

/// A key that is not known here. Only plain words are shown: anything else may be part of a password.
fn unknown(key: &str) -> String {
    const OTHERS: [&str; 12] = [
        "hostaddr",
        "passfile",
        "service",
        "options",
        "application_name",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslnegotiation",
        "channel_binding",
        "target_session_attrs",
        "client_encoding",
    ];
    if OTHERS.contains(&key) {
        format!("'{key}' is not supported; known here are {KEYS}")
    } else {
        format!("a key is wanted: one of {KEYS}")
    }
}

/// The pairs of `key=value key='a value'`.
fn key_pairs(text: &str) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, value) = rest
            .split_once('=')
            .ok_or("wanted is host=… dbname=… or postgresql://HOST/DATABASE")?;
        let (value, after) = key_value(value.trim_start())?;
        pairs.push((key.trim().to_owned(), value));
        rest = after.trim_start();
    }
    if pairs.is_empty() {
        return Err("the text is empty: write host=… dbname=…".to_owned());
    }
    Ok(pairs)
}

/// A value, in quotes or up to a blank, and what follows it.
fn key_value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_ascii_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    Ok((value, ""))
}

/// The pairs of what follows `postgresql://`.
fn url_pairs(rest: &str) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: &str| -> Result<(), String> {
        pairs.push((key.to_owned(), unescaped(value)?));
        Ok(())
    };
    let (main, options) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold anything but what ends it.
    let (authority, database) = main.split_once('/').unwrap_or((main, ""));
    let place = match authority.rsplit_once('@') {
        Some((who, place)) => {
            let (user, password) = who.split_once(':').unwrap_or((who, ""));
            add("user", user)?;
            add("password", password)?;
            place
        }
        None => authority,
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']').ok_or("a bracket is not closed")?;
            (host, after.strip_prefix(':').unwrap_or(after))
        }
        None => place.rsplit_once(':').unwrap_or((place, "")),
    };
    add("host", host)?;
    if !port.is_empty() {
        add("port", port)?;
    }
    add("dbname", database)?;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        add(key, value)?;
    }
    Ok(pairs)
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or("a percent sign must be followed by two hexadecimal digits")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned())
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut out = String::new();
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A line of a file with stars in place of what is or may be a password: what follows
/// `password=`, `password:` or stands before the `@` of an address.
pub(crate) fn masked(line: &str) -> String {
    let mut hidden = vec![false; line.len()];
    let bytes = line.as_bytes();
    let lower = line.to_ascii_lowercase();
    for (at, word) in lower.match_indices("password") {
        let mut begin = at + word.len();
        while bytes
            .get(begin)
            .is_some_and(|byte| b" \t\"=:".contains(byte))
        {
            begin += 1;
        }
        // Without a sign between, it is a word of prose.
        if !lower[at + word.len()..begin].contains(['=', ':']) {
            continue;
        }
        let quoted = bytes.get(begin) == Some(&b'\'');
        let stop: &[u8] = if quoted { b"'" } else { b" \t\"',}&" };
        let from = begin + usize::from(quoted);
        let end = (from..bytes.len()).find(|&index| stop.contains(&bytes[index]));
        hidden[from..end.unwrap_or(bytes.len())].fill(true);
    }
    for (at, mark) in line.match_indices("://") {
        let begin = at + mark.len();
        let stop = line[begin..].find(['"', '\'', ' ', '?']);
        let place = &line[begin..stop.map_or(line.len(), |stop| begin + stop)];
        let Some((who, _)) = place.rsplit_once('@') else {
            continue;
        };
        if let Some(colon) = who.find(':') {
            hidden[begin + colon + 1..begin + who.len()].fill(true);
        }
    }
    let chars = line.char_indices();
    chars
        .map(|(at, c)| if hidden[at] { '*' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(
            begin in "(postgres(ql)?://|host=|)",
            text in "[a-c1:@/?&=%' é\\\\\\[\\]]{0,24}",
            end in "( dbname=d| password='a|@h/d|)",
        ) {
            let text = format!("{begin}{text}{end}");
            if let Ok(read) = PostgresConnection::parse(&text) {
                let again = PostgresConnection::parse(&read.address.to_string());
                prop_assert_eq!(again.map(|again| again.address), Ok(read.address));
            }
            prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
        }
    }

    fn parse(text: &str) -> PostgresConnection {
        PostgresConnection::parse(text).unwrap()
    }

    #[test]
    fn both_forms_name_the_same_database() {
        let words = parse("host=db.example.org dbname = shop user='ada' sslmode=verify-full");
        let url = parse("postgresql://ada@db.example.org/shop?sslmode=verify-full");
        assert_eq!(words, url);
        assert_eq!(
            words.address.identity(),
            "postgresql://ada@db.example.org:5432/shop"
        );
        assert_eq!(parse(&words.address.to_string()), words);
        for text in [
            "host=/var/run/postgresql port=5433 dbname='my shop'",
            "postgres://[::1]:5433/shop?connect_timeout=3&sslrootcert=certs/ca.pem",
        ] {
            let read = parse(text);
            assert_eq!(parse(&read.address.to_string()), read, "{text}");
        }
    }

    #[test]
    fn passwords_are_read_and_not_shown() {
        for text in [
            r"host=h dbname=d user=u password='p\'w @:/'",
            "postgresql://u:p'w%20%40%3a%2f@h/d",
            "postgresql://u@h/d?password=p'w%20@:/",
        ] {
            let read = parse(text);
            let password = read.password.as_ref().unwrap();
            assert_eq!(password.reveal(), "p'w @:/", "{text}");
            assert!(!format!("{read:?} {}", read.address).contains("p'w"));
        }
    }

    #[test]
    fn errors_show_nothing_of_the_text() {
        for (text, says) in [
            ("", "the text is empty"),
            ("shop", "wanted is host=…"),
            ("host=h", "the database is missing"),
            ("postgresql:///d", "the host is missing"),
            ("host=a,b dbname=d", "several hosts"),
            ("postgresql://a:b:5/d", "the host must be"),
            ("host=h dbname=d port=zwölf", "the port must be"),
            ("host=h dbname=d sslmode=allow", "sslmode must be one of"),
            ("host=h dbname=d service=x", "'service' is not supported"),
            ("host=h dbname=d password=geheim wort=x", "a key is wanted"),
            ("host=h dbname=d password='geheim", "a quote is not closed"),
            ("postgresql://u:gehe%im@h/d", "a percent sign"),
        ] {
            let error = PostgresConnection::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(
                !error.contains("gehe") && !error.contains("wort"),
                "{error}"
            );
        }
    }

    #[test]
    fn lines_lose_their_passwords() {
        for (line, shown) in [
            ("a: password=abc dbname=x", "a: password=*** dbname=x"),
            (
                "x = \"password='a b' host=y\"",
                "x = \"password='***' host=y\"",
            ),
            ("{password: \"abc\", a: b}", "{password: \"***\", a: b}"),
            ("p: postgres://u:a:b@h/d", "p: postgres://u:***@h/d"),
            ("p: postgres://u:a/b@h/d", "p: postgres://u:***@h/d"),
            ("p: postgres://u@h:1/d", "p: postgres://u@h:1/d"),
            ("the password is not here", "the password is not here"),
            ("password=é", "password=*"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
