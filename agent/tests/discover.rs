//! Which files are followed, on real folders.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use oddline_agent::source::{
    Opener,
    discover::{Discover, Pattern, PatternError, Scan},
    opener::OwnFiles,
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(files);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, files: &[&str]) {
        for file in files {
            fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
            fs::write(self.path(file), "x").unwrap();
        }
    }

    fn pattern(&self, pattern: &str) -> Pattern {
        self.path(pattern).to_str().unwrap().parse().unwrap()
    }

    fn discover(&self, include: &[&str], exclude: &[&str]) -> Discover {
        let all = |patterns: &[&str]| patterns.iter().map(|p| self.pattern(p)).collect();
        Discover::new(all(include), all(exclude), Opener::guarded(OwnFiles::default()))
    }

    fn names(&self, scan: &Scan) -> String {
        let root = self.path("");
        let names: Vec<_> =
            scan.appeared.iter().map(|f| f.path.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
        names.join(" ")
    }

    fn first(&self, include: &[&str], exclude: &[&str]) -> String {
        self.names(&self.discover(include, exclude).scan())
    }
}

#[test]
fn patterns_mean_files_folders_and_trees() {
    let folder = Folder::new(&["b.log", "a.log", "c.txt", ".hidden.log", "sub/d.log", "sub/deep/e.log", ".git/f.log"]);
    assert_eq!(folder.first(&["*.log"], &[]), "a.log b.log");
    assert_eq!(folder.first(&["c.txt", "[ab].log"], &["b.*"]), "c.txt a.log");
    assert_eq!(folder.first(&["sub"], &[]), "sub/d.log");
    assert_eq!(folder.first(&["**/*.log"], &[]), "a.log b.log sub/d.log sub/deep/e.log");
    assert_eq!(folder.first(&["sub/**"], &[]), "sub/d.log sub/deep/e.log");
    assert_eq!(folder.first(&["*/d.log", "nothing/*"], &[]), "sub/d.log");
    let discover = folder.discover(&["**/*.log"], &["sub/**"]);
    assert!(discover.means(&folder.path("later/x.log")) && discover.means(&folder.path("x.log")));
    assert!(!discover.means(&folder.path("sub/x.log")) && !discover.means(&folder.path(".git/x.log")));
}

#[test]
fn rotated_and_compressed_files_are_left_alone() {
    let folder = Folder::new(&[
        "app.log",
        "app.log.1",
        "app.log.2.gz",
        "app-20260105.log",
        "worker-1.log",
        "worker.log",
        "day-20260105.log",
        "day-20260106.log",
        "pack.xz",
    ]);
    let all = "app.log day-20260105.log day-20260106.log worker-1.log worker.log";
    assert_eq!(folder.first(&["*"], &[]), all);
    // In the middle of a rotation.
    let mut discover = folder.discover(&["app*"], &[]);
    assert_eq!(folder.names(&discover.scan()), "app.log");
    fs::rename(folder.path("app.log"), folder.path("app.log.0")).unwrap();
    assert_eq!(folder.names(&discover.scan()), "");
    assert_eq!(folder.first(&["app.log*"], &[]), "");
}

#[test]
fn the_same_file_reached_twice_is_one() {
    let folder = Folder::new(&["a.log", "sub/b.log"]);
    symlink(folder.path("a.log"), folder.path("link.log")).unwrap();
    fs::hard_link(folder.path("a.log"), folder.path("hard.log")).unwrap();
    symlink(folder.path(""), folder.path("sub/loop")).unwrap();
    symlink(folder.path("gone"), folder.path("dangling.log")).unwrap();
    assert_eq!(folder.first(&["*.log", "a.log", "**/*.log"], &[]), "a.log sub/b.log");
    // Whatever sorts first: a link takes no file that is read under its own name.
    assert_eq!(folder.first(&["link.log", "*.log"], &[]), "a.log");
    assert_eq!(folder.first(&["link.log"], &[]), "link.log");
}

#[test]
fn files_appear_once_and_again_when_forgotten() {
    let folder = Folder::new(&["b.log"]);
    let mut discover = folder.discover(&["*.log"], &[]);
    discover.adopt(folder.path("c.log"));
    assert_eq!(folder.names(&discover.scan()), "b.log");
    folder.write(&["a.log", "c.log"]);
    assert_eq!(folder.names(&discover.scan()), "a.log");
    assert_eq!(folder.names(&discover.scan()), "");
    // Renamed within the pattern: whoever reads it goes on.
    fs::rename(folder.path("b.log"), folder.path("d.log")).unwrap();
    assert_eq!(folder.names(&discover.scan()), "");
    discover.forget(&folder.path("b.log"));
    assert_eq!(folder.names(&discover.scan()), "d.log");
}

#[test]
fn what_cannot_be_meant_is_refused_and_what_is_not_there_is_nothing() {
    let error = |pattern: &str| pattern.parse::<Pattern>().unwrap_err();
    assert!(matches!(error("var/log/*.log"), PatternError::NotAbsolute { .. }));
    assert!(matches!(error("/var/log/[a"), PatternError::Malformed { .. }));
    assert!(matches!(error("/var/../log"), PatternError::Malformed { .. }));
    assert!(error("/var/log/a***").to_string().contains("/var/log/a***"));
    let mut discover =
        Discover::new(vec!["/nowhere/at/all/*".parse().unwrap()], Vec::new(), Opener::guarded(OwnFiles::default()));
    assert!(discover.scan().appeared.is_empty() && discover.scan().failed.is_empty());
    assert!(!discover.means(Path::new("relative")));
}
