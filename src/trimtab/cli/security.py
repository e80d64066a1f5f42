"""What the `trimtab security` commands do: options into calls of the library, results onto stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stdout_console
from trimtab.cli.text import printable
from trimtab.errors import RegressionError
from trimtab.report.security import baseline_document, check_document, diff_document
from trimtab.security.catalogue import item

if TYPE_CHECKING:
    from trimtab.lifecycle.securing import Compared
    from trimtab.security.difference import Difference
    from trimtab.security.findings import Finding
    from trimtab.security.snapshot import SecuritySnapshot
    from trimtab.security.transport import Transport

SHOWN = 40


def baseline(dsn: str | None, database: str | None, out: Path | None, *, config: Path | None, as_json: bool) -> None:
    """Take a baseline and print what it says."""
    from trimtab import api

    loaded = load(config)
    taken = api.security_baseline(source_of(dsn, database, loaded), out=out, ledger_path=ledger_of(loaded))
    if as_json:
        print_json(baseline_document(taken))
        return
    snapshot = taken.baseline.snapshot
    _say(f"baseline of {snapshot.database}: {snapshot.count} rows, digest {snapshot.digest[:16]}")
    _say(f"signed by {taken.baseline.key_id}: {taken.path}")
    _tell_unreadable(snapshot)
    _tell_transport(taken.transport)
    _tell_findings(taken.findings)


def check(
    dsn: str | None,
    database: str | None,
    baseline: Path | None,
    keys: Sequence[Path],
    *,
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare a server with its baseline. What is weakened is an error, after the result was printed."""
    from trimtab import api

    loaded = load(config)
    source = source_of(dsn, database, loaded)
    checked = api.security_check(source, baseline=baseline, keys=keys, ledger_path=ledger_of(loaded))
    if as_json:
        print_json(check_document(checked))
    else:
        _tell_compared(checked.compared)
        _tell_transport(checked.transport)
        _tell_findings(checked.findings)
    _fail_if_weakened(checked.compared)


def diff(before: Path, after: Path, keys: Sequence[Path], *, fails: bool, config: Path | None, as_json: bool) -> None:
    """Compare two documents. With `fails` what is weakened is an error."""
    from trimtab import api

    compared = api.security_diff(before, after, keys=keys, ledger_path=ledger_of(load(config)))
    if as_json:
        print_json(diff_document(compared))
    else:
        _tell_compared(compared)
    if fails:
        _fail_if_weakened(compared)


def _fail_if_weakened(compared: Compared) -> None:
    weakened = compared.weakened
    if weakened:
        first = weakened[0]
        raise RegressionError(
            f"security is weakened, or it is not known, in {len(weakened)} ways; the first is {first.code} "
            f"at {printable(first.path, limit=200)}",
            code="security.weakened",
            next_step="Undo it, or, where it is meant, take a new baseline with `trimtab security baseline`.",
        )


def _tell_compared(compared: Compared) -> None:
    _say(
        f"{compared.after.database} beside its baseline: {len(compared.differences)} differences, "
        f"{len(compared.weakened)} weakened or unknown"
    )
    if compared.before.role != compared.after.role:
        _say(
            f"  taken as {compared.before.role}, looked at as {compared.after.role}: one may see what the other may not"
        )
    _tell_unreadable(compared.after)
    worst_first = sorted(compared.differences, key=lambda each: not each.effect.counts_as_weakened)
    for each in worst_first[:SHOWN]:
        told = f"{printable(each.path, limit=300)}{_values(each)}{_benchmark(each)}"
        _say(f"  {each.effect.value:<12} {each.code:<34} {told}")
    if len(worst_first) > SHOWN:
        _say(f"  and {len(worst_first) - SHOWN} more; --json has all")


def _benchmark(each: Difference) -> str:
    numbers = item(each.code).cis
    return f"  [CIS {', '.join(numbers)}]" if numbers else ""


def _values(each: Difference) -> str:
    if isinstance(each.before, Mapping) or isinstance(each.after, Mapping):
        return "  (new)" if each.before is None else "  (gone)"
    return f"  {printable(_shown(each.before), limit=120)} -> {printable(_shown(each.after), limit=120)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return str(value)


def _tell_unreadable(snapshot: SecuritySnapshot) -> None:
    for section, why in snapshot.unreadable.items():
        _say(f"  not seen     {section}: {why}")


def _tell_transport(seen: Transport) -> None:
    tls = {None: "not known", True: "on", False: "off"}[seen.tls]
    versions = f"{seen.least_version or '?'} to {seen.most_version or 'the newest'}"
    _say(
        f"TLS: {tls}, {versions}; key exchange {seen.key_exchange.replace('_', '-')} ({printable(seen.groups or '?')})"
    )
    own = seen.connection
    protected = own.version or ("GSSAPI" if own.is_gss_encrypted else "nothing")
    _say(f"this connection: {'local, ' if own.is_local else ''}protected by {protected}")
    weak = "not known" if seen.weak_hashes is None else str(seen.weak_hashes)
    _say(f"passwords: new ones {seen.password_hashing or 'not known'}; roles with a weak hash: {weak}")


def _tell_findings(found: Sequence[Finding]) -> None:
    found = [each for each in found if each.code != "warning.unreadable"]  # which is told above
    for each in found[:SHOWN]:
        _say(f"  warning ({each.severity.value}) {each.code}: {printable(each.subject, limit=200)}: {each.found}")
    if len(found) > SHOWN:
        _say(f"  and {len(found) - SHOWN} more warnings; --json has all")


def _say(text: str) -> None:
    stdout_console().print(printable(text), highlight=False, markup=False, soft_wrap=True)
