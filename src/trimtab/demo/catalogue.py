"""Decides what the demo's shop sells and to whom: countries, cities, brands, products, stock and customers, with
columns that depend on each other. It never looks at a clock: the shop's present is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trimtab.demo import names
from trimtab.demo.columns import TableRows, booleans, moments, nulled, numbers, words
from trimtab.demo.draws import Draws, Integers

DAY = 86_400
OPENED = int(np.datetime64("2023-01-01T00:00:00").astype(np.int64))
PRESENT = int(np.datetime64("2026-01-01T00:00:00").astype(np.int64))

CUSTOMERS = 100_000
PRODUCTS = 24_000
SUPPLIERS = 400
WAREHOUSES = 8
WAREHOUSES_PER_PRODUCT = 4
COUPONS = 200


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the later tables refer to: positions are ids minus one."""

    customer_country: Integers
    product_price_cents: Integers

    @property
    def customer_count(self) -> int:
        """How many customers there are."""
        return len(self.customer_country)

    @property
    def product_count(self) -> int:
        """How many products there are."""
        return len(self.product_price_cents)


def scaled(count: int, scale: float) -> int:
    """Return the rows of a table at that scale, at least 50."""
    return max(50, round(count * scale))


def ids(count: int) -> Integers:
    """Return 1 .. count."""
    return np.arange(1, count + 1, dtype=np.int64)


