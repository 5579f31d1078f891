//! What the kernel can, and what to do where it cannot.
use serde::{Deserialize, Serialize};

use crate::error::{SandboxError, SetupFailure, Unsupported};

/// What the sandboxes of this machine are made of. Namespaces are always there, or nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Whether Landlock restricts files and signals on top.
    pub landlock: bool,
    /// Whether system calls are filtered on top.
    pub seccomp: bool,
}

/// A setting of the kernel that forbids sandboxes.
struct Setting {
    path: &'static str,
    forbids: &'static str,
    advice: &'static str,
}

const SETTINGS: [Setting; 3] = [
    Setting {
        path: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        advice: "user.max_user_namespaces is 0: as root, `sysctl user.max_user_namespaces=10000`",
    },
    Setting {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        advice: "user namespaces are for root alone: as root, `sysctl kernel.unprivileged_userns_clone=1`",
    },
    Setting {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        advice: "AppArmor restricts user namespaces: as root, \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or give the program a profile with `userns,`",
    },
];

/// Files that containers have.
const CONTAINERS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// The first two numbers of the kernel's version.
pub(crate) fn kernel() -> (u32, u32) {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy();
    let mut numbers = release
        .split(['.', '-'])
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Says why there are no sandboxes here.
pub(crate) fn explain(error: &SandboxError) -> Unsupported {
    let mut lines = vec![error.to_string()];
    if let SandboxError::Setup(failure) = error {
        lines.push(advice(failure));
    }
    Unsupported { lines }
}

fn advice(failure: &SetupFailure) -> String {
    let is_set = |setting: &&Setting| {
        let value = crate::proc::read(setting.path).unwrap_or_default();
        String::from_utf8_lossy(&value).trim() == setting.forbids
    };
    if let Some(setting) = SETTINGS.iter().find(is_set) {
        return setting.advice.to_owned();
    }
    if CONTAINERS
        .iter()
        .any(|path| crate::proc::read(*path).is_ok())
    {
        return "this is a container that forbids it: start it with \
                `--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                --security-opt systempaths=unconfined`"
            .to_owned();
    }
    match failure.errno {
        nix::libc::ENOSYS => "the kernel is too old: 5.2 is the first that can".to_owned(),
        _ => "user namespaces seem to be forbidden: ask who runs this machine".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_has_at_most_three_lines_and_names_the_step() {
        let failure = SetupFailure {
            step: "mount /proc".to_owned(),
            path: None,
            errno: 1,
        };
        let text = explain(&SandboxError::Setup(failure)).to_string();
        assert!(
            text.contains("mount /proc") && text.lines().count() <= 3,
            "{text}"
        );
    }
}
