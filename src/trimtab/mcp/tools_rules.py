"""The tools that say what is allowed and what can be believed: specifications, verdicts, security, the ledger.

They answer in a moment and write nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trimtab import api, api_agents
from trimtab.api_spec import Compliance
from trimtab.ledger.ledger import Ledger
from trimtab.mcp.answering import Offer
from trimtab.mcp.answers import (
    Judged,
    LedgerVerified,
    SecurityDiff,
    SecurityDifference,
    Setup,
    Spec,
)
from trimtab.mcp.arguments import Cursor, Database, Limit, SpecId
from trimtab.mcp.desk import CONFIGURED, Desk
from trimtab.mcp.documents import broken_rule
from trimtab.mcp.paging import page
from trimtab.mcp.wishes import Changes
from trimtab.report.security import difference_to_dict
from trimtab.security.difference import Difference

_SETUP_NOTE = (
    "Nothing was written. A person writes trimtab.toml with `trimtab init`, reads role_sql and runs it. "
    "Let this server connect as trimtab_explain."
)


@dataclass(frozen=True, slots=True)
class RuleTools:
    """The tools, over one desk."""

    desk: Desk

    def offers(self) -> list[Offer]:
        """Return them in their order."""
        return [
            Offer(self.init_db_optimization, "What a set-up needs"),
            Offer(self.get_spec, "A specification"),
            Offer(self.validate_optimization_strategy, "Would these changes be allowed?"),
            Offer(self.validate_query_plan_compliance, "Would what holds a plan be allowed?"),
            Offer(self.validate_index_strategy_compliance, "Would these index changes be allowed?"),
            Offer(self.security_diff, "Security beside its baseline"),
            Offer(self.ledger_verify, "Verify the ledger"),
        ]

    def init_db_optimization(self, spec_id: SpecId = CONFIGURED) -> Setup:
        """Tell which databases are set up, and the SQL by which a person makes least-privilege roles. Runs nothing."""
        from trimtab.setup_sql import role_sql

        specification = self._spec(spec_id)
        return Setup(
            spec_id=specification.id,
            spec_digest=specification.digest,
            databases=list(self.desk.names),
            role_sql=role_sql(),
            note=_SETUP_NOTE,
        )

    def get_spec(self, spec_id: SpecId = CONFIGURED) -> Spec:
        """Return a specification as it is enforced: what may be changed, how, and what people must approve."""
        specification = self._spec(spec_id)
        return Spec(
            spec_id=specification.id,
            revision=specification.revision,
            description=specification.description,
            digest=specification.digest,
            chain=list(specification.chain),
            document=json.dumps(specification.document(), sort_keys=True),
        )

    def validate_optimization_strategy(
        self, database: Database, changes: Changes, spec_id: SpecId = CONFIGURED
    ) -> Judged:
        """Say whether a specification allows changes of any kind, on the facts of now. Nothing is tried or written."""
        return self._judged(database, changes, spec_id, "any")

    def validate_query_plan_compliance(
        self, database: Database, changes: Changes, spec_id: SpecId = CONFIGURED
    ) -> Judged:
        """Say whether a specification allows what would hold a plan: settings and statistics. Nothing is tried."""
        return self._judged(database, changes, spec_id, "plan")

    def validate_index_strategy_compliance(
        self, database: Database, changes: Changes, spec_id: SpecId = CONFIGURED
    ) -> Judged:
        """Say whether a specification allows index changes, on the facts of now. Nothing is tried or written."""
        return self._judged(database, changes, spec_id, "index")

    def security_diff(self, database: Database, limit: Limit = 50, cursor: Cursor = None) -> SecurityDiff:
        """Compare a server's security with the signed baseline that a person took of it; weakened things come first."""
        compared = api.security_check(self.desk.dsn(database), ledger_path=self.desk.ledger_path).compared
        ordered = sorted(compared.differences, key=lambda each: each not in compared.weakened)
        shown, following = page(ordered, _difference, of="security_diff", cursor=cursor, limit=limit)
        return SecurityDiff(
            database=database,
            preserved=compared.is_preserved,
            baseline_taken_at=_at(compared.before.taken_at_ns),
            differences=shown,
            next_cursor=following,
        )

    def ledger_verify(self) -> LedgerVerified:
        """Verify the ledger: each entry's hash, the chain, the signed checkpoints, what this machine saw before."""
        with Ledger.open(self.desk.ledger_path) as ledger:
            found = ledger.verify()
            head = ledger.head if found.verified else ""
        return LedgerVerified(
            entries=found.entries,
            verified=found.verified,
            first_bad=found.first_bad,
            reason=found.reason or "",
            head=head,
            signed_entries=found.signed_entries,
            witnesses=found.witnesses,
            first_ahead=found.first_ahead,
            ahead_seconds=round(found.ahead_seconds, 3),
        )

    def _spec(self, spec_id: str) -> Any:
        return api.get_spec(self.desk.spec(spec_id), ledger_path=self.desk.ledger_path)

    def _judged(self, database: str, changes: Changes, spec_id: str, kinds: str) -> Judged:
        strategy, verdict = api_agents.judge(
            self.desk.dsn(database),
            [change.asked() for change in changes],
            by=self.desk.asking.actor,
            spec_id=self.desk.spec(spec_id),
            kinds=kinds,
            ledger_path=self.desk.ledger_path,
        )
        return judged(strategy.id, verdict, [change.sql() for change in strategy.changes])


def judged(strategy_id: str, verdict: Compliance, statements: list[str]) -> Judged:
    """Return a verdict as it is answered."""
    return Judged(
        strategy_id=strategy_id,
        compliant=verdict.compliant,
        score=verdict.score,
        violations=[broken_rule(each) for each in verdict.violations],
        warnings=[broken_rule(each) for each in verdict.warnings],
        spec_id=verdict.spec_id,
        spec_digest=verdict.spec_digest,
        statements=statements,
    )


def _difference(difference: Difference) -> SecurityDifference:
    told = difference_to_dict(difference)
    return SecurityDifference(
        code=difference.code,
        effect=difference.effect.value,
        path=str(told["path"]),
        before=json.dumps(told["before"]),
        after=json.dumps(told["after"]),
    )


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds")
