//! Model files and slots on the disk. What was stored is whole or not there: written beside, synced, renamed.
//!
//! ```text
//!  models/slots.json
//!  models/slots.copy.json          the same, for when the other is damaged: the highest version is never forgotten
//!  models/<sha256>.onnx            checked again whenever it is opened
//!  models/<sha256>.onnx.minisig    minisign -Vm <file> -p <key> checks the same
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use oddline_core::{
    amounts::size,
    limits::MODEL_BYTES_MAX,
    wire::{ModelId, SIGNATURE_BYTES_MAX},
};
use rustix::fs::OFlags;

use super::{slots::ModelSlots, verify::hash};

const SLOTS: &str = "slots.json";
const COPY: &str = "slots.copy.json";
const MODEL: &str = "onnx";
const SIGNATURE: &str = "onnx.minisig";
/// Bytes of the slots file: five models and a number.
const SLOTS_BYTES_MAX: u64 = 16 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct ModelStore {
    folder: PathBuf,
}

/// What went wrong with a file of the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelStoreError {
    #[error("{}: {reason}", path.display())]
    Io { path: PathBuf, reason: io::Error },
    /// The file holds something else than was stored.
    #[error("{}: the file is damaged ({reason})", path.display())]
    Damaged { path: PathBuf, reason: String },
}

impl ModelStore {
    /// Opens the folder, creating it.
    pub(crate) fn open(folder: &Path) -> Result<Self, ModelStoreError> {
        fs::create_dir_all(folder).map_err(io_error(folder))?;
        Ok(Self::to_read(folder))
    }

    /// The folder as it is, or is not: for those who only look.
    #[must_use]
    pub(crate) fn to_read(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The slots as they were stored, from the file or its copy, whichever knows of the higher version; `None` where
    /// neither can be read. And what is wrong with either.
    #[must_use]
    pub(crate) fn slots(&self) -> (Option<ModelSlots>, Vec<ModelStoreError>) {
        let (mut newest, mut wrong): (Option<ModelSlots>, _) = (None, Vec::new());
        for name in [SLOTS, COPY] {
            match self.slots_in(name) {
                Ok(Some(slots)) if newest.as_ref().is_none_or(|known| slots.highest() > known.highest()) => {
                    newest = Some(slots);
                }
                Ok(_) => {}
                Err(error) => wrong.push(error),
            }
        }
        (newest, wrong)
    }

    fn slots_in(&self, name: &str) -> Result<Option<ModelSlots>, ModelStoreError> {
        let path = self.folder.join(name);
        let Some(bytes) = read(&path, SLOTS_BYTES_MAX)? else { return Ok(None) };
        let slots = serde_json::from_slice(&bytes);
        slots.map(Some).map_err(|e| ModelStoreError::Damaged { path, reason: e.to_string() })
    }

    /// Every whole model of the folder with the text of its signature: what is left to go by without the slots.
    #[must_use]
    pub(crate) fn found(&self) -> Vec<(Vec<u8>, String)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let hashes = names.filter_map(|name| name.strip_suffix(".onnx")?.parse().ok());
        // The version is for those who open the file.
        let models = hashes.map(|sha256| ModelId { sha256, version: 0 });
        let mut found: Vec<ModelId> = models.collect();
        found.sort_unstable_by_key(|model| model.sha256.0);
        let with_signature = |model: &ModelId| {
            let signature = read(&self.path(*model, SIGNATURE), SIGNATURE_BYTES_MAX as u64).ok()??;
            Some((self.get(*model).ok()?, String::from_utf8(signature).ok()?))
        };
        found.iter().filter_map(with_signature).collect()
    }

    /// Stores the slots, then removes files that they no longer need.
    ///
    /// # Errors
    /// When the slots cannot be written. A file that cannot be removed stays.
    pub(crate) fn set_slots(&self, slots: &ModelSlots) -> Result<(), ModelStoreError> {
        let text = serde_json::to_vec_pretty(slots).expect("numbers and hashes can always be written");
        self.write(&self.folder.join(COPY), &text)?;
        self.write(&self.folder.join(SLOTS), &text)?;
        let needed = |name: &str| {
            let state = slots.state();
            let models = state.current.iter().chain(state.good.iter());
            models.map(|model| model.sha256.to_string()).any(|hash| name.starts_with(&hash))
        };
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.contains(".onnx") && !needed(&name) {
                // It is in the way of nothing, and the next time comes.
                let _: io::Result<()> = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Stores a checked model and its signature.
    ///
    /// # Errors
    /// When they cannot be written; nothing counts as stored then.
    pub(crate) fn put(&self, model: ModelId, file: &[u8], signature: &str) -> Result<(), ModelStoreError> {
        self.write(&self.path(model, SIGNATURE), signature.as_bytes())?;
        self.write(&self.path(model, MODEL), file)
    }

    /// A stored model's bytes, whose hash is checked.
    ///
    /// # Errors
    /// When they are not there or not what was stored.
    pub(crate) fn get(&self, model: ModelId) -> Result<Vec<u8>, ModelStoreError> {
        let path = self.path(model, MODEL);
        let missing = || ModelStoreError::Io { path: path.clone(), reason: io::ErrorKind::NotFound.into() };
        let bytes = read(&path, MODEL_BYTES_MAX as u64)?.ok_or_else(missing)?;
        let found = hash(&bytes);
        if found == model.sha256 {
            return Ok(bytes);
        }
        Err(ModelStoreError::Damaged { path, reason: format!("its SHA-256 is {found}") })
    }

    fn path(&self, model: ModelId, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", model.sha256))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ModelStoreError> {
        let beside = path.with_added_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&beside)(error)),
            Ok(()) | Err(_) => {}
        }
        // A link in its place leads nowhere.
        let new = OpenOptions::new().write(true).create_new(true).open(&beside);
        let written = new.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(io_error(&beside))?;
        fs::rename(&beside, path).map_err(io_error(path))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io_error(&self.folder))
    }
}

