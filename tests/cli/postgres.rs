//! A PostgreSQL server, and a way to it that breaks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Whom the server runs as where the tests run as root, which it refuses: `nobody`.
const NOBODY: u32 = 65534;
/// The password of the one who logs in over TLS or TCP with one.
pub const PASSWORD: &str = "correct horse battery staple";

/// Makes a database in a folder of its own and serves it; ends with the process that started this,
/// for then its standard input does. $1 has the programs, $2 the files for TLS, $3 is the port.
const SERVER: &str = r#"
set -eu
folder=$(mktemp -d /tmp/reproof-postgres.XXXXXX)
trap 'rm -rf "$folder"' EXIT
"$1/initdb" -D "$folder/data" -U postgres --auth=trust --no-sync -E UTF8 --locale=C >"$folder/log" 2>&1
cp "$2/server.pem" "$folder/server.pem"
cp "$2/server.key" "$folder/server.key"
chmod 600 "$folder/server.key"
cat >"$folder/data/pg_hba.conf" <<END
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
END
"$1/postgres" -D "$folder/data" -k "$folder" -p "$3" -c listen_addresses=127.0.0.1 -c fsync=off \
    -c ssl=on -c ssl_cert_file="$folder/server.pem" -c ssl_key_file="$folder/server.key" \
    -c max_connections=50 -c timezone=Asia/Tokyo -c datestyle=German >>"$folder/log" 2>&1 &
server=$!
echo "$folder"
cat >/dev/null
kill -QUIT "$server" || true
wait "$server" || true
"#;

/// The server, which all tests share; each has a database of its own.
struct Server {
    _child: Mutex<Child>,
    programs: PathBuf,
    port: u16,
    socket: String,
}

static STARTED: OnceLock<Server> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The folder with the certificates of the server (for `localhost`, until 2126), of the authority that
/// signed it, and of another one. The keys of authorities were thrown away.
pub fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli/tls")
}

#[track_caller]
fn server() -> &'static Server {
    STARTED.get_or_init(|| {
        let programs = std::env::var_os("REPROOF_POSTGRES");
        let programs = PathBuf::from(programs.unwrap_or_else(|| {
            panic!("this test needs PostgreSQL: REPROOF_POSTGRES=$(scripts/postgres) cargo test")
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        // Others than root may not be able to reach the folder of the project.
        let tls = tempfile::Builder::new()
            .prefix("reproof-tls.")
            .tempdir_in("/tmp")
            .unwrap();
        for file in ["server.pem", "server.key"] {
            std::fs::copy(certificates().join(file), tls.path().join(file)).unwrap();
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", SERVER, "sh"])
            .arg(&programs)
            .arg(tls.path());
        command.arg(port.to_string()).current_dir("/tmp");
        if rustix::process::geteuid().is_root() {
            open(tls.path(), 0o755);
            open(&tls.path().join("server.key"), 0o644);
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut socket = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut socket).unwrap();
        assert!(
            !socket.is_empty(),
            "no database can be made with {}",
            programs.display()
        );
        let server = Server {
            _child: Mutex::new(child),
            programs,
            port,
            socket: socket.trim().to_owned(),
        };
        let began = Instant::now();
        while server.sql("postgres", "SELECT 1").is_err() {
            assert!(
                began.elapsed() < Duration::from_mins(2),
                "PostgreSQL does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let role = format!("CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}'");
        server.sql("postgres", &role).unwrap();
        server
    })
}

fn open(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Server {
    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args([
            "--set",
            "ON_ERROR_STOP=1",
            "--host",
            "127.0.0.1",
            "--username",
            "postgres",
        ]);
        command.args(["--port", &self.port.to_string(), "--dbname", database]);
        command.env_remove("PGOPTIONS").stdin(Stdio::null());
        command
    }

    fn sql(&self, database: &str, text: &str) -> Result<String, String> {
        let output = self
            .psql(database)
            .args(["--command", text])
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// A database of a test.
pub struct Database {
    pub name: String,
}

impl Database {
    /// A database in which these statements were done.
    #[track_caller]
    pub fn new(statements: &str) -> Self {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        let server = server();
        server
            .sql("postgres", &format!("CREATE DATABASE {name}"))
            .unwrap();
        let database = Self { name };
        database.sql(statements);
        database.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ada");
        database
    }

    pub fn port(&self) -> u16 {
        server().port
    }

    /// The folder of the server's socket.
    pub fn socket(&self) -> &str {
        &server().socket
    }

    /// A connection for the one who needs no password.
    pub fn trusted(&self) -> String {
        self.at(self.port(), "postgres")
    }

    /// A connection for the one who needs a password.
    pub fn guarded(&self) -> String {
        self.at(self.port(), "ada")
    }

    /// A connection through this port.
    pub fn at(&self, port: u16, user: &str) -> String {
        format!(
            "host=127.0.0.1 port={port} dbname={} user={user}",
            self.name
        )
    }

    /// Does these statements.
    #[track_caller]
    pub fn sql(&self, text: &str) -> String {
        server()
            .sql(&self.name, text)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Does what is written to its standard input, in the background.
    pub fn writer(&self) -> Child {
        let mut command = server().psql(&self.name);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// Ends the connections of the program under test.
    pub fn terminate(&self) -> bool {
        let ended = self.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = \
             'reproof' AND datname = current_database() AND query LIKE '%reproof_rows%'",
        );
        ended != "0"
    }
}

/// The port of a way to the server that breaks once so many bytes came back.
pub fn breaking(database: &Database, after: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), database.port());
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut into));
            std::thread::spawn(move || forward(server, client, after));
        }
    });
    port
}

fn forward(mut server: TcpStream, mut client: TcpStream, after: usize) {
    let (mut buffer, mut passed) = ([0; 4096], 0);
    while let Ok(count) = server.read(&mut buffer) {
        passed += count;
        if count == 0 || passed > after || client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Both ends may be gone already.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
