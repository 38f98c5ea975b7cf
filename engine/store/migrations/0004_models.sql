-- What /v1/models says of models besides their states: what each is, and why one did not answer.

-- The models of the release that trained last; replaced in place.
CREATE TABLE model (
    name     text PRIMARY KEY,
    ordinal  integer NOT NULL,                         -- in which tables list them
    summary  text NOT NULL,
    learns   boolean NOT NULL,
    refit_s  bigint NOT NULL,                          -- distance of refit instants; 0: learns nothing
    release  text NOT NULL,
    change   bigint NOT NULL DEFAULT nextval('change_seq')
);

-- [{"model", "horizon_s", "reason"}]: who could not answer in this batch.
ALTER TABLE batch ADD COLUMN refusals jsonb NOT NULL DEFAULT '[]';
