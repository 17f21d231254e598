-- Schema 2: the table of runs is built anew, so that its checks cost less and its new columns stand before the
-- long ones. A check of many words is written with OR: SQLite builds a table in memory for each IN of three.
-- The code has title_of(), which makes a run's title of its prompt.

CREATE TABLE runs_2 (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    agent               TEXT    NOT NULL,
    version             TEXT    NOT NULL,
    mode                TEXT    NOT NULL CHECK (mode = 'run' OR mode = 'service'),
    status              TEXT    NOT NULL CHECK (status = 'queued' OR status = 'running' OR status = 'succeeded'
                                                OR status = 'failed' OR status = 'cancelled'),
    rev                 INTEGER NOT NULL,
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
    uncounted           INTEGER NOT NULL DEFAULT 0 CHECK (uncounted >= 0),
    not_started_since   INTEGER,
    claim               TEXT    CHECK (length(claim) = 16),
    session_id          TEXT,
    conversation        TEXT,
    cancel_requested_at INTEGER,
    cancel_reason       TEXT,
    failure             TEXT    CHECK (failure = 'exit_nonzero' OR failure = 'timed_out'
                                       OR failure = 'idle_timed_out' OR failure = 'spawn_failed'
                                       OR failure = 'agent_error' OR failure = 'no_result'
                                       OR failure = 'env_lost' OR failure = 'install_failed'
                                       OR failure = 'readiness_failed' OR failure = 'exited'
                                       OR failure = 'lost' OR failure = 'over_budget'
                                       OR failure = 'out_of_memory'),
    error               TEXT,
    error_tail          TEXT,
    exit_code           INTEGER,
    signal              INTEGER,
    pid                 INTEGER,
    boot                TEXT,
    webhook_url         TEXT,
    webhook_reach       TEXT    NOT NULL CHECK (webhook_reach = 'loopback' OR webhook_reach = 'private'
                                                OR webhook_reach = 'public'),
    origin              TEXT,
    parent              TEXT,
    root                TEXT,
    held                INTEGER NOT NULL CHECK (held = 0 OR held = 1),
    owner               TEXT,
    labels              TEXT    CHECK (labels GLOB '{*}'),
    retention_seconds   INTEGER,
    retain_on_failure   INTEGER CHECK (retain_on_failure = 0 OR retain_on_failure = 1),
    scratch_until       INTEGER,
    input_env           TEXT,
    result_env          TEXT,
    journal_end         INTEGER CHECK (journal_end >= 0),
    env_names           TEXT    NOT NULL CHECK (env_names GLOB '[[]*]'),
    asks_read           INTEGER CHECK (asks_read >= 0),
    tokens_in           INTEGER CHECK (tokens_in >= 0),
    tokens_out          INTEGER CHECK (tokens_out >= 0),
    cost_microusd       INTEGER CHECK (cost_microusd >= 0),
    schedule_tick       INTEGER,
    caller_approve      TEXT,
    worktree_base       TEXT,
    -- The idempotency key of the submit. It lives exactly as long as its run, so it is part of it.
    key_scope           TEXT,
    key                 TEXT,
    fingerprint         TEXT,
    title               TEXT    NOT NULL DEFAULT '',
    cwd                 TEXT,
    limits              TEXT    CHECK (limits GLOB '{*}'),
    attempts            TEXT    CHECK (attempts GLOB '[[]*]'),
    metadata            TEXT    CHECK (metadata GLOB '{*}'),
    summary             TEXT    CHECK (summary GLOB '{*}'),
    metrics             TEXT    CHECK (metrics GLOB '{*}'),
    -- Last, so that a list never reads past them.
    prompt              TEXT    NOT NULL,
    input               TEXT    CHECK (input <> ''),

    CHECK ((failure IS NOT NULL) = (status = 'failed')),
    CHECK ((finished_at IS NOT NULL) = (status = 'succeeded' OR status = 'failed' OR status = 'cancelled')),
    CHECK (status <> 'running' OR (boot IS NOT NULL AND started_at IS NOT NULL AND attempt > 0)),
    CHECK (journal_end IS NULL OR finished_at IS NOT NULL OR attempt > 0),
    CHECK (status <> 'running' OR held = 0),
    CHECK (parent IS NULL OR root IS NOT NULL),
    CHECK (scratch_until IS NULL OR finished_at IS NOT NULL),
    CHECK (mode = 'service' OR (port IS NULL AND ready_at IS NULL)),
    CHECK (cancel_reason IS NULL OR cancel_requested_at IS NOT NULL),
    CHECK ((key IS NULL) = (key_scope IS NULL) AND (key IS NULL) = (fingerprint IS NULL))
) STRICT;

