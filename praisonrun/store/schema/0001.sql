-- Times are microseconds since the epoch. What the code should never do is refused here.
-- Not json_valid(): some releases of SQLite hold it unsafe under trusted_schema = OFF.

CREATE TABLE runs (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    agent               TEXT    NOT NULL,
    version             TEXT    NOT NULL,
    mode                TEXT    NOT NULL CHECK (mode IN ('run', 'service')),
    status              TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    due_at              INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
    priority            INTEGER NOT NULL,
    ready_at            INTEGER,
    timeout             REAL    CHECK (timeout >= 0),
    port                INTEGER CHECK (port BETWEEN 1 AND 65535),
    retries             INTEGER NOT NULL CHECK (retries >= 0),
    backoff             REAL    NOT NULL CHECK (backoff >= 0),
    attempt             INTEGER NOT NULL CHECK (attempt >= 0),
    session_id          TEXT,
    cancel_requested_at INTEGER,
    cancel_reason       TEXT,
    failure             TEXT    CHECK (failure IN ('exit_nonzero', 'timed_out', 'idle_timed_out', 'spawn_failed',
                                                   'agent_error', 'no_result', 'env_lost', 'install_failed',
                                                   'readiness_failed', 'exited', 'lost')),
    error               TEXT,
    exit_code           INTEGER,
    signal              INTEGER,
    pid                 INTEGER,
    boot                TEXT,
    webhook_url         TEXT,
    webhook_reach       TEXT    NOT NULL CHECK (webhook_reach IN ('loopback', 'private', 'public')),
    origin              TEXT,
    parent              TEXT,
    root                TEXT,
    held                INTEGER NOT NULL CHECK (held IN (0, 1)),
    owner               TEXT,
    labels              TEXT    CHECK (labels GLOB '{*}'),
    retention_seconds   INTEGER,
    retain_on_failure   INTEGER CHECK (retain_on_failure IN (0, 1)),
    scratch_until       INTEGER,
    input_env           TEXT,
    result_env          TEXT,
    journal_end         INTEGER CHECK (journal_end >= 0),
    env_names           TEXT    NOT NULL CHECK (env_names GLOB '[[]*]'),
    metadata            TEXT    CHECK (metadata GLOB '{*}'),
    summary             TEXT    CHECK (summary GLOB '{*}'),
    metrics             TEXT    CHECK (metrics GLOB '{*}'),
    -- The idempotency key of the submit. It lives exactly as long as its run, so it is part of it.
    key_scope           TEXT,
    key                 TEXT,
    fingerprint         TEXT,
    -- Last, so that a list never reads past them.
    prompt              TEXT    NOT NULL,
    input               TEXT    CHECK (input <> ''),

    CHECK ((failure IS NOT NULL) = (status = 'failed')),
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK (status <> 'running' OR (boot IS NOT NULL AND started_at IS NOT NULL AND attempt > 0)),
    CHECK (journal_end IS NULL OR finished_at IS NOT NULL OR attempt > 0),
    CHECK (status <> 'running' OR held = 0),
    CHECK (parent IS NULL OR root IS NOT NULL),
    CHECK (scratch_until IS NULL OR finished_at IS NOT NULL),
    CHECK (mode = 'service' OR (port IS NULL AND ready_at IS NULL)),
    CHECK (cancel_reason IS NULL OR cancel_requested_at IS NOT NULL),
    CHECK ((key IS NULL) = (key_scope IS NULL) AND (key IS NULL) = (fingerprint IS NULL))
) STRICT;

-- Lists: each leg of a list reads one of these backwards, newest first.
CREATE INDEX runs_by_status ON runs (mode, status);
CREATE INDEX runs_by_agent ON runs (agent, mode, status);
CREATE INDEX runs_by_session ON runs (session_id, mode, status) WHERE session_id IS NOT NULL;
CREATE INDEX runs_by_owner ON runs (owner, mode, status) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root) WHERE root IS NOT NULL;
CREATE UNIQUE INDEX runs_by_key ON runs (key, key_scope) WHERE key IS NOT NULL;
-- Claims: the best of each agent's queue; due_at is there to be seen without the row.
CREATE INDEX runs_queued ON runs (agent, priority DESC, seq, due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_due ON runs (due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_running ON runs (status) WHERE status = 'running';
-- Two services never get one port.
CREATE UNIQUE INDEX runs_by_port ON runs (port) WHERE port IS NOT NULL AND finished_at IS NULL;
CREATE INDEX runs_by_scratch ON runs (scratch_until) WHERE scratch_until IS NOT NULL;

-- Only a service may be started again under its id.
CREATE TRIGGER runs_final_stay BEFORE UPDATE OF status ON runs
WHEN old.finished_at IS NOT NULL AND new.status <> old.status AND old.mode <> 'service'
BEGIN
    SELECT RAISE(ABORT, 'a final run keeps its status');
END;

CREATE TRIGGER runs_names_stay BEFORE UPDATE OF seq, id, agent, mode, created_at ON runs
BEGIN
    SELECT RAISE(ABORT, 'a run keeps its names');
END;

CREATE TRIGGER runs_live_stay BEFORE DELETE ON runs
WHEN old.finished_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'only a final run is deleted');
END;

-- Totals, kept so that nobody has to count.
CREATE TABLE counts (
    status TEXT    NOT NULL,
    mode   TEXT    NOT NULL,
    agent  TEXT    NOT NULL,
    n      INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (status, mode, agent)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER runs_count_new AFTER INSERT ON runs
BEGIN
    INSERT INTO counts VALUES (new.status, new.mode, new.agent, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER runs_count_move AFTER UPDATE OF status ON runs
WHEN new.status <> old.status
BEGIN
    UPDATE counts SET n = n - 1 WHERE status = old.status AND mode = old.mode AND agent = old.agent;
    INSERT INTO counts VALUES (new.status, new.mode, new.agent, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER runs_count_gone AFTER DELETE ON runs
BEGIN
    UPDATE counts SET n = n - 1 WHERE status = old.status AND mode = old.mode AND agent = old.agent;
END;

-- The agents' entries as runs met them.
CREATE TABLE versions (
    digest     TEXT    NOT NULL PRIMARY KEY,
    agent      TEXT    NOT NULL,
    number     INTEGER NOT NULL CHECK (number > 0),
    definition TEXT    NOT NULL CHECK (definition GLOB '{*}'),
    seen_at    INTEGER NOT NULL,
    installed_at INTEGER,
    UNIQUE (agent, number)
) STRICT, WITHOUT ROWID;

-- Webhooks owed. A receiver is the host and port of the url.
CREATE TABLE deliveries (
    id           TEXT    NOT NULL PRIMARY KEY,
    run_seq      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    url          TEXT    NOT NULL,
    receiver     TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    delivered_at INTEGER,
    CHECK ((delivered_at IS NOT NULL) = (state = 'delivered'))
) STRICT;

CREATE INDEX deliveries_by_run ON deliveries (run_seq);
CREATE INDEX deliveries_by_state ON deliveries (state);
-- What is due, by receiver: thousands of rows of a dead one are passed over in one step.
CREATE INDEX deliveries_owed ON deliveries (receiver, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';

CREATE TABLE delivery_attempts (
    seq      INTEGER PRIMARY KEY,
    delivery TEXT    NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL,
    duration REAL    NOT NULL CHECK (duration >= 0),
    status   INTEGER CHECK (status BETWEEN 100 AND 999),
    error    TEXT,
    text     TEXT,
    CHECK (status IS NOT NULL OR error IS NOT NULL)
) STRICT;

CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery);
