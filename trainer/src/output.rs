//! Files this program writes: aside first, renamed when whole. A full disk or a kill never leaves half a file. What is no
//! regular file (a device, a pipe, an open descriptor) is written where it is; links lead to what is replaced; `-` is
//! standard output.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::say;

/// Links followed to what is written, as many as the kernel follows.
const LINKS_MAX: usize = 40;
const BUFFER_BYTES: usize = 1 << 16;

/// A file under way. Dropped before [`OutputFiles::finish`], a regular file never was.
pub struct OutputFiles {
    target: OutputTarget,
    path: PathBuf,
}

enum OutputTarget {
    /// Renamed to this path when whole.
    Aside(BufWriter<NamedTempFile>, PathBuf),
    InPlace(BufWriter<Box<dyn Write + Send>>),
}

#[derive(Debug, PartialEq, Eq)]
enum OutputPlace {
    /// A regular file, or nothing yet; without links.
    File(PathBuf),
    /// Anything else that can be written to.
    Other(PathBuf),
    StandardOutput,
}

impl OutputFiles {
    /// Begins a file, making its folder.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self> {
        let io = || format!("cannot write {}: is there space, and may this user write there?", path.display());
        Self::open(path).with_context(io)
    }

    /// The same, with the bare error.
    ///
    /// # Errors
    /// As [`OutputFiles::create`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let target = match OutputPlace::of(path)? {
            OutputPlace::File(file) => {
                let aside = tempfile::Builder::new()
                    .prefix(".oddline-")
                    .permissions_like_any_file()
                    .tempfile_in(folder_of(&file))?;
                OutputTarget::Aside(BufWriter::with_capacity(BUFFER_BYTES, aside), file)
            }
            OutputPlace::Other(place) => OutputTarget::in_place(OpenOptions::new().append(true).open(place)?),
            OutputPlace::StandardOutput => {
                say::leave_standard_output();
                OutputTarget::in_place(io::stdout())
            }
        };
        Ok(Self { target, path: path.to_owned() })
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
        let trouble = format!("cannot complete {}: is the disk full?", self.path.display());
        self.complete().context(trouble)
    }

    /// The same, with the bare error.
    ///
    /// # Errors
    /// As [`OutputFiles::finish`].
    pub fn complete(self) -> io::Result<()> {
        match self.target {
            OutputTarget::Aside(file, path) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(path).map_err(|failed| failed.error).map(drop)
            }
            OutputTarget::InPlace(mut file) => file.flush(),
        }
    }
}

impl OutputTarget {
    fn in_place(to: impl Write + Send + 'static) -> Self {
        Self::InPlace(BufWriter::with_capacity(BUFFER_BYTES, Box::new(to)))
    }
}

impl OutputPlace {
    fn of(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        fs::create_dir_all(folder_of(path))?;
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let folder = fs::canonicalize(folder_of(&path))?;
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let full = folder.join(name);
            let kind = match fs::symlink_metadata(&full) {
                Ok(meta) => meta.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::File(full)),
                Err(error) => return Err(error),
            };
            // A descriptor that is open: /dev/stdout leads here. Its file is the opener's to replace.
            if folder.starts_with("/proc") {
                return Ok(if is_standard_output(&full) { Self::StandardOutput } else { Self::Other(full) });
            }
            if kind.is_symlink() {
                path = folder.join(fs::read_link(&full)?);
            } else if kind.is_file() {
                return Ok(Self::File(full));
            } else if kind.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            } else {
                return Ok(Self::Other(full));
            }
        }
        Err(io::Error::other("too many links"))
    }
}

/// Opened anew it would be written from its start.
fn is_standard_output(path: &Path) -> bool {
    let own = fs::canonicalize("/proc/self/fd").map(|folder| folder.join("1"));
    own.is_ok_and(|own| own == path)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for OutputFiles {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            OutputTarget::Aside(file, _) => file.write(bytes),
            OutputTarget::InPlace(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            OutputTarget::Aside(file, _) => file.flush(),
            OutputTarget::InPlace(file) => file.flush(),
        }
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
/// As [`OutputFiles`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = OutputFiles::create(path)?;
    output.write_all(bytes).with_context(|| output.trouble())?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::Read,
        os::unix::fs::{FileTypeExt, symlink},
        process::Command,
        thread,
    };

    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/report.json");
        let mut output = OutputFiles::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn what_is_no_regular_file_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        symlink(path("fifo"), path("link")).unwrap();
        for name in ["fifo", "link"] {
            let fifo = path("fifo");
            let reader = thread::spawn(move || {
                let mut text = String::new();
                File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
                text
            });
            write(&path(name), b"through").unwrap();
            assert_eq!(reader.join().unwrap(), "through");
            assert!(fs::metadata(path(name)).unwrap().file_type().is_fifo());
        }
        symlink("/dev/null", path("null")).unwrap();
        write(&path("null"), b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(fs::symlink_metadata(path("null")).unwrap().is_symlink());
        assert!(write(folder.path(), b"x").is_err());
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("real")).unwrap();
        fs::write(path("real/report"), "old").unwrap();
        for (target, link) in [("real/report", "link"), ("real/new", "dangling")] {
            symlink(target, path(link)).unwrap();
            write(&path(link), b"new").unwrap();
            assert_eq!(fs::read(path(target)).unwrap(), b"new");
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink());
        }
        symlink("loop", path("loop")).unwrap();
        assert!(write(&path("loop"), b"x").is_err());
    }

    #[test]
    fn an_open_descriptor_is_written_where_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("open")).unwrap();
        let descriptor = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        write(Path::new(&descriptor), b"one").unwrap();
        write(Path::new(&descriptor), b"two").unwrap();
        assert_eq!(fs::read(folder.path().join("open")).unwrap(), b"onetwo");
        assert_eq!(OutputPlace::of(Path::new("-")).unwrap(), OutputPlace::StandardOutput);
        assert_eq!(OutputPlace::of(Path::new("/dev/stdout")).unwrap(), OutputPlace::StandardOutput);
    }
}
