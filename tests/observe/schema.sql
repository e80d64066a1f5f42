-- Awkward on purpose: quotes, spaces, capitals, unicode, one table name in two schemas, every kind of index.
CREATE EXTENSION pg_stat_statements;
CREATE TABLE city_of_weird (id int PRIMARY KEY);
CREATE SCHEMA "Wéird ""S""";
CREATE TABLE "Wéird ""S"""."T 'q' ü" (
  id bigint PRIMARY KEY, "A b" text NOT NULL, doc json, docb jsonb, place point, numbers int[],
  twice bigint GENERATED ALWAYS AS (id * 2) STORED, short varchar(10));
CREATE INDEX "Ex pr" ON "Wéird ""S"""."T 'q' ü" (lower("A b"), id DESC) WHERE id > 3;
CREATE INDEX "hash" ON "Wéird ""S"""."T 'q' ü" USING hash (short);
CREATE TABLE "Wéird ""S""".sale (sale int REFERENCES city_of_weird);
CREATE TABLE city (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE sale (
  id bigint PRIMARY KEY, city int NOT NULL REFERENCES city, state text, amount numeric(10,2),
  at timestamptz, day date, note varchar(12), EXCLUDE USING gist (int8range(id, id, '[]') WITH &&));
CREATE INDEX sale_cover ON sale (city, at DESC NULLS LAST) INCLUDE (amount);
CREATE UNIQUE INDEX sale_replica ON sale (id, city);
CREATE STATISTICS sale_stats (dependencies, mcv) ON city, state FROM sale;
CREATE TABLE part (k int, day date, PRIMARY KEY (k, day)) PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE MATERIALIZED VIEW summary AS SELECT 1 AS one;
CREATE VIEW city_names AS SELECT name FROM city;
INSERT INTO city SELECT n, 'city ' || n FROM generate_series(1, 50) n;
INSERT INTO sale SELECT n, 1 + n % 50, (ARRAY['new', 'paid', 'paid', 'paid'])[1 + n % 4], n % 1000,
  timestamptz '2024-01-01' + n * interval '7 min', date '2024-01-01' + n % 365, 'n' || n % 40
  FROM generate_series(1, 5000) n;
INSERT INTO part SELECT n, date '2020-01-01' + n % 700 FROM generate_series(1, 2000) n;
CREATE ROLE reader LOGIN;
GRANT SELECT ON sale, city TO reader;
ANALYZE;
