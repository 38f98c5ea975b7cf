-- The tables behind the path candle -> forecast -> score -> document.
-- Times are bigint unix milliseconds UTC. *_at in market time unless the column says wall. Prices are double precision
-- USD (or the quote named beside them).

-- A feed is a world with its own market clock: 'live', 'replay:<n>', 'simulate:<seed>', 'sandbox'.
-- market time = market0_ms + (wall - wall0_ms) * speed while running; = market0_ms while paused.
CREATE TABLE feed (
    feed         text PRIMARY KEY,
    symbol       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('running', 'paused', 'ended')),
    market0_ms   bigint NOT NULL,
    wall0_ms     bigint NOT NULL,
    speed        double precision NOT NULL CHECK (speed > 0),
    is_active    boolean NOT NULL DEFAULT false,      -- the feed that is being served
    degraded     boolean NOT NULL DEFAULT false,      -- bodies say so
    provider     text NOT NULL,
    begin_ms     bigint,                              -- replay, simulate: first market instant played as live
    end_ms       bigint,                              -- replay: last instant of the history
    origin       text NOT NULL DEFAULT '',            -- what it was made from; a start with another origin makes a new feed
    note         text NOT NULL DEFAULT ''             -- one sentence for people: where its candles come from, and why
);
CREATE UNIQUE INDEX feed_one_active ON feed (symbol) WHERE is_active;

-- Rows as importers and providers delivered them. For a replay this is also the future, which only the provider
-- replay may read: features, models and documents never touch this table.
CREATE TABLE archive_candle (
    symbol      text NOT NULL,
    source      text NOT NULL,
    quote       text NOT NULL,
    interval_s  integer NOT NULL,
    open_time   bigint NOT NULL,
    open        double precision NOT NULL,
    high        double precision NOT NULL,
    low         double precision NOT NULL,
    close       double precision NOT NULL,
    volume      double precision NOT NULL,
    PRIMARY KEY (symbol, interval_s, source, quote, open_time)
);

-- What is known in a feed: closed candles only, one row per instant, with where it came from.
CREATE SEQUENCE change_seq;
CREATE TABLE candle (
    feed         text NOT NULL REFERENCES feed,
    interval_s   integer NOT NULL,
    open_time    bigint NOT NULL,
    open         double precision NOT NULL,
    high         double precision NOT NULL,
    low          double precision NOT NULL,
    close        double precision NOT NULL,
    volume       double precision NOT NULL,
    quote        text NOT NULL,
    source       text NOT NULL,                       -- provider, or 'consensus'
    source_count integer NOT NULL DEFAULT 1,
    spread       double precision NOT NULL DEFAULT 0, -- (max - min) / median of the sources' closes
    revision     integer NOT NULL DEFAULT 1,
    is_filled    boolean NOT NULL DEFAULT false,      -- no trade or no data: repeats the last close
    known_wall_ms bigint NOT NULL,
    change       bigint NOT NULL DEFAULT nextval('change_seq'),
    PRIMARY KEY (feed, interval_s, open_time)
);
CREATE INDEX candle_change ON candle (change);

-- Earlier states of candles that were revised; never changed.
CREATE TABLE candle_revision (
    feed text NOT NULL, interval_s integer NOT NULL, open_time bigint NOT NULL, revision integer NOT NULL,
    open double precision NOT NULL, high double precision NOT NULL, low double precision NOT NULL,
    close double precision NOT NULL, volume double precision NOT NULL,
    source text NOT NULL, replaced_wall_ms bigint NOT NULL,
    PRIMARY KEY (feed, interval_s, open_time, revision)
);

-- State of each provider as its role sees it, for /v1/status and /v1/data-quality.
CREATE TABLE provider_state (
    feed text NOT NULL REFERENCES feed, provider text NOT NULL,
    state text NOT NULL,                              -- 'ok', 'failing', 'open', 'unused'
    last_ok_wall_ms bigint, last_error_wall_ms bigint, last_error text,
    fetched bigint NOT NULL DEFAULT 0, refused bigint NOT NULL DEFAULT 0, failures bigint NOT NULL DEFAULT 0,
    last_price double precision, last_price_market_ms bigint,
    change bigint NOT NULL DEFAULT nextval('change_seq'),
    PRIMARY KEY (feed, provider)
);

