from __future__ import annotations

from trimtab.observe.identity import QueryIds


def test_further_texts_of_a_fingerprint_are_numbered_in_order() -> None:
    ids = QueryIds()
    given = [ids.next_for(fingerprint) for fingerprint in ("0123456789abcdef", "ffff", "0123456789abcdef")]
    assert given == ["q0123456789", "qffff", "q0123456789-2"]
