//! A full disk: the old file stays whole, nothing half-written is left, and the code is 74.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

use oddline_testkit::{is_root, not_run};

use crate::shell::{Folder, MODEL, TRAIN, succeeds};

/// A file system of 256 KiB in a test's folder; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Folder) -> Option<Self> {
        let path = folder.path("small");
        fs::create_dir(&path).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs"].map(OsStr::new);
        let mounted = is_root() && succeeds("mount", &[&options[..], &[path.as_os_str()]].concat());
        mounted.then_some(Self(path))
    }

    /// Takes all space but about `bytes`.
    fn fill_up_to(&self, bytes: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.0.join("filler")).unwrap();
        while filler.write_all(&[b'x'; 4096]).is_ok() {}
        let size = filler.metadata().unwrap().len();
        filler.set_len(size - bytes.min(size)).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|n| n != "filler").collect();
        names.sort();
        names
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        succeeds("umount", &[self.0.as_os_str()]);
    }
}

#[test]
fn a_full_disk_leaves_the_old_files() {
    let folder = Folder::with_model();
    folder.must("test --debug-with-anomaly-flag --scores scores.csv");
    let Some(small) = Small::mount(&folder) else {
        not_run("cli disk::a_full_disk_leaves_the_old_files", "only root can mount a small file system");
        return;
    };
    fs::copy(folder.path(MODEL), small.0.join("m.onnx")).unwrap();
    for name in ["a.csv", "s.csv", "d.txt", "r.json", "loss_curves.png"] {
        fs::write(small.0.join(name), "the old one").unwrap();
    }
    let before = small.files();
    small.fill_up_to(8 * 1024);
    let old_model = fs::read(small.0.join("m.onnx")).unwrap();
    for (arguments, file) in [
        (format!("{TRAIN} --seed 9 --model small/m.onnx"), "m.onnx"),
        ("test --anomalies small/a.csv".to_owned(), "a.csv"),
        ("test --scores small/s.csv".to_owned(), "s.csv"),
        ("test --debug-with-anomaly-flag --debug-logs small/d.txt".to_owned(), "d.txt"),
        ("generate --servers 1 --days 1 --test-days 1 --out small".to_owned(), "_logs"),
        (format!("{TRAIN} --model elsewhere.onnx --charts small"), "loss_curves.png"),
    ] {
        folder.run(&arguments).refused(74, &[file, "small"]);
        assert_eq!(small.files(), before, "{arguments}: what was there, and nothing else");
    }
    assert_eq!(fs::read(small.0.join("m.onnx")).unwrap(), old_model);
    for name in ["a.csv", "s.csv", "d.txt", "r.json", "loss_curves.png"] {
        assert_eq!(fs::read(small.0.join(name)).unwrap(), b"the old one", "{name}");
    }
    small.fill_up_to(0);
    folder.run("test --report small/r.json").refused(74, &["r.json", "small"]);
    assert_eq!(fs::read(small.0.join("r.json")).unwrap(), b"the old one");
}
