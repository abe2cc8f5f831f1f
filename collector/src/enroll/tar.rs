//! An archive that `tar` unpacks (POSIX ustar): a header of 512 bytes, the content, zeros up to 512. Short ASCII paths
//! only, which is all a bundle has.

use super::files::SECRET;

const BLOCK: usize = 512;
/// The account that the agent runs as: unpacked by root, a secret is readable to it and nobody else. Everything else is
/// root's, so that the agent cannot change what it is told.
const OWNER: &str = "oddline";
const ROOT: &str = "root";

pub(super) enum TarEntry<'a> {
    /// A folder that all may look into; its path ends with a slash.
    Folder { path: &'a str },
    /// A file; readable to its owner alone, it belongs to the agent.
    File { path: &'a str, mode: u32, content: &'a [u8] },
}

pub(super) fn archive(entries: &[TarEntry<'_>], seconds: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend(header(entry, seconds));
        if let TarEntry::File { content, .. } = entry {
            out.extend(*content);
        }
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(entry: &TarEntry<'_>, seconds: u64) -> [u8; BLOCK] {
    let (path, mode, size, kind, owner) = match entry {
        TarEntry::Folder { path } => (*path, 0o755, 0, "5", ROOT),
        TarEntry::File { path, mode, content } => {
            (*path, *mode, content.len(), "0", if *mode == SECRET { OWNER } else { ROOT })
        }
    };
    assert!(path.is_ascii() && path.len() <= 100, "a bundle's own paths");
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, &format!("{mode:07o}\0"));
    // Numbers of accounts mean nothing on another machine; tar prefers the names.
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, &format!("{seconds:011o}\0"));
    put(148, "        ");
    put(156, kind);
    put(257, "ustar\0");
    put(263, "00");
    put(265, owner);
    put(297, owner);
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    #[test]
    fn tar_unpacks_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar");
        let long = vec![b'x'; 513];
        let entries = [
            TarEntry::Folder { path: "oddline/tls/" },
            TarEntry::File { path: "oddline/tls/agent.key", mode: 0o600, content: b"key" },
            TarEntry::File { path: "oddline/agent.toml", mode: 0o644, content: &long },
        ];
        fs::write(&file, archive(&entries, 1_700_000_000)).unwrap();
        let Ok(listed) = Command::new("tar").arg("-tvf").arg(&file).env("TZ", "UTC").output() else {
            return oddline_testkit::not_run("enroll::tar::tar_unpacks_it", "tar is not installed");
        };
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains("-rw------- oddline/oddline"), "{listed}");
        assert!(listed.contains("drwxr-xr-x root/root") && listed.contains("-rw-r--r-- root/root"), "{listed}");
        assert!(listed.contains("2023-11-14"), "{listed}");
        let unpacked = Command::new("tar").arg("-C").arg(dir.path()).arg("-xf").arg(&file).status().unwrap();
        assert!(unpacked.success());
        assert_eq!(fs::read(dir.path().join("oddline/tls/agent.key")).unwrap(), b"key");
        assert_eq!(fs::read(dir.path().join("oddline/agent.toml")).unwrap(), long);
    }
}
