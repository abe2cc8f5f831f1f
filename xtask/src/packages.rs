//! The Debian packages that some tests and measurements want, and how to install the missing ones. A failed
//! installation is no error: a test looks for its program itself and says that it was not run.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::Result;

use crate::shell;

struct Package {
    name: &'static str,
    known_by: Sign,
    /// The crate whose tests or measurements want it; nothing is installed for a crate that does not exist yet.
    folder: &'static str,
    wanted_by: &'static str,
    /// Wanted only with `--long`.
    long: bool,
}

/// How a package is known to be there.
enum Sign {
    Programs(&'static [&'static str]),
    PythonModule(&'static str),
    /// A file in any folder of this one.
    Below(&'static str, &'static str),
}

#[rustfmt::skip]
const PACKAGES: &[Package] = &[
    Package { name: "python3-venv", known_by: Sign::PythonModule("ensurepip"), folder: "conformance", wanted_by: "conformance: onnx.checker and onnxruntime", long: true },
    Package { name: "valgrind", known_by: Sign::Programs(&["valgrind"]), folder: "trainer", wanted_by: "bench cost: instructions", long: true },
    Package { name: "mosquitto", known_by: Sign::Programs(&["mosquitto"]), folder: "agent", wanted_by: "end to end over a broker that is not ours", long: false },
    Package { name: "mosquitto-clients", known_by: Sign::Programs(&["mosquitto_pub"]), folder: "agent", wanted_by: "end to end with sensors that publish", long: false },
    Package { name: "faketime", known_by: Sign::Programs(&["faketime"]), folder: "e2e", wanted_by: "an agent whose wall clock jumps", long: false },
    Package { name: "systemd", known_by: Sign::Programs(&["systemd-analyze"]), folder: "systemd", wanted_by: "the units verified", long: false },
    Package { name: "minisign", known_by: Sign::Programs(&["minisign"]), folder: "agent", wanted_by: "signatures checked by the stock tool", long: false },
    Package { name: "postgresql", known_by: Sign::Below("/usr/lib/postgresql", "bin/initdb"), folder: "collector", wanted_by: "the store on PostgreSQL", long: false },
    Package { name: "qemu-user-static", known_by: Sign::Programs(&["qemu-aarch64-static", "qemu-arm-static"]), folder: "agent", wanted_by: "the agent for arm64 and armhf", long: true },
    Package { name: "gcc-aarch64-linux-gnu", known_by: Sign::Programs(&["aarch64-linux-gnu-gcc"]), folder: "agent", wanted_by: "the agent for arm64", long: true },
    Package { name: "gcc-arm-linux-gnueabihf", known_by: Sign::Programs(&["arm-linux-gnueabihf-gcc"]), folder: "agent", wanted_by: "the agent for armhf", long: true },
    Package { name: "libc6-dev-arm64-cross", known_by: Sign::Below("/usr/aarch64-linux-gnu", "crt1.o"), folder: "agent", wanted_by: "the agent for arm64", long: true },
    Package { name: "libc6-dev-armhf-cross", known_by: Sign::Below("/usr/arm-linux-gnueabihf", "crt1.o"), folder: "agent", wanted_by: "the agent for armhf", long: true },
    Package { name: "debootstrap", known_by: Sign::Programs(&["debootstrap"]), folder: "packaging", wanted_by: "packages in a booted system", long: true },
    Package { name: "docker.io", known_by: Sign::Programs(&["dockerd"]), folder: "docker", wanted_by: "containers", long: true },
    Package { name: "docker-compose", known_by: Sign::Programs(&["docker-compose"]), folder: "docker", wanted_by: "containers", long: true },
    Package { name: "chromium", known_by: Sign::Programs(&["chromium"]), folder: "collector", wanted_by: "the dashboard in a browser", long: true },
];

/// Installs what is missing and wanted; says so, and what could not be had.
pub(crate) fn install(long: bool) -> Result<()> {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| long || !package.long)
        .filter(|package| shell::root().join(package.folder).is_dir())
        .filter(|package| !present(package))
        .collect();
    if missing.is_empty() {
        println!("packages: nothing is missing");
        return Ok(());
    }
    apt_get(&["update"])?;
    for package in missing {
        // One at a time: a package that cannot be had must not keep the others away.
        if !apt_get(&["install", "-y", "--no-install-recommends", package.name])? {
            println!("packages: no {}, wanted by: {}", package.name, package.wanted_by);
        }
    }
    Ok(())
}

fn present(package: &Package) -> bool {
    match package.known_by {
        Sign::Programs(programs) => programs.iter().all(|program| shell::find_program(program).is_some()),
        Sign::Below(folder, file) => {
            let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
            folders.map(|folder| folder.path().join(file)).any(|file| file.is_file())
        }
        Sign::PythonModule(module) => {
            let import = format!("import {module}");
            let output = Command::new("python3").args(["-c", &import]).output();
            output.is_ok_and(|output| output.status.success())
        }
    }
}

fn apt_get(args: &[&str]) -> Result<bool> {
    if shell::find_program("apt-get").is_none() {
        println!("packages: this machine has no apt-get");
        return Ok(false);
    }
    // A person who is not root is never asked for a password in the middle of a test run.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = if is_root || shell::find_program("sudo").is_none() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    };
    command
        .args(["-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive");
    shell::succeeds(&mut command)
}
