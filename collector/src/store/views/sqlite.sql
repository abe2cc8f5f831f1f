-- Views for people: times in UTC, newest first, the columns in the order of the questions. Made again whenever this text
-- changes; the tables are the agreement, these are not.

DROP VIEW IF EXISTS recent_anomalies;
DROP VIEW IF EXISTS agents_now;
DROP VIEW IF EXISTS recent_troubles;
DROP VIEW IF EXISTS rollout_state;
DROP VIEW IF EXISTS waiting_dead_letters;

CREATE VIEW recent_anomalies AS
SELECT strftime('%Y-%m-%d %H:%M:%S', last_us / 1000000, 'unixepoch') AS time,
       server, component, kind,
       round(peak, 2) AS score,
       main_reason AS why,
       records,
       (last_us - first_us) / 1000000 AS lasted_s,
       state,
       COALESCE(verdict, '') AS verdict,
       agent,
       id
FROM episodes
ORDER BY last_us DESC, id DESC
LIMIT 200;

CREATE VIEW agents_now AS
SELECT fleet, agent,
       CASE WHEN quiet_since_us IS NOT NULL AND state <> 'down' THEN 'quiet' ELSE state END AS state,
       strftime('%Y-%m-%d %H:%M:%S', state_since_us / 1000000, 'unixepoch') AS since,
       strftime('%Y-%m-%d %H:%M:%S', last_seen_us / 1000000, 'unixepoch') AS last_seen,
       COALESCE(CAST(model_version AS TEXT), '') AS model,
       COALESCE(version, '') AS version
FROM agents
ORDER BY fleet, agent;

CREATE VIEW recent_troubles AS
SELECT strftime('%Y-%m-%d %H:%M:%S', received_us / 1000000, 'unixepoch') AS time, fleet, agent, kind, source, note
FROM events
WHERE note IS NOT NULL
ORDER BY received_us DESC
LIMIT 200;

CREATE VIEW rollout_state AS
SELECT r.id AS rollout, r.fleet, r.version AS model, r.state AS rollout_state,
       a.agent, a.state, COALESCE(a.reason, '') AS reason, strftime('%Y-%m-%d %H:%M:%S', a.since_us / 1000000, 'unixepoch') AS since
FROM rollouts r LEFT JOIN rollout_agents a ON a.rollout = r.id
ORDER BY r.id DESC, a.agent;

CREATE VIEW waiting_dead_letters AS
SELECT fleet, agent, CAST(epoch AS TEXT) AS epoch, first_sequence, last_sequence,
       strftime('%Y-%m-%d %H:%M:%S', received_us / 1000000, 'unixepoch') AS received, reason
FROM dead_letters
ORDER BY received_us DESC
LIMIT 200;
