//! No statement of the store reads a whole large table: SQLite says how it would run each.

use oddline_collector::store::{DatabaseAddress, OpenMode, Store};

/// Tables that grow with what happens, not with how many agents there are.
const LARGE: [&str; 3] = ["events", "episodes", "agent_history"];

/// Every statement of the sources that reads, as text.
fn statements() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for part in text.split('"').skip(1).step_by(2) {
            let part = part.replace("\\\n", " ");
            let sql: String = part.split_whitespace().collect::<Vec<_>>().join(" ");
            let reads = ["SELECT ", "DELETE ", "UPDATE ", "WITH "].iter().any(|lead| sql.starts_with(lead));
            let foreign = sql.contains("pg_") || sql.contains("sqlite_master") || sql.contains("_sqlx_migrations");
            if reads && !foreign && LARGE.iter().any(|table| sql.contains(table)) {
                found.push(sql);
            }
        }
    }
    found
}

#[tokio::test]
async fn no_plan_scans_a_large_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap().close().await;
    // The same SQLite as the program's.
    let database = rusqlite::Connection::open(&path).unwrap();
    let plan_of = |sql: &str| -> String {
        let mut explained =
            database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let mut rows = explained.raw_query();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &(row.get::<_, String>(3).unwrap() + "\n");
        }
        plan
    };
    let columns = "id, fleet, agent, last_us, peak";
    let leads = ["server = $1", "component = $1", "CAST($1 AS TEXT) IS NULL"];
    let mut checked = 0;
    for sql in statements() {
        let sql = sql.replace("{COLUMNS}", columns);
        let all =
            if sql.contains("{lead}") { leads.map(|lead| sql.replace("{lead}", lead)).to_vec() } else { vec![sql] };
        for sql in all {
            let plan = plan_of(&sql);
            let scans = plan.lines().find(|line| {
                let scanned = line.split("SCAN ").nth(1).and_then(|rest| rest.split_whitespace().next());
                // Walking an index in order up to a LIMIT is no scan of the table.
                scanned.is_some_and(|table| LARGE.contains(&table))
                    && !line.contains("USING INDEX")
                    && !line.contains("USING COVERING INDEX")
            });
            assert_eq!(scans, None, "{sql}\n{plan}");
            let sorts = plan.contains("USE TEMP B-TREE FOR ORDER BY") && sql.contains("LIMIT $");
            assert!(!sorts, "{sql}\n{plan}");
            checked += 1;
        }
    }
    assert!(checked >= 10, "only {checked} statements were found");
    for view in ["recent_anomalies", "recent_troubles"] {
        let plan = plan_of(&format!("SELECT * FROM {view}"));
        assert!(plan.contains("INDEX") && !plan.contains("TEMP B-TREE"), "{view}: {plan}");
    }
}
