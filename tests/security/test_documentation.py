"""The table of items in docs/security.md is that of the program, and so are its sections and its warnings."""

from __future__ import annotations

import re
from pathlib import Path

import trimtab
from trimtab.security.advisories import AS_OF
from trimtab.security.catalogue import ITEMS
from trimtab.security.sections import SECTIONS

TEXT = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
SOURCE = Path(trimtab.__file__).parent / "security"


def test_every_item_is_in_the_table_as_it_is() -> None:
    rows = re.findall(r"^\| `(posture\.[a-z_0-9]+)` \| (.*) \| (never)? ?\| (.*?) ?\| (.*?) ?\|$", TEXT, re.MULTILINE)
    assert rows == [
        (each.code, each.what, "never" if each.is_blocked else "", ", ".join(each.cis), ", ".join(each.pgdsat))
        for each in ITEMS
    ]


def test_every_section_is_told_of() -> None:
    assert [each.name for each in SECTIONS if f"`{each.name}`" not in TEXT] == []


def test_every_warning_is_told_of_and_no_other() -> None:
    used = set(re.findall(r'"(warning\.[a-z_0-9]+)"', "".join(p.read_text("utf-8") for p in SOURCE.glob("*.py"))))
    assert set(re.findall(r"^\| `(warning\.[a-z_0-9]+)`", TEXT, re.MULTILINE)) == used


def test_the_day_of_the_advisories_is_told() -> None:
    assert AS_OF in TEXT