-- Jobs: committed before they are promised. lane fast | heavy | io.
CREATE TABLE job (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    lane         text NOT NULL CHECK (lane IN ('fast', 'heavy', 'io')),
    unique_key   text,                                -- a second job with the key of an unfinished or done one is refused
    priority     integer NOT NULL DEFAULT 0,
    payload      jsonb NOT NULL DEFAULT '{}',
    state        text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead', 'cancelled')),
    attempts     integer NOT NULL DEFAULT 0,
    attempts_max integer NOT NULL DEFAULT 5,
    run_at_ms    bigint NOT NULL DEFAULT 0,           -- wall
    lease_until_ms bigint,                            -- wall
    fence        bigint NOT NULL DEFAULT 0,           -- +1 at each claim; checked in the transaction that writes
    worker       text,
    progress     double precision,
    last_error   text,
    created_ms   bigint NOT NULL,
    finished_ms  bigint
);
CREATE UNIQUE INDEX job_unique_key ON job (kind, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_claim ON job (lane, priority DESC, run_at_ms, id) WHERE state = 'queued';
CREATE INDEX job_lease ON job (lease_until_ms) WHERE state = 'running';

-- One row per issue: all horizons and models made at one origin.
CREATE TABLE batch (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed          text NOT NULL REFERENCES feed,
    issued_at     bigint NOT NULL,
    data_as_of    bigint NOT NULL,
    origin_price  double precision NOT NULL,
    release       text NOT NULL,
    degraded      boolean NOT NULL,
    sources       jsonb NOT NULL,
    data_hash     text NOT NULL,                      -- of the closes used
    created_wall_ms bigint NOT NULL,
    change        bigint NOT NULL DEFAULT nextval('change_seq'),
    UNIQUE (feed, issued_at)
);
CREATE INDEX batch_change ON batch (change);

-- Immutable after insert (trigger below). served: what /v1/forecasts shows for that horizon.
CREATE TABLE forecast (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id     bigint NOT NULL REFERENCES batch,
    feed         text NOT NULL,
    model        text NOT NULL,
    model_version text NOT NULL,
    horizon_s    integer NOT NULL,
    issued_at    bigint NOT NULL,
    target_at    bigint NOT NULL,
    origin_price double precision NOT NULL,
    quantiles    double precision[] NOT NULL,         -- 25 prices
    mean         double precision NOT NULL,
    prob_up      double precision NOT NULL,
    volatility   double precision NOT NULL,           -- annualised, of the curve
    served       boolean NOT NULL,
    method       text NOT NULL CHECK (method IN ('ensemble', 'baseline', 'model')),
    weights      jsonb NOT NULL DEFAULT '{}',
    trained_at   bigint NOT NULL,
    public_id    text NOT NULL UNIQUE,
    UNIQUE (batch_id, model, horizon_s)
);
CREATE INDEX forecast_due ON forecast (feed, target_at);

-- One row per forecast whose truth has arrived, and (walk_forward) labelled ones from before the first issue.
CREATE TABLE score (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    forecast_id  bigint UNIQUE REFERENCES forecast,   -- null for walk-forward scores
    feed         text NOT NULL,
    model        text NOT NULL,
    served       boolean NOT NULL,
    horizon_s    integer NOT NULL,
    issued_at    bigint NOT NULL,
    target_at    bigint NOT NULL,
    origin_price double precision NOT NULL,
    actual       double precision NOT NULL,
    crps         double precision NOT NULL,           -- percent of the origin price, as score.py defines it
    crps_baseline double precision NOT NULL,          -- of the Gaussian random walk at the same origin
    covered      integer NOT NULL,                    -- bit 0: in the central 50%, 1: 80%, 2: 90%, 3: 95%
    pit          double precision NOT NULL,
    median_error double precision NOT NULL,           -- percent of the origin price
    origin       text NOT NULL CHECK (origin IN ('live', 'walk_forward')),
    release      text NOT NULL,
    scored_wall_ms bigint NOT NULL,
    change       bigint NOT NULL DEFAULT nextval('change_seq'),
    UNIQUE (feed, model, horizon_s, issued_at, origin)
);
CREATE INDEX score_window ON score (feed, horizon_s, model, target_at);
CREATE INDEX score_change ON score (change);
CREATE INDEX score_due ON score (feed, origin, target_at); -- where scoring goes on from

-- What the score job has worked out from the rows of score over the scoring window: /v1/accuracy shows it, and the
-- choice between ensemble and baseline rests on it. Replaced in place.
CREATE TABLE accuracy (
    feed          text NOT NULL REFERENCES feed,
    model         text NOT NULL,
    horizon_s     integer NOT NULL,
    origin        text NOT NULL CHECK (origin IN ('live', 'walk_forward', 'all')),
    window_s      bigint NOT NULL,
    n             bigint NOT NULL,
    n_effective   double precision NOT NULL,          -- n freed from the overlap of targets
    first_issued_at bigint NOT NULL,
    last_target_at bigint NOT NULL,
    crps          double precision NOT NULL,          -- means, percent of the origin price
    crps_baseline double precision NOT NULL,
    skill         double precision NOT NULL,          -- 1 - crps / crps_baseline
    skill_low     double precision NOT NULL,          -- 95 % interval
    skill_high    double precision NOT NULL,
    dm_p          double precision NOT NULL,          -- Diebold-Mariano against the baseline, two-sided
    coverage      double precision[] NOT NULL,        -- share that fell into the central 50, 80, 90, 95 %,
    coverage_low  double precision[] NOT NULL,        -- and its 95 % binomial interval
    coverage_high double precision[] NOT NULL,
    pit           double precision[] NOT NULL,        -- counts in ten equal bins
    median_error  double precision NOT NULL,          -- mean absolute error of the median, percent of the origin price
    mase          double precision NOT NULL,          -- the same over the mean absolute move
    updated_wall_ms bigint NOT NULL,
    change        bigint NOT NULL DEFAULT nextval('change_seq'),
    PRIMARY KEY (feed, model, horizon_s, origin)
);

-- One entry per batch, chained through the one locked head row of the feed.
CREATE TABLE ledger_entry (
    feed       text NOT NULL REFERENCES feed,
    seq        bigint NOT NULL,
    batch_id   bigint NOT NULL UNIQUE REFERENCES batch,
    root       text NOT NULL,                         -- Merkle root over the batch's served forecasts, hex
    previous   text NOT NULL,
    hash       text NOT NULL,
    created_wall_ms bigint NOT NULL,
    PRIMARY KEY (feed, seq)
);
CREATE TABLE ledger_head (feed text PRIMARY KEY REFERENCES feed, seq bigint NOT NULL, hash text NOT NULL);

-- Leases for work that only one process may do; fence grows at every change of hands.
CREATE TABLE lease (
    name text PRIMARY KEY, holder text NOT NULL, fence bigint NOT NULL, until_wall_ms bigint NOT NULL
);

-- Progress that `btcf up` and /v1/status show: one row per component, replaced in place.
CREATE TABLE component (
    name text PRIMARY KEY, state text NOT NULL, detail text NOT NULL DEFAULT '',
    done bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0,
    updated_wall_ms bigint NOT NULL, change bigint NOT NULL DEFAULT nextval('change_seq')
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER forecast_immutable BEFORE UPDATE OR DELETE ON forecast FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_immutable BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER candle_revision_immutable BEFORE UPDATE OR DELETE ON candle_revision FOR EACH ROW EXECUTE FUNCTION refuse_change();
