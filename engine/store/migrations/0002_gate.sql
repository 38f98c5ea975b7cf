-- The tables behind the gate: accounts, API keys, sessions, plans, signing keys, usage, audit.
--
-- What workers need of them is published into shared memory by the role publish, which must miss no change. Change numbers
-- from a sequence are taken before a commit and may become visible in another order; so rows carry the id of the transaction
-- that last changed them, and the publisher asks for all rows not older than the oldest transaction that was still running
-- when it asked before (pg_snapshot_xmin). Reading a row twice does no harm.

-- Names the database, so that published tables of another one are not taken for ours.
CREATE TABLE installation (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_ms bigint NOT NULL);
INSERT INTO installation (created_ms) VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint);
CREATE UNIQUE INDEX installation_one ON installation ((true));

CREATE FUNCTION mark_gate_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.changed := pg_current_xact_id(); PERFORM pg_notify('gate', ''); RETURN NEW; END $$;

-- Rates are units per second with a burst; quotas are units per UTC day and month, NULL: none. Prices in cents of USD.
CREATE TABLE plan (
    name            text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,14}$'),
    number          integer NOT NULL UNIQUE CHECK (number BETWEEN 0 AND 63),
    rate_per_s      double precision CHECK (rate_per_s > 0),  -- NULL: no limit
    burst           integer NOT NULL CHECK (burst >= 1),
    quota_day       bigint CHECK (quota_day > 0),
    quota_month     bigint CHECK (quota_month > 0),
    streams_max     integer NOT NULL CHECK (streams_max >= 0),
    keys_max        integer NOT NULL CHECK (keys_max >= 0),
    key_age_max_days integer CHECK (key_age_max_days > 0),
    scopes          text[] NOT NULL,
    price_month_cents bigint NOT NULL CHECK (price_month_cents >= 0),
    changed         xid8 NOT NULL
);
CREATE TRIGGER plan_changed BEFORE INSERT OR UPDATE ON plan FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE INDEX plan_change ON plan (changed);
INSERT INTO plan (name, number, rate_per_s, burst, quota_day, quota_month, streams_max, keys_max, key_age_max_days,
                  scopes, price_month_cents) VALUES
    ('guest',        0,    1,   30,    NULL,       NULL,    1,    0, NULL, '{read,stream}', 0),
    ('free',         1,    2,   60,    5000,     100000,    2,    3,  365,
     '{read,stream,account.read,account.write}', 0),
    ('premium',      2,   20,  200,   50000,    1000000,    5,   10,  365,
     '{read,stream,history,account.read,account.write,webhooks}', 2900),
    ('professional', 3,  100, 1000,  500000,   10000000,   20,   50,  365,
     '{read,stream,history,account.read,account.write,webhooks,jobs}', 19900),
    ('enterprise',   4, 1000, 5000,    NULL,       NULL,  500, 1000, NULL,
     '{read,stream,history,account.read,account.write,webhooks,jobs}', 99900),
    ('admin',        5, NULL, 1000,    NULL,       NULL,  500,  100,   90,
     '{read,stream,history,account.read,account.write,webhooks,jobs,admin}', 0);

-- Places in the tables of edge.v1. A row belongs to one key, or to one account for what it asks with tokens. It is given
-- to another owner only when its last one has been gone for two days, by when everything counted has been drained.
CREATE TABLE usage_row (
    row         integer PRIMARY KEY,
    account_id  bigint,
    key_id      bigint,                               -- NULL: the account's tokens
    free_at_ms  bigint                                -- NULL: in use; else wall clock from which it may be given away
);
-- The lowest free one is taken, so that the tables in edge.v1 stay short.
CREATE INDEX usage_row_free ON usage_row (row) WHERE free_at_ms IS NOT NULL;

CREATE TABLE account (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id   text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9a-f]{32}$'),
    number      integer NOT NULL UNIQUE CHECK (number >= 0), -- of its entry in pub and its limit row in edge
    row         integer NOT NULL UNIQUE REFERENCES usage_row,
    email       text NOT NULL UNIQUE,                 -- normalised
    role        text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    plan        text NOT NULL REFERENCES plan DEFAULT 'free',
    state       text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'deleted')),
    tokens_valid_after_s bigint NOT NULL DEFAULT 0,   -- tokens with iat <= this are refused
    blocked_until_s bigint NOT NULL DEFAULT 0,        -- a quota is used up until then; set by the meter
    blocked_period text NOT NULL DEFAULT 'day' CHECK (blocked_period IN ('day', 'month')),
    created_ms  bigint NOT NULL,
    changed     xid8 NOT NULL
);
CREATE TRIGGER account_changed BEFORE INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE INDEX account_change ON account (changed);
CREATE INDEX account_plan ON account (plan);
CREATE INDEX account_blocked ON account (blocked_until_s) WHERE blocked_until_s > 0;

CREATE TABLE api_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id   text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9A-Za-z]{12}$'),
    account_id  bigint NOT NULL REFERENCES account,
    name        text NOT NULL,
    is_test     boolean NOT NULL,
    digest      bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    scopes      text[] NOT NULL,
    networks    text[] NOT NULL DEFAULT '{}',         -- CIDR; empty: from anywhere
    expires_s   bigint,                               -- NULL: never
    state       text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),
    row         integer NOT NULL REFERENCES usage_row,
    replaced_by bigint REFERENCES api_key,            -- rotation: this one ends with its overlap
    created_ms  bigint NOT NULL,
    revoked_ms  bigint,
    last_used_s bigint,                               -- set by the meter; no change for the gate, so outside of its trigger
    changed     xid8 NOT NULL
);
CREATE TRIGGER api_key_inserted BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE TRIGGER api_key_changed BEFORE UPDATE OF scopes, networks, expires_s, state, row ON api_key
    FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE INDEX api_key_change ON api_key (changed);
