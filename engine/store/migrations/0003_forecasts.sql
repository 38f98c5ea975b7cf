-- What stands behind a forecast besides candles: fitted states, calibration, and who is served on what evidence.
-- Times are unix milliseconds UTC, market time unless the name says wall.

-- The registry: what a model had learned, as of when, from which data. A refusal is a row too, without content: the
-- model could not be fitted at that instant, and is not asked again for it. Never changed; small enough to be kept.
CREATE TABLE model_version (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed          text NOT NULL REFERENCES feed,
    model         text NOT NULL,
    step_s        integer NOT NULL,                    -- what it works on: hours, or 24-hour bars that end at the origin
    fitted_ms     bigint NOT NULL,                     -- the refit instant: nothing later was seen
    release       text NOT NULL,
    state_version integer NOT NULL,
    cause         text NOT NULL CHECK (cause IN ('schedule', 'drift')),
    refusal       text,                                -- why there is no content
    parameters    jsonb NOT NULL DEFAULT '{}',
    trained_from  bigint,                              -- first close used
    points        bigint NOT NULL DEFAULT 0,
    data_hash     text NOT NULL DEFAULT '',            -- FNV-1a over the closes used, hex
    fit_ms        double precision NOT NULL,           -- how long it took
    content       bytea,                               -- the state, for processes of the same release
    created_wall_ms bigint NOT NULL,
    change        bigint NOT NULL DEFAULT nextval('change_seq'),
    CHECK ((content IS NULL) <> (refusal IS NULL)),
    UNIQUE (feed, release, model, step_s, fitted_ms)
);
CREATE INDEX model_version_change ON model_version (change);
CREATE TRIGGER model_version_immutable BEFORE UPDATE OR DELETE ON model_version FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What is learned online from scores, one block of bytes per horizon and kind. Replaced in the transaction that stores
-- the scores it was learned from, so that each score counts exactly once.
CREATE TABLE calibration (
    feed       text NOT NULL REFERENCES feed,
    horizon_s  integer NOT NULL,
    kind       text NOT NULL,
    release    text NOT NULL,
    as_of      bigint NOT NULL,                        -- target of the newest score in it
    updates    bigint NOT NULL,
    content    bytea NOT NULL,
    summary    jsonb NOT NULL DEFAULT '{}',            -- the same for people
    updated_wall_ms bigint NOT NULL,
    change     bigint NOT NULL DEFAULT nextval('change_seq'),
    PRIMARY KEY (feed, horizon_s, kind)
);

-- Decisions, and the evidence that each rests on; a row for each change of mind, never changed.
--   champion    model is served at the horizon from now on instead of previous
--   quarantine  model is 'quarantined' at the horizon, or 'ok' again
--   drift       the scores at the horizon drifted: training out of turn was asked for
CREATE TABLE verdict (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed        text NOT NULL REFERENCES feed,
    kind        text NOT NULL CHECK (kind IN ('champion', 'quarantine', 'drift')),
    horizon_s   integer NOT NULL,
    model       text NOT NULL,
    state       text NOT NULL,
    previous    text NOT NULL DEFAULT '',
    reason      text NOT NULL,
    p           double precision,
    n           bigint NOT NULL,
    n_effective double precision NOT NULL,
    release     text NOT NULL,
    decided_at  bigint NOT NULL,                       -- close of the newest candle that was known
    created_wall_ms bigint NOT NULL,
    change      bigint NOT NULL DEFAULT nextval('change_seq')
);
CREATE INDEX verdict_newest ON verdict (feed, kind, horizon_s, model, id);
CREATE INDEX verdict_change ON verdict (change);
CREATE TRIGGER verdict_immutable BEFORE UPDATE OR DELETE ON verdict FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The calibration that was applied to a curve before it was stored.
ALTER TABLE forecast ADD COLUMN calibration jsonb NOT NULL DEFAULT '{}';

-- Of each score also how wide the 90 % interval was, its interval score, and the pinball loss at the 13 scored levels.
ALTER TABLE score
    ADD COLUMN width_90 double precision NOT NULL DEFAULT 0,
    ADD COLUMN width_90_baseline double precision NOT NULL DEFAULT 0,
    ADD COLUMN pinball real[] NOT NULL DEFAULT '{}';

-- The scoreboard has a line per window. It is derived from the scores, and is made anew.
DELETE FROM accuracy;
ALTER TABLE accuracy
    DROP CONSTRAINT accuracy_pkey,
    ADD PRIMARY KEY (feed, model, horizon_s, origin, window_s),
    ADD COLUMN pinball double precision[] NOT NULL DEFAULT '{}',   -- means at the 13 scored levels
    ADD COLUMN width_90 double precision NOT NULL DEFAULT 0,
    ADD COLUMN width_90_baseline double precision NOT NULL DEFAULT 0,
    ADD COLUMN pit_ks_p double precision NOT NULL DEFAULT 1,
    ADD COLUMN direction double precision,                         -- share of right signs; null: medians have none
    ADD COLUMN direction_low double precision,
    ADD COLUMN direction_high double precision;
