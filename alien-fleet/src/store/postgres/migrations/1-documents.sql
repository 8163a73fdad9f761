-- The documents of a fleet. Ids are compared byte by byte, as the library compares them. `doc` is json, not jsonb: the
-- text comes back as it was written, and jsonb refuses \u0000. Operators can still query it: `doc->>'name'`.
CREATE TABLE product (
    grp text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc json NOT NULL,
    -- Where the document waits: the number of the queue of its group, and the order in it.
    queue smallint,
    place bigint,
    -- Nobody else is given the document before then.
    taken_until timestamptz,
    PRIMARY KEY (grp, id),
    CHECK ((queue IS NULL) = (place IS NULL))
);
CREATE INDEX ON product (grp, queue, place, id) WHERE queue IS NOT NULL;

CREATE TABLE release (LIKE product INCLUDING ALL);
CREATE TABLE record (LIKE product INCLUDING ALL);
CREATE TABLE deployment (LIKE product INCLUDING ALL);
CREATE TABLE rollout (LIKE product INCLUDING ALL);
CREATE TABLE "row" (LIKE product INCLUDING ALL);
CREATE TABLE health (LIKE product INCLUDING ALL);
CREATE TABLE tail (LIKE product INCLUDING ALL);
CREATE TABLE log (LIKE product INCLUDING ALL);
