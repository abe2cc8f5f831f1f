//! Compressed files: told by their first bytes, unpacked by the program that whoever compresses with it has. No library of
//! ours has to be as fast and as well kept as those.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the programs' names")]
pub enum Compression {
    Gzip,
    Xz,
    Zstd,
}

/// What the files begin with.
const KINDS: [(Compression, &[u8]); 3] = [
    (Compression::Gzip, &[0x1f, 0x8b]),
    (Compression::Xz, &[0xfd, b'7', b'z', b'X', b'Z', 0]),
    (Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
];

impl Compression {
    /// Told by what a file begins with; six bytes are enough.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        KINDS.iter().find(|(_, magic)| head.starts_with(magic)).map(|(kind, _)| *kind)
    }

    /// Of the file at a path; `None` too when it cannot be read or is no regular file.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let mut head = Vec::new();
        let file = File::open(path).ok().filter(|_| path.is_file())?;
        file.take(6).read_to_end(&mut head).ok()?;
        Self::of(&head)
    }

    /// The program that unpacks it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// The bytes of a file, unpacked.
    ///
    /// # Errors
    /// When the program is not there; names it.
    pub fn unpack(self, mut file: File) -> io::Result<UnpackedFile> {
        file.rewind()?;
        let program = self.program();
        let mut command = Command::new(program);
        let mut child = command.args(["-d", "-c"]).stdin(file).stdout(Stdio::piped()).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {program}, which unpacks it: {error}"))
        })?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other(format!("{program} has no output")))?;
        Ok(UnpackedFile { child, output, program })
    }
}

/// What a program unpacks. That it failed, as with a file that is cut, shows at the end.
#[derive(Debug)]
pub struct UnpackedFile {
    child: Child,
    output: ChildStdout,
    program: &'static str,
}

impl Read for UnpackedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let status = self.child.wait()?;
            if !status.success() {
                return Err(io::Error::other(format!("{} failed ({status}): is the file damaged?", self.program)));
            }
        }
        Ok(read)
    }
}

impl Drop for UnpackedFile {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_programs_pack_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let text = "a line\n".repeat(20_000);
        for (kind, _) in KINDS {
            let program = kind.program();
            let plain = dir.path().join("a.log");
            fs::write(&plain, &text).unwrap();
            let packed = Command::new(program).arg("-c").stdin(File::open(&plain).unwrap()).output();
            let Ok(packed) = packed else {
                assert!(kind != Compression::Gzip, "gzip is everywhere");
                continue;
            };
            let path = dir.path().join("a.log.packed");
            fs::write(&path, &packed.stdout).unwrap();
            assert_eq!(Compression::of_file(&path), Some(kind));
            let mut unpacked = String::new();
            kind.unpack(File::open(&path).unwrap()).unwrap().read_to_string(&mut unpacked).unwrap();
            assert!(unpacked == text, "{program}");
            fs::write(&path, &packed.stdout[..packed.stdout.len() / 2]).unwrap();
            let cut = kind.unpack(File::open(&path).unwrap()).unwrap().read_to_string(&mut unpacked);
            assert!(cut.unwrap_err().to_string().contains(&format!("{program} failed")));
        }
    }

    #[test]
    fn text_is_not_compressed() {
        assert_eq!(Compression::of(b"{\"a\":1}"), None);
        assert_eq!(Compression::of_file(Path::new("/nowhere/a.gz")), None);
    }
}
