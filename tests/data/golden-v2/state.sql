PRAGMA application_id = 1886547505;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
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
INSERT INTO "activity" VALUES(1795957200000000,'fail',1,1,0,0,0,0);
INSERT INTO "activity" VALUES(1795957200000000,'quick',1,0,0,0,0,0);
INSERT INTO "activity" VALUES(1795957200000000,'told',1,0,0,0,0,0);
INSERT INTO "activity" VALUES(1795957200000000,'until',1,0,1,0,0,0);
INSERT INTO "activity" VALUES(1795957200000000,'web',1,0,1,0,0,0);
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
CREATE TABLE conversations (
    key           TEXT    NOT NULL PRIMARY KEY,
    agent_session TEXT    NOT NULL,
    made_by_run   TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE counts (
    status TEXT    NOT NULL,
    mode   TEXT    NOT NULL,
    agent  TEXT    NOT NULL,
    n      INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (status, mode, agent)
) STRICT, WITHOUT ROWID;
INSERT INTO "counts" VALUES('cancelled','run','until',1);
INSERT INTO "counts" VALUES('cancelled','service','web',1);
INSERT INTO "counts" VALUES('failed','run','fail',1);
INSERT INTO "counts" VALUES('queued','run','quick',1);
INSERT INTO "counts" VALUES('running','run','fail',0);
INSERT INTO "counts" VALUES('running','run','quick',0);
INSERT INTO "counts" VALUES('running','run','told',0);
INSERT INTO "counts" VALUES('running','run','until',2);
INSERT INTO "counts" VALUES('running','service','web',0);
INSERT INTO "counts" VALUES('succeeded','run','quick',1);
INSERT INTO "counts" VALUES('succeeded','run','told',1);
CREATE TABLE "deliveries" (
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
INSERT INTO "deliveries" VALUES('msg_01a2278fa45d75f09231c4474ca89699',4,'http://@receiver@/hook','@receiver@','run.succeeded','pending',1,1795960059713737,1795960054877067,NULL);
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
INSERT INTO "delivery_attempts" VALUES(1,'msg_01a2278fa45d75f09231c4474ca89699',1795960054881475,0.09309,NULL,'cannot connect: All connection attempts failed',NULL);
CREATE TABLE pauses (
    agent TEXT    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE place (
    store   TEXT    NOT NULL CHECK (length(store) = 16),
    dir_ino INTEGER NOT NULL,
    db_ino  INTEGER NOT NULL,
    dev     INTEGER NOT NULL,
    boot    TEXT    NOT NULL,
    path    TEXT    NOT NULL
) STRICT;
CREATE TABLE removed (
    rev INTEGER PRIMARY KEY,
    id  TEXT    NOT NULL,
    at  INTEGER NOT NULL
) STRICT;
CREATE TABLE removed_floor (
    rev INTEGER NOT NULL
) STRICT;
INSERT INTO "removed_floor" VALUES(0);
CREATE TABLE run_after (
    run_seq  INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    needs_id TEXT    NOT NULL,
    PRIMARY KEY (run_seq, needs_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE "runs" (
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
INSERT INTO "runs" VALUES(1,'@succeeded@','told','1ea2d4ba71a4da10ebfe9f0f7e97f149f1bc49cb1a6c7b3f3bf5c99ed09a7d46','run','succeeded',2,1795960054735131,1795960054755389,0,1795960054735131,1795960054755389,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'b846266768908ea8','s',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,26238,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,653,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'jobs','golden','2:d72bbcc692cd6ea3bd012fbbe6b5414657615e6d0ffa5e78b80e234acbf60401','x',NULL,NULL,NULL,'{"a":[1]}','{"progress":{"percentage":50.0,"step":"half"},"usage":{}}','{"wall_seconds":0.000795,"cpu_seconds":0.001085,"max_rss_bytes":10539008,"stdout_bytes":5,"stderr_bytes":4,"dropped_bytes":0,"swept_processes":0}','x',NULL);
INSERT INTO "runs" VALUES(2,'@failed@','fail','0d9f6d2b1020ee0a2fb361a221270c82baee61a25167a26b9a9bcdba63111729','run','failed',4,1795960054777332,1795960054788515,0,1795960054777332,1795960054788515,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'caeb1d4bfcbcd3ae',NULL,NULL,NULL,NULL,'exit_nonzero','exited with code 7',NULL,7,NULL,26239,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,550,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x',NULL,NULL,NULL,NULL,NULL,'{"wall_seconds":0.000635,"cpu_seconds":0.000837,"max_rss_bytes":10977280,"stdout_bytes":3,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}','x',NULL);
INSERT INTO "runs" VALUES(3,'@cancelled@','until','85a7e3e12dc14effb51c398eae6f080be2d34272a82aa287ae24c9fe42b22bde','run','cancelled',7,1795960054816744,1795960054829229,0,1795960054816744,1795960054829229,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'72c074941efd6a43',NULL,NULL,1795960054823304,NULL,NULL,'cancelled',NULL,NULL,15,26240,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,554,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'/nowhere',NULL,NULL,NULL,NULL,NULL,'{"wall_seconds":0.004023,"cpu_seconds":0.001864,"max_rss_bytes":10977280,"stdout_bytes":3,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}','/nowhere',NULL);
INSERT INTO "runs" VALUES(4,'@owed@','quick','67b7bfb58d833b26f97e30d6f0650f6ee4af140ec0c9df5febefabcf86b65fca','run','succeeded',9,1795960054865330,1795960054877067,0,1795960054865330,1795960054877067,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'a3e5ede3ac9cdba1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,26243,'@boot@','http://@receiver@/hook','loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,530,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x',NULL,NULL,NULL,NULL,NULL,'{"wall_seconds":0.00054,"cpu_seconds":0.000686,"max_rss_bytes":10514432,"stdout_bytes":0,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}','x',NULL);
INSERT INTO "runs" VALUES(5,'@service@','web','81a2e7c5a74dba3d41decc22ccb77b6d3a627acc1da114f8c5937fc43ff979fb','service','cancelled',12,1795960055034503,1795960055040517,0,1795960055034503,1795960055040517,0,NULL,NULL,50031,0,1.0,1,0,NULL,'5f3b564fa1d58765',NULL,NULL,1795960055038342,NULL,NULL,'cancelled',NULL,NULL,15,26248,'@boot@',NULL,'public',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,534,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'deployments:services:web','ee12be48-44eb-4c42-b746-bff3c5264773','2:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a','',NULL,NULL,NULL,NULL,NULL,'{"wall_seconds":0.000399,"cpu_seconds":0.00105,"max_rss_bytes":10792960,"stdout_bytes":0,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}','',NULL);
INSERT INTO "runs" VALUES(6,'@ended_alone@','until','85a7e3e12dc14effb51c398eae6f080be2d34272a82aa287ae24c9fe42b22bde','run','running',13,1795960055089310,1795960055089310,0,1795960055089310,NULL,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'b2d1626571e3e7d1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL);
INSERT INTO "runs" VALUES(7,'@lost@','until','85a7e3e12dc14effb51c398eae6f080be2d34272a82aa287ae24c9fe42b22bde','run','running',14,1795960055147943,1795960055147943,0,1795960055147943,NULL,0,NULL,3600.0,NULL,0,1.0,1,0,NULL,'c4884e4fb590f13d',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL);
INSERT INTO "runs" VALUES(8,'@queued@','quick','67b7bfb58d833b26f97e30d6f0650f6ee4af140ec0c9df5febefabcf86b65fca','run','queued',15,1795960055201615,1795960055201615,0,NULL,NULL,0,NULL,3600.0,NULL,0,1.0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x',NULL,NULL,NULL,NULL,NULL,NULL,'x',NULL);
CREATE TABLE schedules (
    agent     TEXT    NOT NULL PRIMARY KEY,
    next_at   INTEGER,
    last_tick INTEGER,
    paused    INTEGER NOT NULL DEFAULT 0 CHECK (paused = 0 OR paused = 1)
) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    digest     TEXT    NOT NULL PRIMARY KEY,
    agent      TEXT    NOT NULL,
    number     INTEGER NOT NULL CHECK (number > 0),
    definition TEXT    NOT NULL CHECK (definition GLOB '{*}'),
    seen_at    INTEGER NOT NULL,
    installed_at INTEGER,
    UNIQUE (agent, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "versions" VALUES('0d9f6d2b1020ee0a2fb361a221270c82baee61a25167a26b9a9bcdba63111729','fail',1,'{"name":"fail","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo no; exit 7"],"crew":null,"mode":"run","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795960054777332,NULL);
INSERT INTO "versions" VALUES('1ea2d4ba71a4da10ebfe9f0f7e97f149f1bc49cb1a6c7b3f3bf5c99ed09a7d46','told',1,'{"name":"told","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo said; echo err >&2; echo ''{\"percentage\": 50, \"step\": \"half\"}'' > \"$PRAISONRUN_EVENTS\"; echo ''{\"answer\": 42}'' > \"$PRAISONRUN_RESULT_PATH\"; echo hi > \"$PRAISONRUN_ARTIFACTS/a.txt\""],"crew":null,"mode":"run","prompt":"stdin","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795960054735131,NULL);
INSERT INTO "versions" VALUES('67b7bfb58d833b26f97e30d6f0650f6ee4af140ec0c9df5febefabcf86b65fca','quick',1,'{"name":"quick","file":"@home@/agents.yaml","command":["/bin/true"],"crew":null,"mode":"run","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":false,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795960054865330,NULL);
INSERT INTO "versions" VALUES('81a2e7c5a74dba3d41decc22ccb77b6d3a627acc1da114f8c5937fc43ff979fb','web',1,'{"name":"web","file":"@home@/agents.yaml","command":["/bin/sleep","60"],"crew":null,"mode":"service","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":null,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":0,"readiness":{"type":"timeout","path":"/","timeout_seconds":1.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795960055033423,NULL);
INSERT INTO "versions" VALUES('85a7e3e12dc14effb51c398eae6f080be2d34272a82aa287ae24c9fe42b22bde','until',1,'{"name":"until","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo up; read gate; while ! test -e \"$gate\"; do sleep 0.05; done; echo done"],"crew":null,"mode":"run","prompt":"stdin","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":false,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795960054816744,NULL);
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery);
CREATE INDEX runs_by_status ON runs (mode, status);
CREATE INDEX runs_by_agent ON runs (agent, mode, status);
CREATE INDEX runs_by_session ON runs (session_id, mode, status) WHERE session_id IS NOT NULL;
CREATE INDEX runs_by_owner ON runs (owner, mode, status) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root) WHERE root IS NOT NULL;
CREATE UNIQUE INDEX runs_by_key ON runs (key, key_scope) WHERE key IS NOT NULL;
CREATE INDEX runs_queued ON runs (agent, priority DESC, seq, due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_due ON runs (due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_running ON runs (status) WHERE status = 'running';
CREATE UNIQUE INDEX runs_by_rev ON runs (rev);
CREATE INDEX runs_by_conversation ON runs (conversation, seq) WHERE conversation IS NOT NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX runs_by_port ON runs (port) WHERE port IS NOT NULL AND finished_at IS NULL;
CREATE INDEX runs_by_scratch ON runs (scratch_until) WHERE scratch_until IS NOT NULL;
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
CREATE INDEX deliveries_by_run ON deliveries (run_seq);
CREATE INDEX deliveries_by_state ON deliveries (state);
CREATE INDEX deliveries_owed ON deliveries (receiver, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
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
CREATE INDEX asks_open ON asks (due_at) WHERE state = 'open';
CREATE INDEX run_after_needs ON run_after (needs_id);
COMMIT;
