"""Claims about shares: a percentage with its sign, and nothing else."""

from __future__ import annotations

import pytest

from trimtab.errors import ConfigError
from trimtab.model.shares import parse_share, saved_share


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), (" 2.5 % ", 0.025), ("0%", 0.0), ("200%", 2.0)])
def test_a_share_is_a_percentage(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "10", "0.1", "-1%", "1e3%", "nan%", "ten%", "10%%", "1,5%"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_share(text)
    assert refused.value.code == "share.invalid"


def test_a_share_saved_is_none_where_a_time_is_missing_or_nothing() -> None:
    assert saved_share(8.0, 2.0) == 0.75
    assert saved_share(2.0, 3.0) == -0.5
    assert [saved_share(*each) for each in ((None, 1.0), (1.0, None), (0.0, 1.0))] == [None] * 3
