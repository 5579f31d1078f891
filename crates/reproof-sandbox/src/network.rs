//! A network namespace of one's own has one device, `lo`, which is down. This brings it up.
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use crate::error::{SetupFailure, Step};

/// `RTM_NEWLINK` of `linux/rtnetlink.h`.
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK` of `linux/netlink.h`.
const REQUEST_AND_ANSWER: u16 = 1 | 4;
/// `IFF_UP` of `linux/if.h`.
const UP: u32 = 1;
/// The number of the loopback device in every namespace.
const LOOPBACK: i32 = 1;
/// Bytes of the message: a header of 16 and an `ifinfomsg` of 16.
const LENGTH: u32 = 32;

/// Brings the loopback device up.
pub(crate) fn loopback_up() -> Result<(), SetupFailure> {
    change()
        .and_then(|answer| refusal(&answer))
        .step("bring the loopback device up")
}

fn change() -> Result<Vec<u8>, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &message(), SendFlags::empty(), &kernel)?;
    let mut answer = [0_u8; 256];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    Ok(answer.get(..length).unwrap_or_default().to_vec())
}

/// The request "set the flag UP of device 1, change no other".
fn message() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(NEW_LINK.to_ne_bytes());
    bytes.extend(REQUEST_AND_ANSWER.to_ne_bytes());
    // Sequence number and sender: one request, one answer.
    bytes.extend([0; 8]);
    // Address family, padding, device type.
    bytes.extend([0; 4]);
    bytes.extend(LOOPBACK.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes());
    bytes
}

/// The error number follows the header of the answer, negative; 0 is consent.
fn refusal(answer: &[u8]) -> Result<(), Errno> {
    let number = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(number.saturating_neg())),
        None => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_length_that_it_says() {
        assert_eq!(message().len(), LENGTH as usize);
    }

    #[test]
    fn an_answer_is_consent_or_a_number() {
        let answer = |number: i32| [[0; 16].as_slice(), &number.to_ne_bytes()].concat();
        assert_eq!(refusal(&answer(0)), Ok(()));
        assert_eq!(refusal(&answer(-1)), Err(Errno::PERM));
        assert_eq!(refusal(&[0; 16]), Err(Errno::BADMSG));
    }
}
