CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
CREATE TABLE agent_history (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (fleet, agent, at_us, kind)
);
CREATE INDEX agent_history_by_time ON agent_history (at_us);
CREATE TABLE agents (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    first_seen_us BIGINT NOT NULL,
    last_seen_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    state_since_us BIGINT NOT NULL,
    quiet_since_us BIGINT,
    version TEXT,
    model_version BIGINT,
    birth TEXT,
    status TEXT,
    model_state TEXT, life TEXT, life_before TEXT, contested_us BIGINT,
    PRIMARY KEY (fleet, agent)
);
CREATE TABLE changes (
    name TEXT NOT NULL PRIMARY KEY,
    counter BIGINT NOT NULL
);
CREATE TABLE dead_letters (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    received_us BIGINT NOT NULL,
    retried_us BIGINT,
    reason TEXT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (fleet, agent, epoch, first_sequence)
);
CREATE INDEX dead_letters_by_time ON dead_letters (received_us);
CREATE TABLE episodes (
    id TEXT NOT NULL PRIMARY KEY,
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    source TEXT NOT NULL,
    number BIGINT NOT NULL,
    server TEXT NOT NULL,
    component TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    records BIGINT NOT NULL,
    peak DOUBLE PRECISION NOT NULL,
    threshold DOUBLE PRECISION NOT NULL,
    main_reason TEXT NOT NULL,
    reasons TEXT NOT NULL,
    value DOUBLE PRECISION,
    expected DOUBLE PRECISION,
    learning BIGINT NOT NULL,
    by_clock BIGINT NOT NULL,
    samples TEXT NOT NULL,
    model BIGINT NOT NULL,
    received_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    verdict TEXT
, extras TEXT);
CREATE INDEX episodes_by_arrival ON episodes (updated_us);
CREATE INDEX episodes_by_component ON episodes (component, last_us, id);
CREATE INDEX episodes_by_server ON episodes (server, last_us, id);
CREATE INDEX episodes_by_time ON episodes (last_us, id, peak, kind);
CREATE INDEX episodes_with_verdict ON episodes (id) WHERE verdict IS NOT NULL;
CREATE TABLE events (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    time_us BIGINT NOT NULL,
    received_us BIGINT NOT NULL,
    note TEXT,
    entry BYTEA NOT NULL,
    PRIMARY KEY (fleet, agent, epoch, sequence)
);
CREATE INDEX events_by_arrival ON events (received_us);
CREATE INDEX events_with_note ON events (received_us) WHERE note IS NOT NULL;
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE models (
    sha256 TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    added_us BIGINT NOT NULL,
    file TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    signature TEXT NOT NULL,
    provenance TEXT,
    report TEXT
);
CREATE TABLE progress (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    acked BIGINT NOT NULL,
    previous BIGINT NOT NULL,
    missing BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    PRIMARY KEY (fleet, agent, epoch)
);
CREATE TABLE rollout_agents (
    fleet TEXT NOT NULL,
    agent TEXT NOT NULL,
    rollout BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    since_us BIGINT NOT NULL,
    PRIMARY KEY (fleet, agent, rollout)
);
CREATE INDEX rollout_agents_by_rollout ON rollout_agents (rollout);
CREATE TABLE rollouts (
    id BIGINT NOT NULL PRIMARY KEY,
    fleet TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    version BIGINT NOT NULL,
    everyone BIGINT NOT NULL,
    rollback BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX rollouts_by_fleet ON rollouts (fleet, id);
CREATE TABLE verdicts (
    episode TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    note TEXT,
    author TEXT,
    PRIMARY KEY (episode, at_us)
);
CREATE INDEX verdicts_by_time ON verdicts (at_us);
