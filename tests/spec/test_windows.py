"""A window opens when its words say, never silently never, and two of them are open when both are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.spec.windows import ALWAYS, Windows, both, canonical, is_open, open_intervals, parse_window

_TEXTS = [
    "Mon-Fri 22:00-04:00 Europe/Berlin",
    "02:00-06:00 UTC",
    "Sat,Sun 00:00-24:00 America/New_York",
    "Fri-Mon 23:30-00:30 Asia/Kolkata",
    "Wed 12:00-13:00 UTC",
]
windows = st.lists(st.lists(st.sampled_from(_TEXTS), min_size=1, max_size=3), max_size=3).map(canonical)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "02:00-06:00",  # whose two o'clock
        "02:00-02:00 UTC",
        "24:00-06:00 UTC",
        "22:00-25:00 UTC",
        "22:60-23:00 UTC",
        "2:00-6:00 UTC",
        "Mon-Fri 22:00-04:00 Europe/Nowhere",
        "Mon-Fri 22:00-04:00 ../../etc/passwd",
        "Mon-Fri 22:00-04:00 +02:00",
        "Mon-Fri 22:00-04:00 localtime",  # of which machine
        "Mon-Fri 22:00-04:00 posixrules",
        "Mon-Fri 22:00-04:00 posix/localtime",
        "Mon-Fri 22:00-04:00 Factory",
        "mon-fri 22:00-04:00 UTC",
        "Mon-Fri-Sun 22:00-04:00 UTC",
        "Mo 22:00-04:00 UTC",
        "Lun 22:00-04:00 UTC",
        "Mon 22:00-04:00 UTC ",
        "Mon  22:00-04:00 UTC",
        "22:00\u201304:00 UTC",
        "",
        "always",
    ],
)
def test_what_is_no_window_or_could_never_open_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|never opens|time zone"):
        parse_window(text)


def test_an_empty_list_of_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        canonical([[]])


@pytest.mark.parametrize(
    ("window", "moment", "expected"),
    [
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-11-27T20:59", False),  # a Friday
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-11-27T21:00", True),
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-11-28T02:59", True),  # it belongs to the Friday
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-11-28T03:00", False),
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-11-28T22:00", False),
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "2026-07-03T20:00", True),  # in summer an hour earlier
        ("Sat-Mon 00:00-24:00 UTC", "2026-11-30T23:59", True),
        ("Sat-Mon 00:00-24:00 UTC", "2026-12-01T00:00", False),
        ("02:30-02:45 Europe/Berlin", "2026-03-29T01:35", False),  # an hour that is left out
    ],
)
def test_a_window_is_open_when_its_words_say(window: str, moment: str, expected: bool) -> None:
    assert is_open(((window,),), at(moment)) is expected


def test_the_next_openings_are_told_joined_where_they_touch() -> None:
    found = open_intervals((("Fri 22:00-24:00 UTC", "Sat 00:00-02:00 UTC"),), at("2026-11-26T12:00"))
    assert found[:2] == [
        (at("2026-11-27T22:00"), at("2026-11-28T02:00")),
        (at("2026-12-04T22:00"), at("2026-12-05T02:00")),
    ]


def test_windows_that_are_never_open_together_have_no_next_opening() -> None:
    assert open_intervals(both((("Mon 02:00-04:00 UTC",),), (("Tue 02:00-04:00 UTC",),)), at("2026-11-26T12:00")) == []


@given(windows, windows, moments)
def test_two_meet_in_what_is_open_in_both(left: Windows, right: Windows, now: datetime) -> None:
    assert is_open(both(left, right), now) is (is_open(left, now) and is_open(right, now))


@given(windows, moments)
def test_what_is_told_as_the_next_opening_is_when_it_opens(found: Windows, now: datetime) -> None:
    for begin, end in open_intervals(found, now, days=9)[:3]:
        assert is_open(found, begin)
        assert is_open(found, end - timedelta(microseconds=1))


@given(moments)
def test_without_a_window_it_is_always_open(now: datetime) -> None:
    assert is_open(ALWAYS, now)
