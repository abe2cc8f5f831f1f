-- Views for people: times in UTC, newest first, the columns in the order of the questions. Made again whenever this text
-- changes; the tables are the agreement, these are not.

DROP VIEW IF EXISTS recent_anomalies;
DROP VIEW IF EXISTS agents_now;
DROP VIEW IF EXISTS recent_troubles;
DROP VIEW IF EXISTS rollout_state;
DROP VIEW IF EXISTS waiting_dead_letters;

CREATE VIEW recent_anomalies AS
SELECT to_char(to_timestamp(last_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS time,
       server, component, kind,
       round(CAST(peak AS NUMERIC), 2) AS score,
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
       to_char(to_timestamp(state_since_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since,
       to_char(to_timestamp(last_seen_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS last_seen,
       COALESCE(CAST(model_version AS TEXT), '') AS model,
       COALESCE(version, '') AS version
FROM agents
ORDER BY fleet, agent;

CREATE VIEW recent_troubles AS
SELECT to_char(to_timestamp(received_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS time, fleet, agent, kind, source, note
FROM events
WHERE note IS NOT NULL
ORDER BY received_us DESC
LIMIT 200;

CREATE VIEW rollout_state AS
SELECT r.id AS rollout, r.fleet, r.version AS model, r.state AS rollout_state,
       a.agent, a.state, COALESCE(a.reason, '') AS reason, to_char(to_timestamp(a.since_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
FROM rollouts r LEFT JOIN rollout_agents a ON a.rollout = r.id
ORDER BY r.id DESC, a.agent;

CREATE VIEW waiting_dead_letters AS
SELECT fleet, agent, CAST(epoch AS TEXT) AS epoch, first_sequence, last_sequence,
       to_char(to_timestamp(received_us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS received, reason
FROM dead_letters
ORDER BY received_us DESC
LIMIT 200;