def shares(pairs: tuple[tuple[str, float], ...]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the words and the weights of a vocabulary."""
    return tuple(word for word, _ in pairs), tuple(weight for _, weight in pairs)


def city_names() -> list[tuple[str, str, int]]:
    """Return (city, region, position of its country) for every city."""
    cities = []
    for position, country in enumerate(names.COUNTRIES):
        for region_no in range(names.REGIONS_PER_COUNTRY):
            region = f"{names.REGION_WORDS[region_no]} {country[1]}"
            tail = names.CITY_TAILS[region_no]
            for head in names.CITY_HEADS[: names.CITIES_PER_REGION]:
                cities.append((f"{head}{tail} {country[0]}", region, position))
    return cities


def lookup_tables(seed: int) -> list[TableRows]:
    """Return the small tables, whose size does not depend on the scale."""
    draws = Draws(seed, "lookup")
    codes = [country[0] for country in names.COUNTRIES]
    cities = city_names()
    brand_category, brand_country = brand_origins(seed)
    categories = [category for category, _ in names.CATEGORIES]
    return [
        TableRows(
            "countries",
            {
                "code": codes,
                "name": [country[1] for country in names.COUNTRIES],
                "currency": [country[2] for country in names.COUNTRIES],
                "tax_zone": [country[3] for country in names.COUNTRIES],
            },
        ),
        TableRows(
            "cities",
            {
                "name": [city for city, _, _ in cities],
                "region": [region for _, region, _ in cities],
                "country": [codes[position] for _, _, position in cities],
            },
        ),
        TableRows("categories", {"name": categories, "department": [name for _, name in names.CATEGORIES]}),
        TableRows(
            "brands",
            {
                "name": list(names.BRANDS),
                "category": words(categories, brand_category),
                "made_in": words(codes, brand_country),
            },
        ),
        TableRows(
            "suppliers",
            {
                "id": numbers(ids(SUPPLIERS)),
                "name": [f"Supplier {number:03d}" for number in range(1, SUPPLIERS + 1)],
                "country": words(codes, draws.integers(SUPPLIERS, 0, len(codes))),
                "lead_time_days": numbers(draws.integers(SUPPLIERS, 2, 40)),
            },
        ),
        TableRows(
            "warehouses",
            {
                "id": numbers(ids(WAREHOUSES)),
                "name": [f"Warehouse {letter}" for letter in "ABCDEFGH"],
                "city": [cities[number * len(cities) // WAREHOUSES][0] for number in range(WAREHOUSES)],
            },
        ),
        TableRows(
            "coupons",
            {
                "id": numbers(ids(COUPONS)),
                "code": [f"SAVE-{number:04d}" for number in range(1, COUPONS + 1)],
                "discount_percent": numbers(5 * draws.integers(COUPONS, 1, 7)),
                "valid_until": nulled(["2026-12-31"] * COUPONS, draws.chance(COUPONS, 0.4)),
            },
        ),
    ]


def brand_origins(seed: int) -> tuple[Integers, Integers]:
    """Return, per brand, the position of its one category and of its one country."""
    draws = Draws(seed, "brands")
    count = len(names.BRANDS)
    return draws.integers(count, 0, len(names.CATEGORIES)), draws.integers(count, 0, len(names.COUNTRIES))


def customers(seed: int, scale: float) -> tuple[TableRows, Integers]:
    """Return the customers and, per customer, the position of their country."""
    draws = Draws(seed, "customers")
    count = scaled(CUSTOMERS, scale)
    cities = city_names()
    country_share = [country[5] for country in names.COUNTRIES]
    weights = [country_share[country] / (1 + number % 40) ** 0.7 for number, (_, _, country) in enumerate(cities)]
    city = draws.weighted(count, weights)
    country = np.array([position for _, _, position in cities], dtype=np.int64)[city]
    segment_words, segment_shares = shares(names.SEGMENTS)
    first = words(names.FIRST_NAMES, draws.integers(count, 0, len(names.FIRST_NAMES)))
    last = words(names.LAST_NAMES, draws.integers(count, 0, len(names.LAST_NAMES)))
    signed_up = np.sort(draws.integers(count, OPENED, PRESENT))
    seen = signed_up + (draws.uniform(count) * (PRESENT - signed_up)).astype(np.int64)
    attribute_texts = [
        f'{{"language": "{language}", "newsletter": {newsletter}, "tier": {tier}}}'
        for language in names.LANGUAGES
        for newsletter in ("true", "false")
        for tier in range(4)
    ]
    columns = {
        "id": numbers(ids(count)),
        "email": [f"{a}.{b}.{n}@shop.example".lower() for n, (a, b) in enumerate(zip(first, last, strict=True), 1)],
        "full_name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
        "city": words([name for name, _, _ in cities], city),
        "region": words([region for _, region, _ in cities], city),
        "country": words([row[0] for row in names.COUNTRIES], country),
        "segment": words(segment_words, draws.weighted(count, segment_shares)),
        "phone": nulled(
            [f"+000 {number}" for number in draws.integers(count, 10**6, 10**7).tolist()], draws.chance(count, 0.7)
        ),
        "signed_up_at": moments(signed_up),
        "last_seen_at": nulled(moments(seen), draws.chance(count, 0.2)),
        "is_deleted": booleans(draws.chance(count, 0.03)),
        "attributes": words(attribute_texts, draws.zipf(count, len(attribute_texts), 0.8)),
    }
    return TableRows("customers", columns), country


def products(seed: int, scale: float) -> tuple[TableRows, Integers]:
    """Return the products and, per product, its price in cents."""
    draws = Draws(seed, "products")
    count = scaled(PRODUCTS, scale)
    brand = draws.zipf(count, len(names.BRANDS), 0.7)
    category = brand_origins(seed)[0][brand]
    colour = words(names.COLOURS, draws.integers(count, 0, len(names.COLOURS)))
    material = words(names.MATERIALS, draws.integers(count, 0, len(names.MATERIALS)))
    weight = draws.integers(count, 50, 9_000).tolist()
    price = np.round(np.exp(6.5 + 2.2 * draws.uniform(count))).astype(np.int64) * (1 + category % 3)
    category_texts = words([name for name, _ in names.CATEGORIES], category)
    columns = {
        "id": numbers(ids(count)),
        "sku": [f"SKU-{number:06d}" for number in range(1, count + 1)],
        "name": [f"{c} {m} {k}" for c, m, k in zip(colour, material, category_texts, strict=True)],
        "brand": words(names.BRANDS, brand),
        "category": category_texts,
        "department": words([department for _, department in names.CATEGORIES], category),
        "supplier_id": numbers(1 + draws.zipf(count, SUPPLIERS, 0.6)),
        "price_cents": numbers(price),
        "listed_at": moments(np.sort(draws.integers(count, OPENED, PRESENT))),
        "is_deleted": booleans(draws.chance(count, 0.08)),
        "attributes": [
            f'{{"colour": "{c}", "material": "{m}", "weight_grams": {w}}}'
            for c, m, w in zip(colour, material, weight, strict=True)
        ],
    }
    return TableRows("products", columns), price


def inventory(seed: int, catalogue: Catalogue) -> TableRows:
    """Return the stock of each product in four of the eight warehouses."""
    draws = Draws(seed, "inventory")
    count = catalogue.product_count * WAREHOUSES_PER_PRODUCT
    product = np.repeat(ids(catalogue.product_count), WAREHOUSES_PER_PRODUCT)
    warehouse = 1 + (product + 2 * np.tile(np.arange(WAREHOUSES_PER_PRODUCT), catalogue.product_count)) % WAREHOUSES
    quantity = (600 * draws.uniform(count) ** 3).astype(np.int64)
    counted = moments(draws.integers(count, PRESENT - 200 * DAY, PRESENT))
    columns = {
        "product_id": numbers(product),
        "warehouse_id": numbers(warehouse),
        "quantity": numbers(quantity),
        "reserved": numbers((quantity * 0.3 * draws.uniform(count)).astype(np.int64)),
        "counted_at": nulled(counted, draws.chance(count, 0.25)),
    }
    return TableRows("inventory", columns)
