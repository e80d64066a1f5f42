"""Decides what else went on in the demo's shop: events, reviews, movements of stock, support tickets. Events are
append-only, in the order of time; it never makes one that refers to a row that does not exist.
"""

from __future__ import annotations

import numpy as np

from trimtab.demo import names
from trimtab.demo.catalogue import DAY, OPENED, PRESENT, WAREHOUSES, Catalogue, ids, scaled, shares
from trimtab.demo.columns import TableRows, booleans, days, moments, nulled, numbers, words
from trimtab.demo.draws import Draws
from trimtab.demo.sales import Sales

EVENTS = 380_000
EVENTS_PER_SESSION = 4
REVIEWS = 100_000
STOCK_MOVEMENTS = 160_000
SUPPORT_TICKETS = 40_000


def events(seed: int, scale: float, catalogue: Catalogue) -> TableRows:
    """Return the last ninety days of events; most come from visitors who have not signed in."""
    draws = Draws(seed, "events")
    count = scaled(EVENTS, scale)
    kind_words, kind_shares = shares(names.EVENT_KINDS)
    kind = draws.weighted(count, kind_shares)
    session = Draws(seed, "sessions").hexadecimal(1 + count // EVENTS_PER_SESSION)
    nearby = np.arange(count, dtype=np.int64) // EVENTS_PER_SESSION + draws.integers(count, -40, 40)
    payloads = [
        f'{{"path": "/{page}/{number}", "device": "{device}", "took_ms": {7 * number}}}'
        for page in ("p", "c", "s")
        for device in ("phone", "desktop", "tablet")
        for number in range(1, 60)
    ]
    columns = {
        "id": numbers(ids(count)),
        "occurred_at": moments(np.sort(draws.integers(count, PRESENT - 90 * DAY, PRESENT))),
        "kind": words(kind_words, kind),
        "session_id": words(session, np.clip(nearby, 0, len(session) - 1)),
        "customer_id": nulled(numbers(1 + draws.zipf(count, catalogue.customer_count, 0.65)), draws.chance(count, 0.6)),
        "product_id": nulled(numbers(1 + draws.zipf(count, catalogue.product_count, 0.8)), (kind == 1) | (kind == 4)),
        "payload": words(payloads, draws.zipf(count, len(payloads), 0.5)),
    }
    return TableRows("events", columns)


def reviews(seed: int, scale: float, sold: Sales) -> TableRows:
    """Return reviews of products by customers who bought them."""
    draws = Draws(seed, "reviews")
    count = scaled(REVIEWS, scale)
    line = np.sort(draws.integers(count, 0, len(sold.line_order)))
    order = sold.line_order[line]
    created = np.minimum(sold.ordered_at[order] + draws.integers(count, 3 * DAY, 30 * DAY), PRESENT - 1)
    phrases = names.REVIEW_PHRASES
    bodies = [f"It {one}; {two}; {three}." for one in phrases for two in phrases for three in phrases]
    columns = {
        "id": numbers(ids(count)),
        "product_id": numbers(sold.line_product[line] + 1),
        "customer_id": numbers(sold.customer[order] + 1),
        "rating": numbers(1 + draws.weighted(count, (0.05, 0.05, 0.12, 0.33, 0.45))),
        "created_at": moments(created),
        "title": words([f"{phrase}!" for phrase in phrases], draws.integers(count, 0, len(phrases))),
        "body": nulled(words(bodies, draws.integers(count, 0, len(bodies))), draws.chance(count, 0.33)),
        "is_deleted": booleans(draws.chance(count, 0.04)),
    }
    return TableRows("reviews", columns)


def stock_movements(seed: int, scale: float, catalogue: Catalogue) -> TableRows:
    """Return the movements of stock; those of the last month have not been counted yet."""
    draws = Draws(seed, "stock_movements")
    count = scaled(STOCK_MOVEMENTS, scale)
    moved = np.sort(draws.integers(count, PRESENT - 400 * DAY, PRESENT))
    reason_words, reason_shares = shares(names.MOVEMENT_REASONS)
    counted = days(moved + draws.integers(count, 1, 30) * DAY)
    columns = {
        "id": numbers(ids(count)),
        "product_id": numbers(1 + draws.zipf(count, catalogue.product_count, 0.8)),
        "warehouse_id": numbers(1 + draws.zipf(count, WAREHOUSES, 0.3)),
        "quantity": numbers(draws.integers(count, -20, 60)),
        "reason": words(reason_words, draws.weighted(count, reason_shares)),
        "tracking_code": draws.hexadecimal(count),
        "moved_at": moments(moved),
        "counted_on": nulled(counted, moved > PRESENT - 30 * DAY),
    }
    return TableRows("stock_movements", columns)


def support_tickets(seed: int, scale: float, sold: Sales) -> TableRows:
    """Return support tickets; those about an order are opened within weeks of it."""
    draws = Draws(seed, "support_tickets")
    count = scaled(SUPPORT_TICKETS, scale)
    order = draws.integers(count, 0, sold.order_count)
    opened = np.clip(sold.ordered_at[order] + draws.integers(count, 0, 20 * DAY), OPENED, PRESENT - 1)
    is_open = (PRESENT - opened < 15 * DAY) & draws.chance(count, 0.7)
    topic_words, topic_shares = shares(names.TICKET_TOPICS)
    columns = {
        "id": numbers(ids(count)),
        "customer_id": numbers(sold.customer[order] + 1),
        "order_id": nulled(numbers(order + 1), draws.chance(count, 0.3)),
        "topic": words(topic_words, draws.weighted(count, topic_shares)),
        "state": words(("closed", "open"), is_open.astype(np.int64)),
        "priority": numbers(1 + draws.weighted(count, (0.05, 0.25, 0.70))),
        "opened_at": moments(opened),
        "closed_at": nulled(moments(opened + draws.integers(count, 600, 9 * DAY)), is_open),
        "is_deleted": booleans(draws.chance(count, 0.01)),
    }
    return TableRows("support_tickets", columns)
