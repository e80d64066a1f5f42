"""A source with the things that make a twin hard: odd names, partitions, partial and expression indexes, statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from trimtab.db.connection import Connection
from trimtab.db.sql import split
from trimtab.model.catalog import Snapshot
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.snapshot import read_facts

DATABASE = "shop"

SCHEMA = """
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA archive;
CREATE TYPE mood AS ENUM ('happy', 'sad', 'unsure');
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, region text, born date, referrer int, tone mood);
CREATE TABLE orders (dropped_first int, id bigint PRIMARY KEY, customer_id int NOT NULL REFERENCES customer,
                     dropped_later text, status text NOT NULL, placed timestamptz NOT NULL, total numeric(12, 2),
                     city text, zip int, note text);
CREATE TABLE archive.orders (id bigint PRIMARY KEY, customer_id int, total numeric);
CREATE TABLE "Mixed Case"."Wäre ""1"" Lager" ("Teil Nr" int PRIMARY KEY, "select" text, "größe" float8);
CREATE TABLE event (at timestamptz NOT NULL, kind int NOT NULL, payload jsonb) PARTITION BY RANGE (at);
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE TABLE secret (id int PRIMARY KEY, word text);
CREATE TABLE never_filled (id int PRIMARY KEY, word text);
INSERT INTO customer SELECT n, 'mail' || md5(n::text) || '@example.org',
       CASE WHEN n % 10 < 7 THEN 'north' WHEN n % 10 < 9 THEN 'south' END,
       date '1950-01-01' + n % 20000, CASE WHEN n % 4 = 0 THEN n / 4 END,
       (ARRAY['happy', 'sad', 'unsure'])[1 + n % 3]::mood
  FROM generate_series(1, 20000) n;
INSERT INTO orders SELECT 0, n, 1 + (n * 7919) % 20000, '', CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END,
       timestamptz '2024-01-01 UTC' + n * interval '5 minutes', (n % 100000) / 7.0,
       'city' || n % 300, n % 300 * 10 + n % 2, CASE WHEN n % 3 = 0 THEN repeat('x', n % 40) END
  FROM generate_series(1, 120000) n;
INSERT INTO archive.orders SELECT n, n % 500, n / 3.0 FROM generate_series(1, 30000) n;
INSERT INTO "Mixed Case"."Wäre ""1"" Lager" SELECT n, 'part' || n, n * 1.5 FROM generate_series(1, 15000) n;
INSERT INTO event SELECT timestamptz '2024-01-01 UTC' + n * interval '10 minutes', n % 40, jsonb_build_object('n', n)
  FROM generate_series(1, 110000) n;
INSERT INTO secret SELECT n, 'hush' || n FROM generate_series(1, 3000) n;
ALTER TABLE orders DROP COLUMN dropped_first, DROP COLUMN dropped_later;
CREATE INDEX orders_customer ON orders (customer_id) INCLUDE (total);
CREATE INDEX orders_open ON orders (placed) WHERE status = 'open';
CREATE INDEX orders_place ON orders (city, zip DESC);
CREATE INDEX "Orders Note" ON orders (note) WITH (fillfactor = 70);
CREATE UNIQUE INDEX customer_email ON customer (lower(email));
CREATE INDEX customer_referrer ON customer (referrer);
CREATE INDEX "Größe ""2"" Index" ON "Mixed Case"."Wäre ""1"" Lager" ("größe");
CREATE INDEX event_at ON event (at, kind);
CREATE INDEX archive_customer ON archive.orders (customer_id);
CREATE STATISTICS orders_city_zip (ndistinct, dependencies, mcv) ON city, zip FROM orders;
CREATE STATISTICS customer_tone (mcv) ON region, tone FROM customer;
CREATE MATERIALIZED VIEW spending AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE INDEX spending_total ON spending (total);
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
CREATE FUNCTION cry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER cry BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION cry()
"""

QUERIES = """
SELECT * FROM orders WHERE id = 4711;
SELECT c.email, o.total FROM customer c JOIN orders o ON o.customer_id = c.id
 WHERE c.region = 'south' AND o.total > 900;
SELECT * FROM customer WHERE lower(email) = 'nobody@example.org';
SELECT * FROM open_orders WHERE placed > '2025-01-20';
SELECT count(*) FROM orders WHERE city = 'city17' AND zip = 171;
SELECT customer_id, sum(total) FROM orders WHERE customer_id BETWEEN 100 AND 300 GROUP BY customer_id;
SELECT * FROM event WHERE at >= '2025-03-01' AND at < '2025-03-04' AND kind = 7;
SELECT kind, count(*) FROM event GROUP BY kind ORDER BY 2 DESC LIMIT 5;
SELECT "select", "größe" FROM "Mixed Case"."Wäre ""1"" Lager" WHERE "größe" < 100 ORDER BY "größe";
SELECT o.id FROM archive.orders o JOIN public.orders p USING (id) WHERE o.customer_id = 12 AND p.status = 'open';
SELECT * FROM spending ORDER BY total DESC LIMIT 10;
SELECT c.id FROM customer c WHERE EXISTS
 (SELECT FROM orders o WHERE o.customer_id = c.id AND o.status = 'open') LIMIT 50;
SELECT * FROM customer WHERE referrer IS NULL AND region = 'north' AND tone = 'sad';
SELECT city, zip, count(*) FROM orders GROUP BY city, zip;
SELECT max(placed) FROM orders WHERE note IS NOT NULL;
UPDATE orders SET status = 'done' WHERE placed < '2024-01-05' AND status = 'open';
SELECT * FROM never_filled n JOIN customer c USING (id) WHERE n.word = 'x';
SELECT * FROM orders WHERE customer_id = $1 AND placed > $2;
SELECT * FROM customer WHERE email LIKE 'mail00%' ORDER BY email LIMIT 3
"""


def query(text: str, *parameters: str | None) -> Query:
    [statement] = split(text)
    digest = hashlib.sha256(repr((text, parameters)).encode()).hexdigest()[:10]
    count = statement.parameter_count
    return Query(digest, digest, statement.text, statement.normalized_text, 1.0, QueryKind.READ, count, parameters)


def workload() -> tuple[Query, ...]:
    """The queries; the one with `$n` twice, with values and as a generic plan."""
    bound = query("SELECT * FROM orders WHERE customer_id = $1 AND placed > $2", "17", "2024-06-01")
    return (*(query(s.text) for s in split(QUERIES)), bound)


def snapshot(connection: Connection, queries: Sequence[Query] = ()) -> Snapshot:
    return read_facts(connection, Workload(tuple(queries), "file"))


def silent(_done: int, _total: int, _what: str) -> None:
    """A progress that nobody watches."""
