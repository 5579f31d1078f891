//! Capabilities: all of them while the sandbox is made, none after.
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

use crate::error::{SetupFailure, Step};

/// What making a sandbox takes, kept over the start of the next process: mounts, the loopback device, and the
/// bounding set.
const NEEDED: [CapabilitySet; 3] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::NET_ADMIN,
    CapabilitySet::SETPCAP,
];

/// Lets the next program keep what it needs, though it is not root.
pub(crate) fn pass_on() -> Result<(), SetupFailure> {
    let mut sets = capabilities(None).step("read the capabilities")?;
    for capability in NEEDED {
        sets.inheritable |= capability;
    }
    set_capabilities(None, sets).step("make capabilities inheritable")?;
    for capability in NEEDED {
        let raised = configure_capability_in_ambient_set(capability, true);
        raised.step("pass capabilities on")?;
    }
    Ok(())
}

/// Gives up all capabilities for ever: nothing that is executed later gets one.
pub(crate) fn drop_all() -> Result<(), SetupFailure> {
    set_no_new_privs(true).step("refuse new privileges")?;
    clear_ambient_capability_set().step("drop ambient capabilities")?;
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            // The first number that the kernel does not know.
            Err(Errno::INVAL) => break,
            removed => removed.step("drop a capability from the bounding set")?,
        }
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).step("drop the capabilities")
}