/// Follows no link and waits for no writer: what is there was written by [`ModelStore::write`], or is none of ours.
fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, ModelStoreError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let meta = file.metadata().map_err(io_error(path))?;
    if !meta.is_file() || meta.len() > bytes_max {
        let reason = if meta.is_file() { format!("it has {}", size(meta.len())) } else { "it is no file".to_owned() };
        return Err(ModelStoreError::Damaged { path: path.to_owned(), reason });
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).map_err(io_error(path))?;
    Ok(Some(bytes))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ModelStoreError {
    move |reason| ModelStoreError::Io { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::{super::verify::tests::wish, *};

    #[test]
    fn what_was_stored_comes_back_and_what_is_not_needed_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(&folder.path().join("models")).unwrap();
        assert!(matches!(store.slots(), (None, wrong) if wrong.is_empty()));
        let mut slots = ModelSlots::new(None);
        for version in 1..=6_u8 {
            let file = [version, 1, 2];
            let id = wish(&file).model;
            store.put(id, &file, "signature").unwrap();
            slots.take(id);
            slots.mark_good();
            store.set_slots(&slots).unwrap();
        }
        assert_eq!(store.slots().0, Some(slots));
        let get = |version: u8| store.get(wish(&[version, 1, 2]).model);
        assert_eq!(get(6).unwrap(), [6, 1, 2]);
        assert!(get(4).is_ok() && matches!(get(3), Err(ModelStoreError::Io { .. })));
        // Slots and their copy, three models, three signatures.
        assert_eq!(fs::read_dir(folder.path().join("models")).unwrap().count(), 8);
        assert_eq!(store.found().len(), 3);
    }

    #[test]
    fn damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(folder.path()).unwrap();
        let id = wish(b"\x01abc").model;
        store.put(id, b"\x01abc", "").unwrap();
        fs::write(store.path(id, MODEL), b"\x01abd").unwrap();
        assert!(matches!(store.get(id), Err(ModelStoreError::Damaged { .. })));
        fs::write(store.path(id, MODEL), vec![0; MODEL_BYTES_MAX + 1]).unwrap();
        assert!(matches!(store.get(id), Err(ModelStoreError::Damaged { .. })));
        assert!(store.found().is_empty());
    }

    #[test]
    fn damaged_slots_are_read_from_their_copy() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(folder.path()).unwrap();
        let mut slots = ModelSlots::new(None);
        slots.take(wish(b"\x03abc").model);
        store.set_slots(&slots).unwrap();
        let path = folder.path().join(SLOTS);
        let older = serde_json::to_vec(&ModelSlots::new(Some(wish(b"\x01abc").model))).unwrap();
        for damaged in [&b""[..], b"{\"current\"", b"{}", &older] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(store.slots().0.as_ref(), Some(&slots), "{}", String::from_utf8_lossy(damaged));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(store.slots().0.as_ref(), Some(&slots));
        fs::write(folder.path().join(COPY), b"").unwrap();
        let (none, wrong) = store.slots();
        assert!(none.is_none() && matches!(wrong[..], [ModelStoreError::Damaged { .. }]), "{none:?} {wrong:?}");
    }

    #[test]
    fn links_and_pipes_are_neither_read_nor_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (models, outside) = (folder.path().join("models"), folder.path().join("outside"));
        fs::write(&outside, "{\"current\":null}").unwrap();
        let store = ModelStore::to_read(&models);
        assert!(matches!(store.slots(), (None, wrong) if wrong.is_empty()));
        assert!(!models.exists(), "who only looks makes nothing");
        let store = ModelStore::open(&models).unwrap();
        std::os::unix::fs::symlink(&outside, models.join(SLOTS)).unwrap();
        std::os::unix::fs::symlink(&outside, models.join("slots.json.new")).unwrap();
        assert!(matches!(&store.slots(), (None, wrong) if matches!(wrong[..], [ModelStoreError::Io { .. }])));
        store.set_slots(&ModelSlots::new(None)).unwrap();
        assert_eq!(store.slots().0, Some(ModelSlots::new(None)));
        assert_eq!(fs::read_to_string(&outside).unwrap(), "{\"current\":null}");
        fs::remove_file(models.join(SLOTS)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(models.join(SLOTS)).status().unwrap().success());
        let (copy, wrong) = store.slots();
        assert_eq!(copy, Some(ModelSlots::new(None)));
        assert!(matches!(wrong[..], [ModelStoreError::Damaged { .. }]), "{wrong:?}");
    }
}
