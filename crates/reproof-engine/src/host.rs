//! What the machine is: the part of the platform that may change bits and is not in a recipe.

use std::path::Path;

use reproof_record::Host;
use reproof_store::fs::Io;

/// The processor features by which libraries choose code that rounds differently.
const FEATURES: &[&str] = &[
    "asimd", "avx", "avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "fma", "fphp", "sse4_2",
    "sve",
];

/// Describes the machine this runs on. What cannot be found out is left empty.
pub fn describe(io: &dyn Io) -> Host {
    let uname = rustix::system::uname();
    let mut host = Host {
        name: uname.nodename().to_string_lossy().into_owned(),
        os: std::env::consts::OS.to_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        ..Host::default()
    };
    // The file has no size of its own and grows with the number of processors.
    if let Ok(bytes) = io.read(Path::new("/proc/cpuinfo"), 16 << 20) {
        read_cpuinfo(&String::from_utf8_lossy(&bytes), &mut host);
    }
    host
}

/// The number of the account that runs this.
pub fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

fn read_cpuinfo(text: &str, host: &mut Host) {
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key.trim() {
            "model name" | "CPU part" => value.trim().clone_into(&mut host.cpu),
            "flags" | "Features" => {
                let mut found: Vec<String> = value
                    .split_ascii_whitespace()
                    .filter(|flag| FEATURES.contains(flag))
                    .map(str::to_owned)
                    .collect();
                found.sort_unstable();
                found.dedup();
                host.cpu_features = found;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_features_are_read_from_the_first_processor() {
        let text = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu fma avx2 sse4_2 avx2\n\n\
                    processor\t: 1\nmodel name\t: another\n";
        let mut host = Host::default();
        read_cpuinfo(text, &mut host);
        assert_eq!(host.cpu, "A CPU");
        assert_eq!(host.cpu_features, ["avx2", "fma", "sse4_2"]);
    }
}
