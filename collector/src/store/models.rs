//! Model files with their signatures: what `push` brings and the broker is given.

use oddline_core::id::ModelHash;

use super::{
    Store, StoreError,
    sql::{SqlRow, Tx},
    values,
};

/// A model as it is pushed; checked by `push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Hash of the file.
    pub sha256: ModelHash,
    pub version: u64,
    pub file: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Text of its detached signature.
    pub signature: String,
    /// Where it comes from: JSON from its metadata.
    pub provenance: Option<String>,
    /// The trainer's report, JSON.
    pub report: Option<String>,
}

/// A model without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredModel {
    pub sha256: ModelHash,
    pub version: i64,
    /// When it was pushed, microseconds.
    pub added_us: i64,
    pub file: String,
    pub provenance: Option<String>,
    /// The trainer's report, JSON.
    pub report: Option<String>,
}

/// Keeps a model; a newer signature or report of the same file replaces the one before.
pub(super) async fn keep(tx: &mut Tx, model: &ModelFile, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO models (sha256, version, added_us, file, bytes, signature, provenance, report) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (sha256) DO UPDATE SET \
               signature = excluded.signature, report = COALESCE(excluded.report, models.report)";
    let version = i64::try_from(model.version)
        .map_err(|_| StoreError::Field { table: "models", what: format!("version {}", model.version) })?;
    let row = values![
        model.sha256.to_string(),
        version,
        now_us,
        model.file.as_str(),
        model.bytes.clone(),
        model.signature.as_str(),
        model.provenance.clone(),
        model.report.clone()
    ];
    tx.run(sql, row).await.map(|_| ())
}

impl Store {
    /// Models, newest version first, from behind `after` (version, hash) on.
    pub async fn models(&self, after: Option<(i64, ModelHash)>, limit: u32) -> Result<Vec<StoredModel>, StoreError> {
        let sql = "SELECT sha256, version, added_us, file, provenance, report FROM models \
                   WHERE version <= $1 AND (version < $1 OR sha256 > $2) ORDER BY version DESC, sha256 LIMIT $3";
        let (version, sha256) = after.map_or((i64::MAX, String::new()), |(version, hash)| (version, hash.to_string()));
        let read = |row: &SqlRow| {
            Ok(StoredModel {
                sha256: row.parsed("models", "sha256")?,
                version: row.int("version")?,
                added_us: row.int("added_us")?,
                file: row.text("file")?,
                provenance: row.text_or("provenance")?,
                report: row.text_or("report")?,
            })
        };
        self.pool.rows(sql, values![version, sha256, i64::from(limit)]).await?.iter().map(read).collect()
    }

    /// Bytes and signature of a model.
    pub async fn model_bytes(&self, sha256: ModelHash) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let sql = "SELECT bytes, signature FROM models WHERE sha256 = $1";
        let row = self.pool.row(sql, values![sha256.to_string()]).await?;
        row.map(|row| Ok((row.bytes("bytes")?, row.text("signature")?))).transpose()
    }
}
