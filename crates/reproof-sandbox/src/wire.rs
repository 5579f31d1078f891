//! What the caller and the helper process say to each other over a socket pair: one line of JSON each.
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{ProgramFault, SetupFailure};
use crate::spec::{Finished, Sandbox};
use crate::support::Support;

/// The caller: the process may start, its starter is still there.
pub(crate) const GO: u8 = b'g';
/// The caller: end the process.
pub(crate) const STOP: u8 = b's';

/// What the helper is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Run this. `place` spreads concurrent sandboxes over the processors.
    Run { sandbox: Sandbox, place: u32 },
    /// Make a sandbox, say what the kernel can, end.
    Probe,
}

/// What the helper answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// All is set up; waiting for [`GO`].
    Ready(Support),
    /// A step failed.
    Failed(SetupFailure),
    /// The program cannot be started.
    Refused(ProgramFault),
    /// Nothing of it is left.
    Finished(Finished),
}

/// Sends one line.
pub(crate) fn send(socket: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Receives one line; an error if the other side has ended.
pub(crate) fn receive<T: DeserializeOwned>(socket: &mut BufReader<UnixStream>) -> io::Result<T> {
    let mut line = Vec::new();
    socket.read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Receives one byte; none if the other side has ended.
pub(crate) fn receive_byte(socket: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok(match socket.read(&mut byte)? {
        0 => None,
        _ => Some(byte[0]),
    })
}
