//! What is built, and for which machines.

use anyhow::{Context, Result};

/// A program that is shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Agent,
    Collector,
    Trainer,
}

pub(crate) const PROGRAMS: [Program; 3] = [Program::Agent, Program::Collector, Program::Trainer];

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Collector => "collector",
            Self::Trainer => "trainer",
        }
    }

    /// The file of the program, the crate and the package.
    pub(crate) fn binary(self) -> String {
        format!("oddline-{}", self.name())
    }

    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = PROGRAMS.iter().find(|program| program.name() == name || program.binary() == name);
        found.copied().with_context(|| format!("no program {name:?}: agent, collector and trainer are there"))
    }
}

/// A kind of machine.
pub(crate) struct Target {
    pub triple: &'static str,
    /// What Debian calls it.
    pub debian: &'static str,
    /// What `uname -m` says there.
    pub machine: &'static str,
    pub programs: &'static [Program],
    /// C compiler and linker on another machine, and the Debian package that brings it.
    pub compiler: (&'static str, &'static str),
    /// What runs its programs on another machine, and where it finds the C library.
    pub emulator: (&'static str, &'static str),
    /// glibc chooses its `memcpy` before `main`; on 32-bit ARM a static program crashes there.
    pub links_statically: bool,
}

#[rustfmt::skip]
pub(crate) const TARGETS: &[Target] = &[
    Target { triple: "x86_64-unknown-linux-gnu", debian: "amd64", machine: "x86_64", programs: &PROGRAMS, compiler: ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"), emulator: ("qemu-x86_64-static", "/usr/x86_64-linux-gnu"), links_statically: true },
    Target { triple: "aarch64-unknown-linux-gnu", debian: "arm64", machine: "aarch64", programs: &PROGRAMS, compiler: ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"), emulator: ("qemu-aarch64-static", "/usr/aarch64-linux-gnu"), links_statically: true },
    Target { triple: "armv7-unknown-linux-gnueabihf", debian: "armhf", machine: "armv7l", programs: &[Program::Agent], compiler: ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf"), emulator: ("qemu-arm-static", "/usr/arm-linux-gnueabihf"), links_statically: false },
];

impl Target {
    pub(crate) fn has(&self, program: Program) -> bool {
        self.programs.contains(&program)
    }

    pub(crate) fn is_host(&self) -> bool {
        self.machine == std::env::consts::ARCH || (self.machine == "armv7l" && std::env::consts::ARCH == "arm")
    }
}

/// This machine.
///
/// # Errors
/// When nothing is made for it.
pub(crate) fn host() -> Result<&'static Target> {
    let found = TARGETS.iter().find(|target| target.is_host());
    found
        .with_context(|| format!("nothing is made for {}: name a --target, one of {}", std::env::consts::ARCH, known()))
}

pub(crate) fn named(triple: &str) -> Result<&'static Target> {
    let found = TARGETS.iter().find(|target| target.triple == triple || target.debian == triple);
    found.with_context(|| format!("no target {triple:?}: {} are known", known()))
}

fn known() -> String {
    TARGETS.iter().map(|target| target.triple).collect::<Vec<_>>().join(", ")
}
