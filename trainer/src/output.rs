//! Files this program writes: aside first, renamed when whole. A full disk or a kill never leaves half a file.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// A file under way. Dropped before [`Output::finish`], it never was.
pub struct Output {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Output {
    /// Begins a file, making its folder.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let io = || format!("cannot write {}: is there space, and may this user write there?", path.display());
        fs::create_dir_all(folder).with_context(io)?;
        let file = tempfile::Builder::new()
            .prefix(".oddline-")
            .permissions_like_any_file()
            .tempfile_in(folder)
            .with_context(io)?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), path: path.to_owned() })
    }

    /// What to say when it cannot be written.
    #[must_use]
    pub fn trouble(&self) -> String {
        format!("cannot write {}: is the disk full?", self.path.display())
    }

    /// Completes the file under its name.
    ///
    /// # Errors
    /// When what is left cannot be written, or the file not renamed.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let done = || -> io::Result<()> {
            let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        done().with_context(|| format!("cannot complete {}: is the disk full?", path.display()))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

trait AnyFile {
    fn permissions_like_any_file(&mut self) -> &mut Self;
}

impl AnyFile for tempfile::Builder<'_, '_> {
    /// Temporary files are private by default; what is renamed into place should not be.
    fn permissions_like_any_file(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        self.permissions(fs::Permissions::from_mode(0o666))
    }
}

/// Writes a whole file.
///
/// # Errors
/// As [`Output`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).with_context(|| output.trouble())?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/report.json");
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
