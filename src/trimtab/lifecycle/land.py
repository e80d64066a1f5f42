"""Takes proven strategies to the source: apply, anchor, settle. The enforcement point itself is `apply.enforce`.

The level is measured before and after, and the application's own statements are watched; what does not hold is taken
back. Until a strategy is settled, an end of the program for any reason takes it back too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from trimtab.anchor.dimensions import dimensions
from trimtab.anchor.record import Measuring, make_anchor, measure_levels
from trimtab.anchor.state import read_state
from trimtab.apply.enforce import Enforcer
from trimtab.db.connection import Connection
from trimtab.errors import AnchorError, BusyError, KeyFileError, LedgerError, TrimtabError, UnapprovedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.pending import applied_changes, intents, pending
from trimtab.lifecycle.anchor_chain import keep, store_of
from trimtab.lifecycle.recover import answer_intents, take_back
from trimtab.lifecycle.same_server import require_same_server
from trimtab.lifecycle.stages import Stage, ended
from trimtab.lifecycle.watching import Seen, Watching
from trimtab.lifecycle.workshop import Workshop
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.model.report import Life, SecurityKept, Undeclared
from trimtab.model.strategy import Outcome, Strategy
from trimtab.model.workload import Query
from trimtab.observe.parents import read_parents
from trimtab.observe.snapshot import read_facts
from trimtab.settle.judge import kept_told, regressions, to_revert, unused
from trimtab.settle.rebuilt import is_rebuilt, size_told
from trimtab.validate.facts import Evidence


@dataclass(slots=True)
class Landing:
    """Brings proven strategies to the source and holds them there or takes them back.

    `reopen` makes the enforcement point anew, with a session of its own, where the server ended the one that writes.
    `unapproved` is why the last of those that people have to approve first was not applied.
    """

    workshop: Workshop
    snapshot: Snapshot
    enforcer: Enforcer
    watching: Watching
    reopen: Callable[[], Enforcer]
    messages: tuple[str, ...] = ()
    unapproved: UnapprovedError | None = None

    def land(self, lives: Sequence[Life]) -> tuple[list[Life], Anchor | None]:
        """Apply, anchor and settle the proven lives; return them as they ended, and the anchor of the new level."""
        watcher = self.workshop.watcher
        queries = _touched(lives, self.snapshot.workload.queries)
        watcher.stage(Stage.APPLY, "")
        unmeasured: set[str] = set()
        before = self._levels(queries, unmeasured.add)
        self.watching.before_changes()
        lives = [self._apply(life, lives) for life in lives]
        self.watching.after_changes()
        standing = [life for life in lives if life.applied]
        watcher.stage(Stage.APPLY, f"{sum(len(life.applied) for life in standing)} changes applied and verified")
        if not standing:
            return lives, None
        watcher.stage(Stage.ANCHOR, "")
        after = self._levels(queries)
        anchor = self._anchor(after, standing)
        watcher.stage(Stage.ANCHOR, f"level of {len(after)} queries recorded as {anchor.id}")
        watcher.stage(Stage.SETTLE, "")
        seen = self.watching.watch(standing)
        self.messages += (seen.told,) if seen.told else ()
        lives = self._settle(lives, before, after, seen, unmeasured)
        kept = [life for life in lives if life.outcome is Outcome.KEPT]
        watcher.stage(Stage.SETTLE, f"{len(kept)} strategies kept, {len(standing) - len(kept)} taken back")
        if len(kept) == len(standing):
            return lives, anchor
        # What was taken back is not part of the level that stands.
        return lives, self._anchor(self._levels(queries), kept) if kept else None

    @property
    def security(self) -> SecurityKept | None:
        """What comparing security around the changes found."""
        preserved = self.enforcer.preservation
        if preserved is None:
            return None
        # What still is so is found again by each later look.
        found = dict.fromkeys(
            Undeclared(each.code, each.effect.value, each.section, each.path) for each in preserved.found
        )
        return SecurityKept(preserved.compared, tuple(found), tuple(preserved.notes))

    def take_back_unsettled(self) -> None:
        """Revert what the ledger says was applied and not settled; what cannot be now stays there for `resume`."""
        with suppress(LedgerError):
            for applied in reversed(pending(self.workshop.ledger.entries(run_id=self.workshop.run_id)).unsettled):
                with suppress(TrimtabError):
                    self.enforcer.revert(applied)
            self._note_ends()

    def _note_ends(self) -> None:
        """Write the end of the strategies that this run began to apply and of which nothing stands or is open."""
        entries = tuple(self.workshop.ledger.entries(run_id=self.workshop.run_id))
        known = intents(entries)
        begun = dict.fromkeys(intent.intended.text("strategy_id") for intent in known)
        done = {intent.intended.text("strategy_id") for intent in known if intent.is_done}
        left = {intent.intended.text("strategy_id") for intent in known if intent.result is None}
        left |= {applied.strategy_id for applied in applied_changes(entries)}
        left |= {entry.text("strategy_id") for entry in entries if entry.kind is Kind.STRATEGY_SETTLED}
        for strategy_id in begun:
            if strategy_id not in left:
                outcome = Outcome.REVERTED if strategy_id in done else Outcome.FAILED
                self.workshop.journal.ended(strategy_id, outcome, "the run was broken off before it was settled")

    def _apply(self, life: Life, lives: Sequence[Life]) -> Life:
        earlier = tuple(other.strategy for other in lives if other.applied)
        try:
            applied = self.enforcer.apply(life.strategy, earlier, Evidence(life.prediction, life.trial))
        except (BusyError, LedgerError):
            raise
        except UnapprovedError as error:
            self.unapproved = error
            life = replace(life, note=f"waits for approval ({error.code}): trimtab approvals")
        except TrimtabError as error:
            life = ended(life, Stage.APPLY, Outcome.FAILED, f"{error}{self._mended(life.strategy)}")
            self.workshop.journal.settled(life)
        else:
            life = replace(life, applied=tuple(applied), note="")
        self.workshop.watcher.strategy(life)
        return life

    def _mended(self, strategy: Strategy) -> str:
        """Where the writing session was lost: go on in another one, once nothing of the strategy is left. Say so.

        What cannot be mended now stands in the ledger for `resume`.
        """
        if not self.enforcer.connection.closed:
            return ""
        ledger, run_id = self.workshop.ledger, self.workshop.run_id
        try:
            self.enforcer = replace(self.reopen(), preservation=self.enforcer.preservation)
            found = pending(ledger.entries(run_id=run_id)).intents
            _, problems = answer_intents(ledger, self.enforcer, self.snapshot, found)
            standing = applied_changes(ledger.entries(run_id=run_id), strategy_id=strategy.id)
            problems += take_back(self.enforcer, standing)[1]
        except LedgerError:
            raise
        except TrimtabError as error:
            problems = [error]
        return "; " + (str(problems[0]) if problems else "in a new session nothing of it was left")

    def _settle(
        self,
        lives: Sequence[Life],
        before: Mapping[str, QueryLevel],
        after: Mapping[str, QueryLevel],
        seen: Seen,
        unmeasured: Collection[str],
    ) -> list[Life]:
        limits = self.workshop.specification.settle
        lost = regressions(
            before,
            after,
            max_slowdown_percent=limits.max_slowdown_percent,
            floor_ms=limits.slowdown_floor_ms,
            unmeasured=unmeasured,
        )
        bad = to_revert(lives, [*lost, *seen.judged.slowed], unused(lives, before, after), seen.touched)
        settled = []
        for life in reversed(lives):
            if life.applied:
                told = kept_told(life, after, seen.judged.query_ids, seen.touched.get(life.strategy.id, ()))
                life = self._keep_or_revert(life, bad.get(life.strategy.id), told)  # noqa: PLW2901
                self.workshop.journal.settled(life)
                self.workshop.watcher.strategy(life)
            settled.append(life)
        return settled[::-1]

    def _keep_or_revert(self, life: Life, reason: str | None, kept: str) -> Life:
        if is_rebuilt([applied.change for applied in life.applied]):
            told = size_told(life.strategy.changes, self.snapshot, self.workshop.look_again()())
            lost = "" if reason is None else f"; {reason}, and nothing of a rebuild can be taken back"
            return ended(life, Stage.SETTLE, Outcome.KEPT, told + lost)
        if reason is None:
            return ended(life, Stage.SETTLE, Outcome.KEPT, kept)
        for applied in reversed(life.applied):
            self.enforcer.revert(applied)
        return ended(replace(life, applied=()), Stage.SETTLE, Outcome.REVERTED, reason)

    def _levels(
        self, queries: Sequence[Query], unmeasured: Callable[[str], None] = lambda _query_id: None
    ) -> dict[str, QueryLevel]:
        limits = self.workshop.specification.settle
        how = Measuring(
            runs=limits.runs,
            statement_timeout_ms=limits.statement_timeout_ms,
            max_seconds=limits.max_seconds,
            reads_are_run=limits.measure == "reads",
        )
        with self._reading(limits.statement_timeout_ms) as connection:
            return measure_levels(
                connection,
                queries,
                how,
                parents=read_parents(connection),
                progress=lambda done, total: self.workshop.watcher.progress("measuring on the source", done, total),
                unmeasured=unmeasured,
            )

    def _anchor(self, levels: Mapping[str, QueryLevel], standing: Sequence[Life]) -> Anchor:
        change_ids = tuple(applied.intent_id for life in standing for applied in life.applied)
        with self._reading(self.workshop.specification.settle.statement_timeout_ms) as connection:
            facts = read_facts(connection, self.snapshot.workload)
            specification = self.workshop.specification
            anchor = replace(
                make_anchor(connection, facts, levels, change_ids, now_ns=time.time_ns()),
                specification=(specification.id, specification.digest),
                dimensions=dimensions(tuple(levels.values()), None),
                state=read_state(connection, facts, {}),
            )
        return self._kept(anchor)

    def _kept(self, anchor: Anchor) -> Anchor:
        """Sign and keep the anchor. Where that cannot be, the level is in the ledger all the same: changes stand."""
        ledger = self.workshop.ledger
        try:
            return keep(store_of(ledger.path), ledger, anchor, self.workshop.run_id).anchor
        except (AnchorError, KeyFileError) as error:
            self.messages += (f"the anchor was not signed: {error}",)
            self.workshop.journal.anchored(anchor)
            return anchor

    def _reading(self, statement_timeout_ms: int) -> Connection:
        """A new session, so that settings made for the database or role are in force in it."""
        from trimtab.db.role import APPLYING, reading

        conninfo = self.workshop.request.conninfo
        connection = reading(conninfo, work=APPLYING, statement_timeout_ms=statement_timeout_ms)
        try:
            return require_same_server(connection, self.snapshot.server)
        except BaseException:
            connection.close()
            raise


def _touched(lives: Sequence[Life], queries: Sequence[Query]) -> list[Query]:
    """Return the queries that a trial measured: the strategies do not touch the others, which run as before."""
    ids = {query.query_id for life in lives if life.trial is not None for query in life.trial.queries}
    return [query for query in queries if query.id in ids]
