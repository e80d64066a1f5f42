"""What the `trimtab spec` commands do: options into calls, results onto stdout. Decides nothing itself."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import print_json, stdout_console
from trimtab.cli.text import printable
from trimtab.durable import read_plain_file
from trimtab.errors import RefusedError, SpecError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from trimtab.model.strategy import Verdict
    from trimtab.spec.difference import Difference
    from trimtab.validate.decision import Decision
    from trimtab.validate.table_tests import Ended

FOUND = RefusedError.exit_code
_MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Judged:
    """The options of `trimtab spec validate`, as given."""

    file: Path
    dsn: str | None
    database: str | None
    spec: str | None
    record: Path | None
    config: Path | None


def new(spec_id: str, *, extends: str, out: Path | None, as_json: bool) -> None:
    """Write the first lines of a specification to a file, or print them."""
    from trimtab.spec.load import DEFAULT_ID
    from trimtab.spec.new import new_document

    directory = out.parent if out is not None else Path()
    text = new_document(spec_id, extends or DEFAULT_ID, directory=directory)
    if out is not None:
        write_new(out, text)
    if as_json:
        print_json({"schema": "trimtab.spec.new/v1", "path": str(out) if out else None, "text": text})
    elif out is None:
        print(text, end="")
    else:
        show_line(stdout_console(), f"{out} was written; `trimtab spec lint {out}` checks it")


def lint(reference: str, *, is_strict: bool, as_json: bool) -> int:
    """Load it, which refuses what cannot be used, and print what is worth a second look."""
    from trimtab.spec.lint import lint as findings_of
    from trimtab.spec.load import lineage

    links = lineage(_located(reference))
    findings = findings_of(links, now_unix=time.time())
    specification = links[-1].effective
    if as_json:
        print_json(
            {
                "schema": "trimtab.spec.lint/v1",
                "id": specification.id,
                "digest": specification.digest,
                "findings": [{"code": f.code, "line": f.line, "message": f.message} for f in findings],
            }
        )
    else:
        console = stdout_console()
        for finding in findings:
            where = f"line {finding.line}: " if finding.line else ""
            show_line(console, f"{where}{finding.message} [{finding.code}]")
        show_line(console, f"{specification.id}: {len(findings)} findings, {len(specification.rules)} rules of its own")
    return FOUND if findings and is_strict else 0


def effective(reference: str, *, as_json: bool) -> None:
    """Print what it means, and its digest."""
    from trimtab.spec.load import load_spec

    specification = load_spec(_located(reference))
    document = {"chain": list(specification.chain), "digest": specification.digest, **specification.document()}
    if as_json:
        print_json({"schema": "trimtab.spec.effective/v1", **document})
        return
    import yaml

    print(yaml.safe_dump(specification.document(), sort_keys=False, allow_unicode=False, width=120), end="")
    print(f"# {' <- '.join(reversed(specification.chain))}\n# sha256:{specification.digest}")


def explain(reference: str, path: str | None, *, as_json: bool) -> None:
    """Print where each field and rule comes from."""
    from trimtab.spec.explain import explain as explained
    from trimtab.spec.load import lineage

    found = explained(lineage(_located(reference)), path)
    if as_json:
        fields = [
            {
                "path": one.path,
                "value": one.value,
                "stated_by": [{"id": statement.document, "value": statement.value} for statement in one.stated_by],
                "child": one.child,
            }
            for one in found
        ]
        print_json({"schema": "trimtab.spec.explain/v1", "fields": fields})
        return
    console = stdout_console()
    for one in found:
        show_line(console, f"{one.path}: {_shown(one.value)}")
        for statement in one.stated_by:
            show_line(console, f"    {statement.document}: {_shown(statement.value)}")
        show_line(console, f"    a child {one.child}")


def diff(before: str, after: str, *, is_strict: bool, as_json: bool) -> int:
    """Print what differs, and which way."""
    from trimtab.spec.difference import Direction, differences
    from trimtab.spec.load import load_spec

    old, new = load_spec(_located(before)), load_spec(_located(after))
    found = differences(old, new)
    if as_json:
        print_json(
            {
                "schema": "trimtab.spec.diff/v1",
                "before": {"id": old.id, "revision": old.revision, "digest": old.digest},
                "after": {"id": new.id, "revision": new.revision, "digest": new.digest},
                "differences": [
                    {"path": one.path, "direction": one.direction.value, "before": one.before, "after": one.after}
                    for one in found
                ],
            }
        )
    else:
        _show_differences(found, stdout_console())
    is_looser = any(one.direction is not Direction.TIGHTENED for one in found)
    return FOUND if is_strict and is_looser else 0


def run_tests(files: Sequence[Path], *, spec: str | None, as_json: bool) -> int:
    """Run the cases of all files, and print those that did not end as expected."""
    from trimtab.spec.load import known_ids, load_spec
    from trimtab.spec.reading import read_document
    from trimtab.validate.table_tests import read_test

    ended: list[tuple[Path, Ended]] = []
    for path in files:
        test = read_test(read_document(read_file(path), str(path)))
        named = test.specification if test.specification in known_ids() else path.parent / test.specification
        ended.extend((path, one) for one in test.run(load_spec(_located(spec) if spec is not None else named)))
    failed = [(path, one) for path, one in ended if not one.is_as_expected]
    if as_json:
        cases = [{"file": str(path), **_case(one)} for path, one in ended]
        print_json({"schema": "trimtab.spec.test/v1", "cases": cases, "failed": len(failed)})
    else:
        console = stdout_console()
        for path, one in failed:
            show_line(console, f"{path}: {one.name}")
            show_line(console, f"    expected {_ids(one.expected)}, warned by {_ids(one.expected_warnings)}")
            show_line(console, f"    found    {_ids(one.found)}, warned by {_ids(one.found_warnings)}")
        show_line(console, f"{len(ended) - len(failed)} of {len(ended)} cases ended as expected")
    return FOUND if failed else 0


def validate(asked: Judged, *, as_json: bool) -> int:
    """Judge a strategy, or a recorded decision again."""
    from trimtab.validate.decision import (
        FORMAT,
        facts_digest,
        read_json,
        record,
        recorded,
        verdict_bytes,
        verdict_document,
    )

    document = read_json(read_file(asked.file))
    is_record = document.get("format") == FORMAT
    if is_record:
        decision, written = recorded(document)
    else:
        decision, written = _decision(asked, document), b""
    verdict = decision.verdict()
    if is_record and verdict_bytes(verdict) != written:
        raise _another_verdict(asked.file, json.loads(written), verdict)
    if asked.record is not None:
        write_new(asked.record, json.dumps(record(decision), indent=2) + "\n")
    if as_json:
        about = {"replayed": is_record, "facts_digest": facts_digest(decision.facts)}
        print_json({"schema": "trimtab.spec.validate/v1", **about, **verdict_document(verdict)})
    else:
        console = stdout_console()
        for violation in (*verdict.violations, *verdict.warnings):
            show_line(console, f"{violation.severity} by {violation.rule_id} at {violation.path}: {violation.message}")
        for waived in verdict.waived:
            rule = waived.violation
            show_line(console, f"waived by {waived.waiver_id}: {rule.rule_id} at {rule.path}: {rule.message}")
        word = "compliant" if verdict.compliant else "not compliant"
        score = "no rule applied" if verdict.score is None else f"score {verdict.score:.1f}"
        again = "; the recorded verdict, byte for byte" if is_record else ""
        show_line(console, f"{word} with {verdict.spec_id} {verdict.spec_digest[:12]} ({score}){again}")
    return 0 if verdict.compliant else FOUND


def _another_verdict(file: Path, written: Mapping[str, object], verdict: Verdict) -> SpecError:
    engine = str(written.get("engine_version", "unknown"))
    if engine == verdict.engine_version:
        found, step = "decided again, it comes to another verdict than it holds", "It was altered: trust nothing in it."
    else:
        found = (
            f"it was decided by rules of the version {engine}, and these are of the version {verdict.engine_version}"
        )
        step = "Decide it again with the Trimtab that decided it; or validate its strategy anew."
    return SpecError(f"the decision {file} was refused: {found}", code="spec.replay", next_step=step)


def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of document."""
    from trimtab.spec.schema import KINDS, json_schema

    if kind not in KINDS:
        raise UsageError(
            f"the kind {kind!r} was refused: there are {', '.join(KINDS)}",
            code="usage.arguments",
            next_step="Give one of these.",
        )
    print_json(json_schema(kind))


