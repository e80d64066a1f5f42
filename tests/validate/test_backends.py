"""What ends the work of others is judged by what was seen; hard rules hold, and no child permits more than a parent."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.spec.documents import SECTIONS
from trimtab.model.backend import Backend, BackendAct
from trimtab.spec.inherit import meet
from trimtab.spec.limits import Backends
from trimtab.spec.load import get_spec, known_ids
from trimtab.spec.narrowing import NoMeetError
from trimtab.spec.specification import Specification
from trimtab.validate.backends import BACKEND_RULES, asks_first, judge_backend

from .catalogue import SHIPPED

SEEN = Backend(
    4711, "2026-01-01T10:00:00.000001Z", "2026-01-01T10:05:00.000001Z", "client backend", "app", "shop", "web",
    "active", "", 60.0, (), is_superuser=False, is_own=False, may_signal=True,
)  # fmt: skip
NOW = 1_800_000_000
HARD = (
    "backends.hidden", "backends.own_session", "backends.not_a_client", "backends.superuser", "backends.no_statement",
)  # fmt: skip

limits = st.fixed_dictionaries(SECTIONS["backends"]).map(Backends.model_validate)
acts = st.sampled_from(list(BackendAct))
backends = st.builds(
    replace,
    st.just(SEEN),
    kind=st.sampled_from(["client backend", "walsender", "autovacuum worker", "parallel worker", ""]),
    role=st.sampled_from(["app", "app_1", "report", "reporting", "other", ""]),
    state=st.sampled_from(["active", "idle", "idle in transaction", "fastpath function call", "hidden"]),
    seconds=st.one_of(st.none(), st.floats(0, 100)),
    started_at=st.sampled_from([SEEN.started_at, ""]),
    is_superuser=st.booleans(),
    is_own=st.booleans(),
)


def of(found: Backends) -> Specification:
    return replace(SHIPPED, limits=SHIPPED.limits.model_copy(update={"backends": found}))


def broken(act: BackendAct, seen: Backend, spec: Specification) -> set[str]:
    verdict = judge_backend(act, seen, spec, now_unix=NOW)
    assert verdict.compliant is (not verdict.violations)
    return {violation.rule_id for violation in verdict.violations}


@given(limits, limits, acts, backends)
def test_a_child_permits_nothing_that_a_parent_forbids(
    left: Backends, right: Backends, act: BackendAct, seen: Backend
) -> None:
    parents = [of(left), of(right)]
    try:
        child = replace(SHIPPED, limits=meet(parents[0].limits, parents[1].limits))
    except NoMeetError:
        return
    for parent in parents:
        assert broken(act, seen, parent) <= broken(act, seen, child)
        assert asks_first(act, child) or not asks_first(act, parent)
        assert child.backends.max_per_hour <= parent.backends.max_per_hour


@given(limits, acts, backends)
def test_hard_rules_hold_under_every_specification(found: Backends, act: BackendAct, seen: Backend) -> None:
    told = broken(act, seen, of(found))
    assert ("backends.superuser" in told) is seen.is_superuser
    assert ("backends.own_session" in told) is seen.is_own
    assert ("backends.not_a_client" in told) is (seen.kind not in ("", "client backend"))
    assert ("backends.hidden" in told) is ("" in (seen.kind, seen.started_at))
    no_statement = act is BackendAct.CANCEL and seen.state not in ("active", "fastpath function call")
    assert ("backends.no_statement" in told) is no_statement


@given(acts, backends)
def test_what_a_widest_specification_lets_be_ended_is_an_ordinary_clients(act: BackendAct, seen: Backend) -> None:
    widest = Backends.model_validate(
        {"cancel": "allow", "terminate": "allow", "allowed_roles": ["*"], "denied_roles": [], "min_seconds": 0,
         "max_per_hour": 10_000}
    )  # fmt: skip
    assert broken(act, seen, of(widest)) <= set(HARD)


def test_the_shipped_ones_ask_and_governance_terminates_nobody() -> None:
    for spec_id in known_ids():
        spec = get_spec(spec_id)
        assert asks_first(BackendAct.CANCEL, spec)
        assert broken(BackendAct.CANCEL, SEEN, spec) == set()
        terminates = broken(BackendAct.TERMINATE, SEEN, spec)
        assert terminates == ({"backends.terminate"} if spec_id == "DB_GOVERNANCE_SPEC_V2" else set())
        assert broken(BackendAct.CANCEL, replace(SEEN, seconds=1.0), spec) == {"backends.min_seconds"}


def test_a_specification_that_has_expired_lets_nobody() -> None:
    expired = replace(SHIPPED, expires_unix=NOW)
    assert broken(BackendAct.CANCEL, SEEN, expired) == {"specification.expired"}
    assert broken(BackendAct.CANCEL, SEEN, replace(SHIPPED, expires_unix=NOW + 1)) == set()


def test_each_rule_has_an_id_of_its_section_or_of_the_specification() -> None:
    assert all(rule_id.startswith(("backends.", "specification.")) for rule_id, _ in BACKEND_RULES)
