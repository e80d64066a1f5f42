"""Decides the invented vocabulary of the demo's shop: countries, cities, brands, people. It never draws at random."""

from __future__ import annotations

# code, name, currency, tax zone, storefront, share of the shop's customers
COUNTRIES = (
    ("VA", "Valdoria", "VAL", "inner", "valdoria", 0.14),
    ("OS", "Ostrava Isles", "OSK", "islands", "isles", 0.26),
    ("KE", "Kestria", "VAL", "inner", "kestria", 0.06),
    ("MO", "Moravenna", "MOR", "outer", "moravenna", 0.13),
    ("TI", "Tirland", "TIR", "outer", "north", 0.09),
    ("BR", "Brennmark", "BRE", "north", "north", 0.09),
    ("SO", "Solenne", "VAL", "inner", "solenne", 0.04),
    ("LU", "Lunaport", "LUN", "free", "free-ports", 0.09),
    ("HA", "Harrowgard", "BRE", "north", "north", 0.03),
    ("PE", "Pelagia", "LUN", "free", "free-ports", 0.07),
)
REGIONS_PER_COUNTRY = 5
CITIES_PER_REGION = 8
REGION_WORDS = ("Upper", "Lower", "East", "West", "Coastal")
CITY_HEADS = ("Alder", "Birch", "Cedar", "Dun", "Elm", "Fern", "Glen", "Hazel")
CITY_TAILS = ("ton", "ford", "haven", "wick", "mouth")

DEPARTMENTS = {
    "home": ("lamps", "rugs", "cookware", "bedding", "storage"),
    "garden": ("planters", "tools", "seeds", "furniture"),
    "outdoor": ("tents", "backpacks", "stoves", "boots", "kayaks"),
    "office": ("desks", "chairs", "paper", "pens"),
    "kitchen": ("knives", "kettles", "mixers", "glassware"),
    "play": ("puzzles", "board games", "kites", "blocks"),
    "sound": ("headphones", "speakers", "turntables"),
    "travel": ("suitcases", "maps", "umbrellas"),
}
CATEGORIES = tuple((category, name) for name, group in DEPARTMENTS.items() for category in group)
BRAND_HEADS = ("Aro", "Bel", "Cor", "Dra", "Evi", "Fal", "Gor", "Hul", "Ino", "Jun", "Kal", "Lum", "Mir", "Nox", "Orb")
BRAND_TAILS = ("vex", "dane", "mora", "tilo", "quist", "senne", "bar", "lund", "pira", "zeo")
BRANDS = tuple(head + tail for head in BRAND_HEADS for tail in BRAND_TAILS)

COLOURS = ("red", "blue", "green", "black", "white", "sand", "copper", "teal")
MATERIALS = ("oak", "steel", "linen", "glass", "wool", "ash", "clay")
FIRST_NAMES = ("Ada", "Bram", "Cleo", "Dario", "Esme", "Finn", "Greta", "Hugo", "Iris", "Jonas", "Kira", "Levi",
               "Mona", "Nils", "Orla", "Pia", "Quin", "Rosa", "Sven", "Tara", "Ugo", "Vera", "Wim", "Yara")  # fmt: skip
LAST_NAMES = ("Ashgrove", "Brightwater", "Copperfield", "Dunmore", "Eastlake", "Fairbank", "Greenhill", "Hartwell",
              "Inglewood", "Juniper", "Kingsley", "Larkspur", "Meadows", "Northgate", "Oakley", "Penrose")  # fmt: skip
SEGMENTS = (("private", 0.80), ("business", 0.14), ("school", 0.05), ("reseller", 0.01))
LANGUAGES = ("va", "os", "mo", "ti", "br")

CARRIERS = (("swiftpost", 0.45), ("greenvan", 0.30), ("bluesail", 0.20), ("owlnight", 0.05))
PAYMENT_METHODS = (("card", 0.60), ("transfer", 0.20), ("wallet", 0.17), ("voucher", 0.03))
EVENT_KINDS = (
    ("page_view", 0.620),
    ("search", 0.160),
    ("add_to_cart", 0.120),
    ("checkout", 0.060),
    ("sign_in", 0.036),
    ("checkout_error", 0.004),
)
MOVEMENT_REASONS = (("sale", 0.70), ("return", 0.12), ("delivery", 0.15), ("damage", 0.02), ("stocktake", 0.01))
TICKET_TOPICS = (("delivery", 0.50), ("refund", 0.25), ("product", 0.15), ("account", 0.08), ("privacy", 0.02))
REVIEW_PHRASES = ("arrived quickly", "exactly as pictured", "a little smaller than expected", "works every day",
                  "the colour is lovely", "would buy again", "packaging was damaged", "instructions are clear",
                  "my neighbour asked for one", "not for heavy use")  # fmt: skip
