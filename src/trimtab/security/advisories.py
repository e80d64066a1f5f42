"""The security advisories of PostgreSQL that a server's version is open to, from a table that was written on one day.

It holds what concerns the server; of programs only those that a server's owner runs beside it (pg_dump, pg_basebackup),
and it is not complete: what came later, or is not in it, is not found. It never asks a network.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2026-11-29"
"""The day on which the table was written, from the advisories and release notes that were public then."""

_SUPPORT_ENDS = {
    13: "2025-11-13",
    14: "2026-11-12",
    15: "2027-11-11",
    16: "2028-11-09",
    17: "2029-11-08",
    18: "2030-11-14",
}
"""By major version, the day on which PostgreSQL ends its support: what is found later is not fixed in it."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """An advisory. `fixed` is the first minor version with its fix, by major version; others are not affected."""

    id: str
    what: str
    fixed: dict[int, int]
    is_manual: bool = False
    """True when a server that was initialised before has to be mended by hand too."""

    @property
    def url(self) -> str:
        """Where PostgreSQL tells of it."""
        return f"https://www.postgresql.org/support/security/{self.id}/"


def _fixed(text: str) -> dict[int, int]:
    return {int(major): int(minor) for major, minor in (version.split(".") for version in text.split())}


_AUG_2026 = _fixed("18.6 17.11 16.15 15.19 14.24")
_MAY_2026 = _fixed("18.4 17.10 16.14 15.18 14.23")
_FEB_2026 = _fixed("18.2 17.8 16.12 15.16 14.21")
_NOV_2025 = _fixed("18.1 17.7 16.11 15.15 14.20 13.23")
_AUG_2025 = _fixed("17.6 16.10 15.14 14.19 13.22")
_NOV_2024 = _fixed("17.1 16.5 15.9 14.14 13.17")
_NOV_2023 = _fixed("16.1 15.5 14.10 13.13")
_MAY_2023 = _fixed("15.3 14.8 13.11")

ADVISORIES = (
    Advisory("CVE-2026-14669", "to_char(timestamptz) overruns memory: code as the server's account", _AUG_2026),
    Advisory("CVE-2026-6472", "CREATE TYPE lets other schemas' types be taken over", _MAY_2026),
    Advisory("CVE-2026-6473", "integer wraparound overruns memory", _MAY_2026),
    Advisory("CVE-2026-6474", "unsafe formatting of times discloses memory", _MAY_2026),
    Advisory("CVE-2026-6475", "pg_basebackup and pg_rewind write outside of their directory", _MAY_2026),
    Advisory("CVE-2026-6478", "comparing MD5 passwords takes a time that tells them", _MAY_2026),
    Advisory("CVE-2026-6479", "negotiating SSL and GSS recurses: denial of service before any login", _MAY_2026),
    Advisory("CVE-2026-6637", "refint overruns memory and takes SQL from values", _MAY_2026),
    Advisory("CVE-2026-6638", "logical replication takes SQL from names", _fixed("18.4 17.10 16.14")),
    Advisory("CVE-2026-2003", "oidvector discloses memory", _FEB_2026),
    Advisory("CVE-2026-2004", "intarray's selectivity estimator: code as the server's account", _FEB_2026),
    Advisory("CVE-2026-2005", "pgcrypto overruns memory: code as the server's account", _FEB_2026),
    Advisory("CVE-2026-2006", "multibyte characters overrun memory: code as the server's account", _FEB_2026),
    Advisory("CVE-2025-12817", "CREATE STATISTICS does not ask for CREATE in the schema", _NOV_2025),
    Advisory("CVE-2025-12818", "libpq wraps integers and overruns memory", _NOV_2025),
    Advisory("CVE-2025-8713", "planner statistics of hidden rows leak past views and row security", _AUG_2025),
    Advisory("CVE-2025-8714", "pg_dump carries code of a superuser of its source into a restore", _AUG_2025),
    Advisory("CVE-2025-8715", "pg_dump carries code in names into a restore", _AUG_2025),
    Advisory("CVE-2025-1094", "quoting functions let SQL into psql", _fixed("17.3 16.7 15.11 14.16 13.19")),
    Advisory("CVE-2024-10978", "SET ROLE and SET SESSION AUTHORIZATION reset to the wrong role", _NOV_2024),
    Advisory("CVE-2024-10979", "PL/Perl changes environment variables: code as the server's account", _NOV_2024),
    Advisory("CVE-2024-7348", "pg_dump runs functions of an object's creator", _fixed("16.4 15.8 14.13 13.16")),
    Advisory(
        "CVE-2024-4317",
        "pg_stats_ext shows statistics to whoever asks",
        _fixed("16.3 15.7 14.12"),
        is_manual=True,
    ),
    Advisory("CVE-2024-0985", "REFRESH MATERIALIZED VIEW CONCURRENTLY runs as its caller", _fixed("15.6 14.11 13.14")),
    Advisory("CVE-2023-5868", "aggregates with unknown arguments disclose memory", _NOV_2023),
    Advisory("CVE-2023-5869", "array modification wraps integers: code as the server's account", _NOV_2023),
    Advisory("CVE-2023-5870", "pg_signal_backend reaches workers of superusers", _NOV_2023),
    Advisory("CVE-2023-2454", "CREATE SCHEMA defeats a protective search_path", _MAY_2023),
    Advisory("CVE-2023-2455", "row security forgets who runs an inlined function", _MAY_2023),
)


def open_advisories(version: int, *, has_fixed_statistics_view: bool | None = None) -> tuple[Advisory, ...]:
    """Return the advisories that a server of this server_version_num is open to, the latest first.

    `has_fixed_statistics_view` says whether the view of CVE-2024-4317 is the new one; None when nobody looked.
    """
    major, minor = version // 10_000, version % 10_000
    return tuple(
        each
        for each in ADVISORIES
        if (major in each.fixed and minor < each.fixed[major])
        or (each.is_manual and major in each.fixed and has_fixed_statistics_view is False)
    )


def is_known(version: int) -> bool:
    """True when the table knows the major version at all: of others it can say nothing."""
    return version // 10_000 in _SUPPORT_ENDS


def support_ended(version: int) -> str | None:
    """Return the day on which the support of this version had ended when the table was written, None while it lasts."""
    day = _SUPPORT_ENDS.get(version // 10_000, AS_OF)
    return day if day < AS_OF else None