CREATE INDEX api_key_account ON api_key (account_id);
CREATE INDEX api_key_expiry ON api_key (expires_s) WHERE state = 'active';
CREATE INDEX api_key_replaced ON api_key (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE UNIQUE INDEX api_key_row ON api_key (row) WHERE state = 'active';

-- A session is what a person ends: every token belongs to one. token_until_s: expiry of the last token issued in it.
CREATE TABLE session (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id   text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9a-f]{32}$'),
    account_id  bigint NOT NULL REFERENCES account,
    created_ms  bigint NOT NULL,
    token_until_s bigint NOT NULL,
    revoked_ms  bigint,
    changed     xid8 NOT NULL
);
CREATE TRIGGER session_changed BEFORE INSERT OR UPDATE ON session FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE INDEX session_change ON session (changed) WHERE revoked_ms IS NOT NULL;
CREATE INDEX session_account ON session (account_id);

-- Keys that sign our tokens. The private half is sealed with the installation's secret, which is not in the database.
-- 'next': published, not yet used; 'active': signs (one); 'retired': verifies until its last token has expired.
CREATE TABLE signing_key (
    kid         text PRIMARY KEY,                     -- RFC 7638 thumbprint
    algorithm   text NOT NULL,
    public_jwk  jsonb NOT NULL,
    private_sealed bytea NOT NULL,
    state       text NOT NULL CHECK (state IN ('next', 'active', 'retired', 'removed')),
    created_ms  bigint NOT NULL,
    retired_ms  bigint,
    changed     xid8 NOT NULL
);
CREATE TRIGGER signing_key_changed BEFORE INSERT OR UPDATE ON signing_key
    FOR EACH ROW EXECUTE FUNCTION mark_gate_change();
CREATE UNIQUE INDEX signing_key_active ON signing_key (state) WHERE state = 'active';

-- Usage by key, UTC day and class, as drained from edge.v1; key_id 0: with tokens. Grows in place.
CREATE TABLE usage (
    account_id  bigint NOT NULL,
    key_id      bigint NOT NULL,
    day         integer NOT NULL,                     -- since 1970-01-01
    class       text NOT NULL CHECK (class IN ('forecast', 'market', 'stream', 'control')),
    billed      bigint NOT NULL DEFAULT 0,            -- answers sent whole
    units       bigint NOT NULL DEFAULT 0,            -- what they cost
    PRIMARY KEY (account_id, day, key_id, class)
);
-- What is counted without a class.
CREATE TABLE usage_other (
    account_id    bigint NOT NULL,
    key_id        bigint NOT NULL,
    day           integer NOT NULL,
    not_modified  bigint NOT NULL DEFAULT 0,
    client_errors bigint NOT NULL DEFAULT 0,
    server_errors bigint NOT NULL DEFAULT 0,
    limited       bigint NOT NULL DEFAULT 0,
    bytes         bigint NOT NULL DEFAULT 0,
    latency_us    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day, key_id)
);
-- The same for principals of third-party issuers: issuer, a blank, subject; what is not printable ASCII, and %, as %XX.
CREATE TABLE usage_principal (
    principal   text NOT NULL,
    day         integer NOT NULL,
    class       text NOT NULL,
    billed      bigint NOT NULL DEFAULT 0,
    units       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (principal, day, class)
);

-- Units by account and period, for quotas. number: of the UTC day or month since 1970-01.
CREATE TABLE usage_total (
    account_id  bigint NOT NULL,
    period      text NOT NULL CHECK (period IN ('day', 'month')),
    number      integer NOT NULL,
    units       bigint NOT NULL,
    PRIMARY KEY (account_id, period, number)
);

-- The files of counters that meters drain, and of each what has been taken. drain is a fencing number: raised, and compared
-- with what the meter believes, in each transaction that writes usage.
CREATE TABLE meter_file (
    instance    text PRIMARY KEY,                     -- hex, of the edge file
    drain       bigint NOT NULL DEFAULT 0,
    drained_ms  bigint NOT NULL                       -- wall clock of the last transaction
);
-- Counters as they stood when usage was last written, modulo 2^64. No row: all are 0.
CREATE TABLE meter_cursor (
    instance    text NOT NULL REFERENCES meter_file ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('row', 'pool')),
    row         integer NOT NULL,
    bank        integer NOT NULL CHECK (bank IN (0, 1)),
    updated_ms  bigint NOT NULL,
    billed_forecast bigint NOT NULL,
    billed_market   bigint NOT NULL,
    billed_stream   bigint NOT NULL,
    billed_control  bigint NOT NULL,
    units_forecast  bigint NOT NULL,
    units_market    bigint NOT NULL,
    units_stream    bigint NOT NULL,
    units_control   bigint NOT NULL,
    not_modified    bigint NOT NULL,
    client_errors   bigint NOT NULL,
    server_errors   bigint NOT NULL,
    limited         bigint NOT NULL,
    bytes           bigint NOT NULL,
    latency_us      bigint NOT NULL,
    PRIMARY KEY (instance, kind, row, bank)
);

-- Who did what. Append-only; actor and object are public ids, never addresses.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms       bigint NOT NULL,
    actor       text NOT NULL,                        -- 'operator:<account of the machine>', 'account:<id>', 'role:<name>'
    action      text NOT NULL,                        -- 'key.revoke'
    object      text NOT NULL,                        -- 'key:<public id>'
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_object ON audit (object, id);
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
