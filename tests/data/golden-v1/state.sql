PRAGMA application_id = 1886547505;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "deliveries" VALUES('msg_01a2015150cb713d98573aaf0500bca3',4,'http://@receiver@/hook','@receiver@','run.succeeded','pending',1,1795318442070210,1795318436043155,NULL);
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
INSERT INTO "delivery_attempts" VALUES(1,'msg_01a2015150cb713d98573aaf0500bca3',1795318436053751,0.102021,NULL,'cannot connect: All connection attempts failed',NULL);
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
INSERT INTO "runs" VALUES(1,'@succeeded@','told','db31f86e9a5771a633c9a3e836539236b2dea2d65cadcb2937dacdf04f917be2','run','succeeded',1795318435928029,1795318435937770,1795318435928029,1795318435928029,1795318435937770,0,NULL,3600.0,NULL,0,1.0,1,'s',NULL,NULL,NULL,NULL,0,NULL,8908,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,632,'[]','{"a":[1]}','{"progress":{"percentage":50.0,"step":"half"},"usage":{}}','{"wall_seconds":0.002052,"cpu_seconds":0.001371,"max_rss_bytes":11239424,"stdout_bytes":5,"stderr_bytes":4,"dropped_bytes":0,"swept_processes":0}','jobs','golden','d72bbcc692cd6ea3bd012fbbe6b5414657615e6d0ffa5e78b80e234acbf60401','x',NULL);
INSERT INTO "runs" VALUES(2,'@failed@','fail','221e1e03abcd8ffa7694709d57294bd047c915ce74a63f640069f48b1603d071','run','failed',1795318435955125,1795318435965061,1795318435955125,1795318435955125,1795318435965061,0,NULL,3600.0,NULL,0,1.0,1,NULL,NULL,NULL,'exit_nonzero','exited with code 7',7,NULL,8911,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,529,'[]',NULL,NULL,'{"wall_seconds":0.000173,"cpu_seconds":0.001017,"max_rss_bytes":11718656,"stdout_bytes":3,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}',NULL,NULL,NULL,'x',NULL);
INSERT INTO "runs" VALUES(3,'@cancelled@','until','0867397a468202c432e562f571a273ab3c9be99bd97ce2b7cd94b96fd0c1c539','run','cancelled',1795318435992584,1795318436002168,1795318435992584,1795318435992584,1795318436002168,0,NULL,3600.0,NULL,0,1.0,1,NULL,1795318436000206,NULL,NULL,'cancelled',NULL,15,8913,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,533,'[]',NULL,NULL,'{"wall_seconds":0.003404,"cpu_seconds":0.002362,"max_rss_bytes":11718656,"stdout_bytes":3,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}',NULL,NULL,NULL,'/nowhere',NULL);
INSERT INTO "runs" VALUES(4,'@owed@','quick','88af2a864e5105e02f83508dbacc770f80bce11f0eb40a451ea5f32e5f8c103e','run','succeeded',1795318436032222,1795318436043155,1795318436032222,1795318436032222,1795318436043155,0,NULL,3600.0,NULL,0,1.0,1,NULL,NULL,NULL,NULL,NULL,0,NULL,8917,'@boot@','http://@receiver@/hook','loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,510,'[]',NULL,NULL,'{"wall_seconds":0.004221,"cpu_seconds":0.000978,"max_rss_bytes":11079680,"stdout_bytes":0,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}',NULL,NULL,NULL,'x',NULL);
INSERT INTO "runs" VALUES(5,'@service@','web','8f710aaa453e4bf4190a38a16d77481bce9c7f7d34c2bcc0bc49e01e757260c1','service','cancelled',1795318436225966,1795318436233658,1795318436225966,1795318436225966,1795318436233658,0,NULL,NULL,51507,0,1.0,1,NULL,1795318436230623,NULL,NULL,'cancelled',NULL,15,8922,'@boot@',NULL,'public',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,514,'[]',NULL,NULL,'{"wall_seconds":0.003362,"cpu_seconds":0.001253,"max_rss_bytes":11522048,"stdout_bytes":0,"stderr_bytes":0,"dropped_bytes":0,"swept_processes":0}','deployments:services:web','bf6dd116-3db8-47ef-ac8e-d28c1e65f2cb','44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a','',NULL);
INSERT INTO "runs" VALUES(6,'@ended_alone@','until','0867397a468202c432e562f571a273ab3c9be99bd97ce2b7cd94b96fd0c1c539','run','running',1795318436298042,1795318436298042,1795318436298042,1795318436298042,NULL,0,NULL,3600.0,NULL,0,1.0,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL);
INSERT INTO "runs" VALUES(7,'@lost@','until','0867397a468202c432e562f571a273ab3c9be99bd97ce2b7cd94b96fd0c1c539','run','running',1795318436346994,1795318436346994,1795318436346994,1795318436346994,NULL,0,NULL,3600.0,NULL,0,1.0,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'@boot@',NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,'@home@/gate',NULL);
INSERT INTO "runs" VALUES(8,'@queued@','quick','88af2a864e5105e02f83508dbacc770f80bce11f0eb40a451ea5f32e5f8c103e','run','queued',1795318436386760,1795318436386760,1795318436386760,NULL,NULL,0,NULL,3600.0,NULL,0,1.0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'loopback',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,'x',NULL);
CREATE TABLE versions (
    digest     TEXT    NOT NULL PRIMARY KEY,
    agent      TEXT    NOT NULL,
    number     INTEGER NOT NULL CHECK (number > 0),
    definition TEXT    NOT NULL CHECK (definition GLOB '{*}'),
    seen_at    INTEGER NOT NULL,
    installed_at INTEGER,
    UNIQUE (agent, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "versions" VALUES('0867397a468202c432e562f571a273ab3c9be99bd97ce2b7cd94b96fd0c1c539','until',1,'{"name":"until","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo up; read gate; while ! test -e \"$gate\"; do sleep 0.05; done; echo done"],"crew":null,"mode":"run","prompt":"stdin","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":false,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795318435992584,NULL);
INSERT INTO "versions" VALUES('221e1e03abcd8ffa7694709d57294bd047c915ce74a63f640069f48b1603d071','fail',1,'{"name":"fail","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo no; exit 7"],"crew":null,"mode":"run","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795318435955125,NULL);
INSERT INTO "versions" VALUES('88af2a864e5105e02f83508dbacc770f80bce11f0eb40a451ea5f32e5f8c103e','quick',1,'{"name":"quick","file":"@home@/agents.yaml","command":["/bin/true"],"crew":null,"mode":"run","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":false,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795318436032222,NULL);
INSERT INTO "versions" VALUES('8f710aaa453e4bf4190a38a16d77481bce9c7f7d34c2bcc0bc49e01e757260c1','web',1,'{"name":"web","file":"@home@/agents.yaml","command":["/bin/sleep","60"],"crew":null,"mode":"service","prompt":"none","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":null,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":0,"readiness":{"type":"timeout","path":"/","timeout_seconds":1.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795318436224858,NULL);
INSERT INTO "versions" VALUES('db31f86e9a5771a633c9a3e836539236b2dea2d65cadcb2937dacdf04f917be2','told',1,'{"name":"told","file":"@home@/agents.yaml","command":["/bin/sh","-c","echo said; echo err >&2; echo ''{\"percentage\": 50, \"step\": \"half\"}'' > \"$PRAISONRUN_EVENTS\"; echo ''{\"answer\": 42}'' > \"$PRAISONRUN_RESULT_PATH\"; echo hi > \"$PRAISONRUN_ARTIFACTS/a.txt\""],"crew":null,"mode":"run","prompt":"stdin","cwd":"@home@","env":[],"env_pass":[],"env_required":[],"timeout":3600.0,"idle_timeout":null,"grace":5.0,"retries":0,"backoff":1.0,"concurrency":null,"priority":0,"format":"text","files":true,"install":[],"outputs":[],"description":"","metadata":{},"port":null,"readiness":{"type":"tcp","path":"/","timeout_seconds":30.0},"public_url":true,"retain":{"on_failure":false,"seconds":3600}}',1795318435928029,NULL);
CREATE INDEX runs_by_status ON runs (mode, status);
CREATE INDEX runs_by_agent ON runs (agent, mode, status);
CREATE INDEX runs_by_session ON runs (session_id, mode, status) WHERE session_id IS NOT NULL;
CREATE INDEX runs_by_owner ON runs (owner, mode, status) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root) WHERE root IS NOT NULL;
CREATE UNIQUE INDEX runs_by_key ON runs (key, key_scope) WHERE key IS NOT NULL;
CREATE INDEX runs_queued ON runs (agent, priority DESC, seq, due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_due ON runs (due_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_running ON runs (status) WHERE status = 'running';
CREATE UNIQUE INDEX runs_by_port ON runs (port) WHERE port IS NOT NULL AND finished_at IS NULL;
CREATE INDEX runs_by_scratch ON runs (scratch_until) WHERE scratch_until IS NOT NULL;
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
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery);
COMMIT;
