"""Decides which calls the demo's application makes, and makes them: the statements of workload.sql, with parameters
drawn from the shop's own rows, by the extended protocol. It never measures, and never chooses a value by the clock.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

from trimtab.demo.data import UNCOUNTED

KEYS_PER_ENTITY = 400
DEFAULT_SHARE = 0.25

Key = Mapping[str, str]
CallsProgress = Callable[[int, int], None]

_NOTE = re.compile(r"-- (name|weight|traffic): (.+)")
_VARIABLE = re.compile(r"(\w+)\.(\w+) = ('[^']*'|\d+)")
_LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w.])\d+(?![\w.])")

# What each entity of a `-- traffic:` line is drawn from: the table whose ids are drawn, and what the drawn ids give.
# Customers and products come by way of orders, so that good customers and sold products are drawn more often.
_SOURCES: dict[str, tuple[LiteralString, LiteralString]] = {
    "customer": (
        "orders",
        "SELECT c.id, c.email, c.city, c.segment FROM orders o JOIN customers c ON c.id = o.customer_id"
        " WHERE o.id = ANY($1) ORDER BY o.id",
    ),
    "product": (
        "orders",
        "SELECT p.id, p.sku, p.brand, p.category FROM order_items i JOIN products p ON p.id = i.product_id"
        " WHERE i.order_id = ANY($1) ORDER BY i.order_id, i.line_no",
    ),
    "order": (
        "orders",
        "SELECT id, customer_id, storefront, country, currency, tax_zone FROM orders WHERE id = ANY($1) ORDER BY id",
    ),
    "shipment": (
        "shipments",
        "SELECT tracking_number, order_id FROM shipments WHERE id = ANY($1) ORDER BY id",
    ),
    "payment": ("payments", "SELECT provider_reference FROM payments WHERE id = ANY($1) ORDER BY id"),
    "movement": (
        "stock_movements",
        "SELECT tracking_code, warehouse_id FROM stock_movements WHERE id = ANY($1) ORDER BY id",
    ),
    "ticket": ("support_tickets", "SELECT id, customer_id FROM support_tickets WHERE id = ANY($1) ORDER BY id"),
    "review": ("reviews", "SELECT id FROM reviews WHERE id = ANY($1) ORDER BY id"),
    "session": ("events", "SELECT session_id FROM events WHERE id = ANY($1) ORDER BY id"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One statement of the traffic: its text with `$n`, and the entity and column that each `$n` is drawn from."""

    name: str
    weight: float
    text: str
    variables: tuple[tuple[str, str], ...]


def run_workload(dsn: str, *, share: float = DEFAULT_SHARE, seed: int = 42, progress: CallsProgress) -> int:
    """Play the shop's traffic and return the number of calls; what it writes is committed.

    Every template is called at least once, and otherwise `share` of its weight, in an order and with parameters that
    follow from `seed` and the rows. `progress` is called with the calls made and the calls planned.
    """
    import psycopg

    rng = random.Random(seed)  # noqa: S311  # Repeatable traffic, no secrets.
    by_name = {template.name: template for template in templates()}
    calls = planned_calls(by_name.values(), share)
    order = [name for name, count in calls.items() for _ in range(count)]
    rng.shuffle(order)
    keys = _keys(dsn, rng)
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor, prepare_threshold=None) as connection:
        for done, name in enumerate(order, 1):
            template = by_name[name]
            connection.execute(template.text.encode(), draw_parameters(template, keys, rng))
            progress(done, len(order))
    return len(order)


def templates() -> tuple[Template, ...]:
    """Return the statements of workload.sql, in the order of the file, as the application sends them."""
    text = resources.files("trimtab.demo").joinpath("workload.sql").read_text(encoding="utf-8")
    return tuple(_read_templates(text))


def planned_calls(known: Iterable[Template], share: float) -> dict[str, int]:
    """Return the calls of each template: `share` of its weight, at least one."""
    return {template.name: max(1, round(template.weight * share)) for template in known}


def draw_parameters(template: Template, keys: Mapping[str, Sequence[Key]], rng: random.Random) -> list[str]:
    """Return a value for each `$n`, in its text form. The columns of one entity come from one row: they correlate."""
    drawn: dict[str, Key] = {"fresh": {"code": f"{rng.getrandbits(64):016x}"}}
    for entity, _ in template.variables:
        if entity not in drawn:
            drawn[entity] = rng.choice(keys[entity])
    return [drawn[entity][column] for entity, column in template.variables]


def _read_templates(text: str) -> Iterator[Template]:
    notes: dict[str, str] = {}
    lines: list[str] = []
    for line in text.splitlines():
        note = _NOTE.match(line)
        if note is not None:
            notes[note[1]] = note[2]
        elif line.strip() and not line.startswith("--"):
            lines.append(line)
            if line.endswith(";"):
                yield _template(notes, "\n".join(lines).removesuffix(";"))
                notes, lines = {}, []


def _template(notes: Mapping[str, str], statement: str) -> Template:
    """Put `$n` in the place of the literals that the `-- traffic:` line names, wherever they stand as a whole."""
    variables = _VARIABLE.findall(notes.get("traffic", ""))
    places = {literal: f"${number}" for number, (_, _, literal) in enumerate(variables, 1)}
    return Template(
        name=notes["name"],
        weight=float(notes["weight"]),
        text=_LITERAL.sub(lambda found: places.get(found[0], found[0]), statement),
        variables=tuple((entity, column) for entity, column, _ in variables),
    )


def _keys(dsn: str, rng: random.Random) -> dict[str, list[Key]]:
    """Return real keys per entity, by the primary keys of the rows that `rng` picks.

    The application would know these keys: looking them up is no part of its traffic, so nothing counts it.
    """
    import psycopg
    from psycopg import sql

    keys: dict[str, list[Key]] = {}
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor, options=UNCOUNTED) as connection:
        for entity, (table, query) in _SOURCES.items():
            highest = connection.execute(sql.SQL("SELECT max(id) FROM {}").format(sql.Identifier(table))).fetchone()
            assert highest is not None
            picked = [rng.randint(1, highest[0]) for _ in range(KEYS_PER_ENTITY)]
            cursor = connection.execute(query, [picked])
            columns = [column.name for column in cursor.description or ()]
            keys[entity] = [dict(zip(columns, map(str, row), strict=True)) for row in cursor]
    return keys
