//! Who logs in where: what was declared, the environment and the user's file of passwords.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reproof_config::{Password, PostgresAddress, PostgresConnection, PostgresServer, SslMode};
use reproof_store::fs::Io;
use tokio_postgres::Config;

use crate::SqlError;

/// The largest file of passwords or certificates, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How long a server may take to answer at first, unless it is said.
const CONNECT: Duration = Duration::from_secs(30);

/// Everything that a connection needs.
#[derive(Clone, Debug)]
pub struct Login {
    pub(super) address: PostgresAddress,
    pub(super) user: String,
    password: Option<Password>,
    /// Why a password that is there was not taken.
    pub(super) unused: Option<String>,
    /// The certificates of authorities, as a file holds them.
    pub(super) roots: Option<(PathBuf, Vec<u8>)>,
}

/// Where a login is looked for.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub variables: &'a BTreeMap<String, String>,
    /// The file system.
    pub io: &'a dyn Io,
    /// The name of the account.
    pub user: &'a str,
    /// The folder of the project.
    pub root: &'a Path,
}

impl Login {
    /// Finds out who logs in. The user is the one that the connection names, or else that of
    /// `PGUSER`, or else the account; the password is that of the connection's variable, or else that
    /// of `PGPASSWORD`, or else the first that fits in `PGPASSFILE` or `~/.pgpass`.
    ///
    /// # Errors
    /// A variable that is not set or holds no connection, and files that cannot be read.
    pub fn find(server: &PostgresServer, around: &Surroundings<'_>) -> Result<Self, SqlError> {
        let variable = |name: &str| {
            let value = around.variables.get(name).map(String::as_str);
            value.filter(|value| !value.is_empty())
        };
        let PostgresConnection { address, password } = match server {
            PostgresServer::Address(address) => PostgresConnection {
                address: address.clone(),
                password: None,
            },
            PostgresServer::Variable(name) => {
                let text = variable(name).ok_or_else(|| {
                    SqlError::hinted(
                        format!("the environment variable {name} is not set"),
                        format!("set it to the connection: {name}='host=… dbname=… user=…'"),
                    )
                })?;
                let parsed = PostgresConnection::parse(text);
                parsed.map_err(|what| {
                    SqlError::query(format!("the environment variable {name}: {what}"))
                })?
            }
        };
        let user = address.user.as_deref().or_else(|| variable("PGUSER"));
        let user = user.unwrap_or(around.user).to_owned();
        let mut login = Self {
            roots: None,
            password: password.or_else(|| variable("PGPASSWORD").map(Password::new)),
            unused: None,
            address,
            user,
        };
        if login.password.is_none() {
            let named = variable("PGPASSFILE").map(PathBuf::from);
            let usual = || Some(Path::new(variable("HOME")?).join(".pgpass"));
            if let Some(file) = named.or_else(usual) {
                login.look_up(around.io, &file)?;
            }
        }
        if let Some(file) = &login.address.ssl_root {
            let path = around.root.join(file);
            let bytes = around.io.read(&path, MAX_FILE);
            let bytes = bytes.map_err(|error| SqlError::query(error.to_string()))?;
            login.roots = Some((path, bytes));
        }
        Ok(login)
    }

    /// Takes the first password of a file that is for this login.
    fn look_up(&mut self, io: &dyn Io, file: &Path) -> Result<(), SqlError> {
        let bytes = match io.read(file, MAX_FILE) {
            Ok(bytes) => bytes,
            // Nothing is there, or it is none of ours.
            Err(error) if error.is_not_found() || error.is_read_only() => return Ok(()),
            Err(error) => return Err(SqlError::query(error.to_string())),
        };
        let text = String::from_utf8_lossy(&bytes);
        let host = match self.address.host.as_str() {
            socket if socket.starts_with('/') => "localhost",
            host => host,
        };
        let wanted = [
            host,
            &self.address.port.to_string(),
            &self.address.database,
            &self.user,
        ];
        self.password = text.lines().find_map(|line| password_in(line, wanted));
        if self.password.is_some() && io.is_shared(file).unwrap_or(false) {
            // As libpq does.
            self.password = None;
            self.unused = Some(format!(
                "{} has it, but others may read that file: chmod 600 it",
                file.display()
            ));
        }
        Ok(())
    }

    /// Whether the connection is made through a socket of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.address.host.starts_with('/')
    }

    /// What the client is told.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(&self.address.host)
            .port(self.address.port)
            .dbname(&self.address.database)
            .user(&self.user)
            .application_name("reproof")
            .connect_timeout(match self.address.connect_timeout {
                Some(seconds) => Duration::from_secs(seconds),
                None => CONNECT,
            })
            .ssl_mode(match self.address.ssl_mode {
                _ if self.is_local() => tokio_postgres::config::SslMode::Disable,
                SslMode::Disable => tokio_postgres::config::SslMode::Disable,
                SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                    tokio_postgres::config::SslMode::Require
                }
            });
        if let Some(password) = &self.password {
            config.password(password.reveal());
        }
        config
    }
}

/// The password of a line `host:port:database:user:password`, if it is for these; `*` is for all.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<Password> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        // The password may hold colons.
        if c == ':' && fields.len() < 5 {
            fields.push(String::new());
            continue;
        }
        let c = if c == '\\' { chars.next()? } else { c };
        if let Some(field) = fields.last_mut() {
            field.push(c);
        }
    }
    let password = fields.get(4)?;
    let fits = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
    fields
        .iter()
        .zip(wanted)
        .all(fits)
        .then(|| Password::new(password.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let wanted = ["db.example.org", "5432", "shop", "ada"];
        let of = |line: &str| password_in(line, wanted).map(|found| found.reveal().to_owned());
        for (line, expect) in [
            ("db.example.org:5432:shop:ada:geheim", Some("geheim")),
            ("*:*:*:ada:a:b", Some("a:b")),
            (r"*:*:*:*:a\:b\\", Some(r"a:b\")),
            ("*:*:*:bob:geheim", None),
            ("# *:*:*:*:geheim", None),
            ("db.example.org:5433:shop:ada:geheim", None),
            ("ada:geheim", None),
            ("", None),
        ] {
            assert_eq!(of(line).as_deref(), expect, "{line}");
        }
    }
}