INSERT INTO runs_2 (
    rev, title,
    seq, id, agent, version, mode, status, created_at, updated_at, due_at, started_at, finished_at, priority,
    ready_at, timeout, port, retries, backoff, attempt, session_id, cancel_requested_at, cancel_reason,
    failure, error, exit_code, signal, pid, boot, webhook_url, webhook_reach, origin, parent, root, held,
    owner, labels, retention_seconds, retain_on_failure, scratch_until, input_env, result_env, journal_end,
    env_names, metadata, summary, metrics, key_scope, key, fingerprint, prompt, input
)
SELECT
    seq, title_of(CAST(substr(prompt, 1, 4096) AS BLOB)),
    seq, id, agent, version, mode, status, created_at, updated_at,
    CASE WHEN status = 'queued' AND attempt = 0 THEN 0 ELSE due_at END, started_at, finished_at, priority,
    ready_at, timeout, port, retries, backoff, attempt, session_id, cancel_requested_at, cancel_reason,
    failure, error, exit_code, signal, pid, boot, webhook_url, webhook_reach, origin, parent, root, held,
    owner, labels, retention_seconds, retain_on_failure, scratch_until, input_env, result_env, journal_end,
    env_names, metadata, summary, metrics, key_scope, key, fingerprint, prompt, input
FROM runs ORDER BY seq;

DROP TABLE runs;
ALTER TABLE runs_2 RENAME TO runs;

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
-- What changed after a point, in order: each write of a row gives it the next number.
CREATE UNIQUE INDEX runs_by_rev ON runs (rev);
-- One run of a conversation at a time, in the order of submission.
CREATE INDEX runs_by_conversation ON runs (conversation, seq) WHERE conversation IS NOT NULL AND finished_at IS NULL;
-- Two services never get one port.
CREATE UNIQUE INDEX runs_by_port ON runs (port) WHERE port IS NOT NULL AND finished_at IS NULL;
CREATE INDEX runs_by_scratch ON runs (scratch_until) WHERE scratch_until IS NOT NULL;

-- Only a service may be started again under its id.
CREATE TRIGGER runs_final_stay BEFORE UPDATE OF status ON runs
WHEN old.finished_at IS NOT NULL AND new.status <> old.status
    AND NOT (old.mode = 'service' AND (new.status = 'queued' OR new.status = 'running'))
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

CREATE TABLE deliveries_2 (
    id           TEXT    NOT NULL PRIMARY KEY,
    run_seq      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    url          TEXT    NOT NULL,
    receiver     TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'pending'
                 CHECK (state = 'pending' OR state = 'delivered' OR state = 'dead'),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    delivered_at INTEGER,
    CHECK ((delivered_at IS NOT NULL) = (state = 'delivered'))
) STRICT;

INSERT INTO deliveries_2 SELECT
    id, run_seq, url, receiver, type, state, attempts, due_at, created_at, delivered_at
FROM deliveries;

DROP TABLE deliveries;
ALTER TABLE deliveries_2 RENAME TO deliveries;

