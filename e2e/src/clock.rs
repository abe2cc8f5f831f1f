//! Another wall clock for one process: libfaketime, preloaded. The machine's own clock is left alone, and so is the
//! monotonic one, which no kernel sets back.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A clock that can be set while the process runs.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A right clock, whose setting is kept in the folder.
    ///
    /// # Errors
    /// The reason why there cannot be one.
    pub fn new(folder: &Path) -> Result<Self, String> {
        let library = library().ok_or("libfaketime is not installed")?;
        let clock = Self { library, file: folder.join("clock") };
        clock.set_s(0);
        Ok(clock)
    }

    /// What the process must be started with.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            // Files keep the times that everyone sees.
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Sets it that many seconds ahead of, or behind, the right time.
    pub fn set_s(&self, offset_s: i64) {
        let aside = self.file.with_extension("new");
        fs::write(&aside, format!("{offset_s:+}\n")).expect("the test's folder can be written");
        fs::rename(&aside, &self.file).expect("the test's folder can be written");
    }
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let places = folders.chain([PathBuf::from("/usr/lib")]).map(|folder| folder.join("faketime/libfaketime.so.1"));
    places.into_iter().find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use oddline_testkit::not_run;

    use super::*;

    #[test]
    fn another_process_sees_the_time_that_was_set() {
        let folder = tempfile::tempdir().unwrap();
        let clock = match Clock::new(folder.path()) {
            Ok(clock) => clock,
            Err(why) => return not_run("oddline-e2e another_process_sees_the_time_that_was_set", &why),
        };
        let now_s = || -> i64 {
            let output = Command::new("date").arg("+%s").envs(clock.env()).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        };
        let before = now_s();
        clock.set_s(-86_400);
        assert!((before - 86_400..before - 86_000).contains(&now_s()));
        clock.set_s(3_600);
        assert!((before + 3_600..before + 4_000).contains(&now_s()));
    }
}
