"""Decides what the demo's customers bought: orders, their lines, payments and shipments, where the status of an order
follows from its age. It never makes a row that contradicts its order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trimtab.demo import names
from trimtab.demo.catalogue import COUPONS, DAY, OPENED, PRESENT, WAREHOUSES, Catalogue, ids, scaled, shares
from trimtab.demo.columns import Mask, TableRows, booleans, moments, nulled, numbers, words
from trimtab.demo.draws import Draws, Floats, Integers

ORDERS = 225_000
STRIKE_BEGAN = PRESENT - 40 * DAY  # the carriers' strike: only its shipments came very late, and it was recent
STRIKE_ENDED = PRESENT - 28 * DAY
VERY_LATE_SHARE = 0.06

STATUSES = ("delivered", "cancelled", "shipped", "paid", "pending")
DELIVERED, CANCELLED, SHIPPED, PAID, PENDING = range(len(STATUSES))


@dataclass(frozen=True, slots=True)
class Sales:
    """The orders and their lines as numbers: what payments, shipments and reviews refer to."""

    customer: Integers
    status: Integers
    ordered_at: Integers
    delivered_at: Integers
    total_cents: Integers
    line_order: Integers
    line_no: Integers
    line_product: Integers
    line_quantity: Integers
    line_price_cents: Integers

    @property
    def order_count(self) -> int:
        """How many orders there are."""
        return len(self.customer)


def ages_to_statuses(age_days: Floats, draws: Draws) -> Integers:
    """Return the status of orders of that age: the young are open, the old delivered or cancelled."""
    chance = draws.uniform(len(age_days))
    status = np.where(chance < 0.07, CANCELLED, DELIVERED)
    status = np.where((age_days < 9) & (chance >= 0.07), SHIPPED, status)
    status = np.where((age_days < 4) & (chance >= 0.04), PAID, status)
    return np.where((age_days < 2) & (chance >= 0.30), PENDING, status).astype(np.int64)


def sales(seed: int, scale: float, catalogue: Catalogue) -> Sales:
    """Draw the orders and their lines."""
    draws = Draws(seed, "orders")
    count = scaled(ORDERS, scale)
    ordered = OPENED + ((PRESENT - OPENED) * np.sort(draws.uniform(count)) ** 0.7).astype(np.int64)
    status = ages_to_statuses((PRESENT - ordered) / DAY, draws)
    delivered = ordered + DAY + draws.integers(count, 0, 7 * DAY)
    lines = 1 + draws.weighted(count, (0.35, 0.25, 0.15, 0.10, 0.08, 0.07))
    line_order = np.repeat(np.arange(count, dtype=np.int64), lines)
    first_line = np.cumsum(lines) - lines
    product = draws.zipf(len(line_order), catalogue.product_count, 0.8)
    quantity = 1 + draws.weighted(len(line_order), (0.7, 0.2, 0.06, 0.04))
    price = catalogue.product_price_cents[product]
    total = np.bincount(line_order, weights=quantity * price, minlength=count).astype(np.int64)
    return Sales(
        customer=draws.zipf(count, catalogue.customer_count, 0.65),
        status=status,
        ordered_at=ordered,
        delivered_at=delivered,
        total_cents=total,
        line_order=line_order,
        line_no=np.arange(len(line_order), dtype=np.int64) - first_line[line_order],
        line_product=product,
        line_quantity=quantity,
        line_price_cents=price,
    )


def orders(seed: int, catalogue: Catalogue, sold: Sales) -> TableRows:
    """Return the table of orders."""
    draws = Draws(seed, "orders.columns")
    count = sold.order_count
    country = catalogue.customer_country[sold.customer]
    columns = {
        "id": numbers(ids(count)),
        "customer_id": numbers(sold.customer + 1),
        "status": words(STATUSES, sold.status),
        "storefront": words([row[4] for row in names.COUNTRIES], country),
        "country": words([row[0] for row in names.COUNTRIES], country),
        "currency": words([row[2] for row in names.COUNTRIES], country),
        "tax_zone": words([row[3] for row in names.COUNTRIES], country),
        "coupon_id": nulled(numbers(1 + draws.zipf(count, COUPONS, 1.0)), draws.chance(count, 0.85)),
        "total_cents": numbers(sold.total_cents),
        "ordered_at": moments(sold.ordered_at),
        "delivered_at": nulled(moments(sold.delivered_at), sold.status != DELIVERED),
        "is_deleted": booleans(draws.chance(count, 0.02)),
    }
    return TableRows("orders", columns)


def order_items(sold: Sales) -> TableRows:
    """Return the lines of the orders."""
    columns = {
        "order_id": numbers(sold.line_order + 1),
        "line_no": numbers(sold.line_no + 1),
        "product_id": numbers(sold.line_product + 1),
        "quantity": numbers(sold.line_quantity),
        "unit_price_cents": numbers(sold.line_price_cents),
    }
    return TableRows("order_items", columns)


def payments(seed: int, sold: Sales) -> TableRows:
    """Return one payment per order; cancelled orders were refunded, pending ones have not been paid yet."""
    draws = Draws(seed, "payments")
    count = sold.order_count
    method_words, method_shares = shares(names.PAYMENT_METHODS)
    state = np.select([sold.status == CANCELLED, sold.status == PENDING, draws.chance(count, 0.002)], [1, 2, 3], 0)
    columns = {
        "id": numbers(ids(count)),
        "order_id": numbers(ids(count)),
        "method": words(method_words, draws.weighted(count, method_shares)),
        "state": words(("settled", "refunded", "waiting", "disputed"), state),
        "amount_cents": numbers(sold.total_cents),
        "provider_reference": draws.hexadecimal(count),
        "paid_at": nulled(moments(sold.ordered_at + draws.integers(count, 10, 3600)), sold.status == PENDING),
    }
    return TableRows("payments", columns)


def shipments(seed: int, sold: Sales) -> TableRows:
    """Return the shipments in the order of the carriers' files, which is none; the very late ones are all recent."""
    draws = Draws(seed, "shipments")
    shipped_orders = np.flatnonzero(np.isin(sold.status, (DELIVERED, SHIPPED)))
    order = shipped_orders[draws.permutation(len(shipped_orders))]
    count = len(order)
    shipped = sold.ordered_at[order] + draws.integers(count, 3_600, DAY)
    promised = shipped + 3 * DAY
    delivered = np.minimum(sold.delivered_at[order] + DAY, promised + 2 * DAY)
    is_very_late = very_late(shipped, draws)
    delivered = np.where(is_very_late, promised + draws.integers(count, 9 * DAY, 15 * DAY), delivered)
    is_under_way = (sold.status[order] == SHIPPED) & ~is_very_late
    carrier_words, carrier_shares = shares(names.CARRIERS)
    label = [f"Parcel {number} of the shop, handle with care, do not stack" for number in order.tolist()]
    columns = {
        "id": numbers(ids(count)),
        "order_id": numbers(order + 1),
        "warehouse_id": numbers(1 + draws.zipf(count, WAREHOUSES, 0.5)),
        "carrier": words(carrier_words, draws.weighted(count, carrier_shares)),
        "tracking_number": [f"TN{word}" for word in draws.hexadecimal(count)],
        "shipped_at": moments(shipped),
        "promised_at": moments(promised),
        "delivered_at": nulled(moments(delivered), is_under_way),
        "label": label,
    }
    return TableRows("shipments", columns)


def very_late(shipped: Integers, draws: Draws) -> Mask:
    """Return which shipments the strike held up: some of those of its days, none before."""
    is_in_strike = (shipped >= STRIKE_BEGAN) & (shipped < STRIKE_ENDED)
    held_up: Mask = is_in_strike & draws.chance(len(shipped), VERY_LATE_SHARE)
    return held_up