CREATE INDEX deliveries_by_run ON deliveries (run_seq);
CREATE INDEX deliveries_by_state ON deliveries (state);
-- What is due, by receiver: thousands of rows of a dead one are passed over in one step.
CREATE INDEX deliveries_owed ON deliveries (receiver, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';

-- Runs that ended, by hour (microseconds, UTC) and agent.
CREATE TABLE activity (
    hour          INTEGER NOT NULL,
    agent         TEXT    NOT NULL,
    ended         INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    cancelled     INTEGER NOT NULL DEFAULT 0,
    tokens_in     INTEGER NOT NULL DEFAULT 0,
    tokens_out    INTEGER NOT NULL DEFAULT 0,
    cost_microusd INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, agent)
) STRICT, WITHOUT ROWID;

INSERT INTO activity (hour, agent, ended, failed, cancelled)
SELECT finished_at - finished_at % 3600000000, agent, count(*), sum(status = 'failed'), sum(status = 'cancelled')
FROM runs WHERE finished_at IS NOT NULL GROUP BY 1, 2;

CREATE TRIGGER runs_ended AFTER UPDATE OF finished_at ON runs
WHEN old.finished_at IS NULL AND new.finished_at IS NOT NULL
BEGIN
    INSERT INTO activity (hour, agent, ended, failed, cancelled, tokens_in, tokens_out, cost_microusd)
    VALUES (
        new.finished_at - new.finished_at % 3600000000, new.agent, 1,
        new.status = 'failed', new.status = 'cancelled',
        coalesce(new.tokens_in, 0), coalesce(new.tokens_out, 0), coalesce(new.cost_microusd, 0)
    )
    ON CONFLICT DO UPDATE SET
        ended = ended + 1, failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled,
        tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out,
        cost_microusd = cost_microusd + excluded.cost_microusd;
END;

-- Where this database was made: a copy knows by it that it is one. One row.
CREATE TABLE place (
    store   TEXT    NOT NULL CHECK (length(store) = 16),
    dir_ino INTEGER NOT NULL,
    db_ino  INTEGER NOT NULL,
    dev     INTEGER NOT NULL,
    boot    TEXT    NOT NULL,
    path    TEXT    NOT NULL
) STRICT;

-- The latest removed runs, and the number of the youngest one that was forgotten.
CREATE TABLE removed (
    rev INTEGER PRIMARY KEY,
    id  TEXT    NOT NULL,
    at  INTEGER NOT NULL
) STRICT;

CREATE TABLE removed_floor (
    rev INTEGER NOT NULL
) STRICT;

INSERT INTO removed_floor VALUES (0);

-- What an agent's own session is called, by conversation.
CREATE TABLE conversations (
    key           TEXT    NOT NULL PRIMARY KEY,
    agent_session TEXT    NOT NULL,
    made_by_run   TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Questions of agents.
CREATE TABLE asks (
    run_seq   INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    id        TEXT    NOT NULL,
    question  TEXT    NOT NULL,
    options   TEXT    CHECK (options GLOB '[[]*]'),
    "default" TEXT,
    asked_at  INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    state     TEXT    NOT NULL DEFAULT 'open'
              CHECK (state = 'open' OR state = 'answered' OR state = 'expired' OR state = 'void'),
    answer    TEXT,
    delivered INTEGER NOT NULL DEFAULT 0 CHECK (delivered = 0 OR delivered = 1),
    PRIMARY KEY (run_seq, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX asks_open ON asks (due_at) WHERE state = 'open';

-- Which runs a run waits for.
CREATE TABLE run_after (
    run_seq  INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    needs_id TEXT    NOT NULL,
    PRIMARY KEY (run_seq, needs_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_after_needs ON run_after (needs_id);

-- Agents whose queued runs wait; '*' is all of them.
CREATE TABLE pauses (
    agent TEXT    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
    agent     TEXT    NOT NULL PRIMARY KEY,
    next_at   INTEGER,
    last_tick INTEGER,
    paused    INTEGER NOT NULL DEFAULT 0 CHECK (paused = 0 OR paused = 1)
) STRICT, WITHOUT ROWID;