def _decision(asked: Judged, document: dict[str, object]) -> Decision:
    from trimtab.cli.commands import ledger_of, load, source_of
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.governing import governing
    from trimtab.lifecycle.judging import facts_of
    from trimtab.validate.decision import Decision, strategy_from_dict

    strategy = strategy_from_dict(document)
    config = load(asked.config)
    ledger_path = ledger_of(config)
    specification = governing(asked.spec or config.defaults.spec, ledger_path)
    source = source_of(asked.dsn, asked.database, config)
    return Decision(strategy, specification, facts_of(conninfo_for(source, None), ledger_path))


def _located(reference: str) -> str | Path:
    """Return the file of a reference to a bundle here; another reference as it is."""
    from trimtab.cli.commands import ledger_of, load
    from trimtab.lifecycle.governing import located

    return located(reference, ledger_of(load(None))) if reference.startswith("bundle:") else reference


def read_file(path: Path) -> bytes:
    """Return what the file holds. Raises SpecError `spec.unreadable`."""
    try:
        text = read_plain_file(path, _MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    if len(text) > _MAX_FILE_BYTES:
        raise _unreadable(path, "it is too large")
    return text


def _unreadable(path: Path, found: str) -> SpecError:
    return SpecError(
        f"{path} cannot be read: {found}",
        code="spec.unreadable",
        next_step="Give the path of a file that you may read.",
    )


def write_new(path: Path, text: str) -> None:
    """Write a new file. Raises UsageError `usage.out`, also when the file is there."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            code="usage.out",
            next_step="Give the path of a new file, in a directory that you may write to.",
        ) from None


def _show_differences(found: Sequence[Difference], console: Console) -> None:
    for one in found:
        show_line(console, f"{one.direction.value:<9} {one.path}: {_shown(one.before)} -> {_shown(one.after)}")
    if not found:
        show_line(console, "no difference")


def _case(one: Ended) -> dict[str, object]:
    return {
        "name": one.name,
        "as_expected": one.is_as_expected,
        "expected": list(one.expected),
        "found": list(one.found),
        "expected_warnings": list(one.expected_warnings),
        "found_warnings": list(one.found_warnings),
    }


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "nothing"


def _shown(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)


def show_line(console: Console, text: str) -> None:
    """Print one line, as it is; what a terminal would obey is escaped."""
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)
