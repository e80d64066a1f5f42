"""How this program is (`/healthz`), and the numbers that Prometheus fetches (`/metrics`). It only reads.

What is not measured has no sample; it is never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trimtab.errors import TrimtabError
from trimtab.history.metrics import METRICS
from trimtab.version import __version__
from trimtab.web.answers import Health
from trimtab.web.site import Site


def health(site: Site) -> Health:
    """Return whether the ledger and the history can be read now."""
    found = {"ledger": "ok", "history": "ok"}
    for name in found:
        try:
            _ = site.ledger() if name == "ledger" else site.history.fleet()
        except TrimtabError as error:
            found[name] = error.code
    is_fine = all(state == "ok" for state in found.values())
    return Health("ok" if is_fine else "degraded", __version__, **found)


def prometheus_text(site: Site) -> bytes:
    """Return all numbers in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(site))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """Yield the families of numbers; one source that cannot be read takes away its own alone."""
        readable = GaugeMetricFamily("trimtab_readable", "1 where it can be read.", labels=["what"])
        for what, read in (("ledger", self._ledger), ("history", self._history)):
            try:
                families = list(read())
            except TrimtabError:
                readable.add_metric([what], 0)
            else:
                readable.add_metric([what], 1)
                yield from families
        yield readable

    def _ledger(self) -> Iterator[Metric]:
        view = self._site.ledger()
        yield GaugeMetricFamily("trimtab_ledger_entries", "Entries of the ledger.", value=len(view.entries))
        strategies = GaugeMetricFamily(
            "trimtab_strategies", "Strategies, by stage and outcome.", labels=["stage", "outcome"]
        )
        counted = Counter((c.stage.value, c.outcome.value if c.outcome else "open") for c in view.cards)
        for key, count in sorted(counted.items()):
            strategies.add_metric(list(key), count)
        yield strategies
        standing = sum(card.standing for card in view.cards)
        yield GaugeMetricFamily("trimtab_changes_standing", "Changes that stand applied.", value=standing)
        waiting = sum(each.state == "waiting" for each in view.waiting)
        yield GaugeMetricFamily("trimtab_approvals_waiting", "Strategies that wait for people.", value=waiting)

    def _history(self) -> Iterator[Metric]:
        fleet = self._site.history.fleet()
        up = GaugeMetricFamily("trimtab_server_up", "1 where the server answers.", labels=["server"])
        age = GaugeMetricFamily("trimtab_server_age_seconds", "Age of the last values.", labels=["server"])
        for server in fleet:
            up.add_metric([server.name], float(server.state == "up"))
            if server.age_seconds is not None:
                age.add_metric([server.name], server.age_seconds)
        yield up
        yield age
        for name, kind in METRICS.items():
            family = GaugeMetricFamily(f"trimtab_server_{name}", f"{kind.meaning} ({kind.source})", labels=["server"])
            for server in fleet:
                metric = server.metrics.get(name)
                if metric is not None and metric.value is not None:
                    family.add_metric([server.name], metric.value)
            yield family
