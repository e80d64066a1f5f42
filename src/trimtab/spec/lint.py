"""What is allowed in a document and most likely not meant: fields without effect, idle rules, loose parents, parents
that leave nothing of a list, changes that nobody would measure, approvers whose time is over.

Only what loads is looked at; what does not load is an error, and told by `load`. A finding refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.spec.approvers import pin_of
from trimtab.spec.expression_text import facts_named
from trimtab.spec.fact_names import FACTS, KNOWN_SUFFIX, declared_types, enumerations
from trimtab.spec.inherit import each_field
from trimtab.spec.load import Link, known_ids
from trimtab.spec.narrowing import ALLOW_LIST, ALLOW_PATTERNS, APPROVERS, SETTING_LIMITS
from trimtab.spec.rules import SpecRule

_OF_WHAT_IS_ALLOWED = (ALLOW_LIST, ALLOW_PATTERNS, APPROVERS, SETTING_LIMITS)
_COMPARED = re.compile(r"([a-z_]+(?:\.[a-z_]+)+) *(?:==|!=) *(['\"])((?:(?!\2).)*)\2")
_LISTED = re.compile(r"([a-z_]+(?:\.[a-z_]+)+) +in +\[([^\]]*)\]")
_TEXT = re.compile(r"(['\"])((?:(?!\1).)*)\1")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, on which line of the document, under a name that does not change."""

    code: str
    line: int | None
    message: str


def lint(links: Sequence[Link], *, now_unix: float) -> tuple[Finding, ...]:
    """Return what is worth a second look in the last document of a chain, by line. `now_unix` is the clock, seconds."""
    link = links[-1]
    found = [*_parents(link), *_emptied(link, links[:-1]), *_idle_fields(link, links[:-1])]
    found += [*_idle_rules(link), *_unmeasured(link), *_ended(link, now_unix)]
    return tuple(sorted(found, key=lambda finding: (finding.line or 0, finding.code, finding.message)))


def _parents(link: Link) -> Iterator[Finding]:
    if link.path is None:
        return  # shipped documents are versioned together
    for number, parent in enumerate(link.stated.parents):
        if "@sha256:" not in parent:
            what = "comes with each version of Trimtab" if parent in known_ids() else "may be edited by others"
            message = f"{parent} is not pinned: it {what}; write {parent}@sha256:..."
            yield Finding("unpinned_parent", link.stated.source.line(("extends", number)), message)


def _above(link: Link, before: Sequence[Link]) -> list[Link]:
    parents = {parent.partition("@")[0] for parent in link.stated.parents}
    return [known for known in before if known.effective.id in parents or (known.path and known.path.name in parents)]


def _emptied(link: Link, before: Sequence[Link]) -> Iterator[Finding]:
    """Lists of what is allowed of which each parent leaves something, and all of them together nothing."""
    above = [known.effective.limits for known in _above(link, before)]
    for section, field, path, narrowing in each_field():
        if narrowing not in _OF_WHAT_IS_ALLOWED or not above or field in link.stated.limits.get(section, {}):
            continue
        left, *inherited = (getattr(getattr(limits, section), field) for limits in (link.effective.limits, *above))
        if not left and all(inherited):
            message = f"nothing is left of {path}: what one parent allows another does not"
            yield Finding("nothing_left", link.stated.source.line(("extends",)), message)


def _idle_fields(link: Link, before: Sequence[Link]) -> Iterator[Finding]:
    above = _above(link, before)
    for section, field, path, narrowing in each_field():
        own = link.stated.limits.get(section, {})
        if field not in own or not above:
            continue
        inherited = [getattr(getattr(known.effective.limits, section), field) for known in above]
        if narrowing.adds:
            is_idle = any(narrowing.meet(value, own[field]) == value for value in inherited)
        else:
            is_idle = own[field] in inherited
        if is_idle:
            line = link.stated.source.line(("spec", *path.split(".")))
            yield Finding("no_effect", line, f"{path} says what a parent says already")


def _unmeasured(link: Link) -> Iterator[Finding]:
    if link.stated.limits.get("settle", {}).get("measure") == "plans":
        message = (
            "settle.measure: plans runs no query on the source: a change is kept by its plans alone wherever the "
            "application's own statements are not counted enough to tell (a workload of a file, no traffic, "
            "settle.watch_seconds: 0)"
        )
        yield Finding("unmeasured", link.stated.source.line(("spec", "settle", "measure")), message)


def _ended(link: Link, now_unix: float) -> Iterator[Finding]:
    stated = link.stated.limits.get("approvals", {}).get("approvers")
    for number, pin in enumerate(map(pin_of, stated if isinstance(stated, tuple) else ())):
        if pin.not_after_unix is not None and pin.not_after_unix <= now_unix:
            line = link.stated.source.line(("spec", "approvals", "approvers", number))
            yield Finding("ended_approver", line, f"{pin.who.partition('=')[0]} approves nothing any more: {pin}")


def _idle_rules(link: Link) -> Iterator[Finding]:
    types = declared_types()
    for position, rule in enumerate(link.stated.rules):
        line = link.stated.source.line(("rules", position))
        named = (*facts_named(rule.when, types), *rule.facts)
        if not rule.facts:
            yield Finding("constant_rule", line, f"rule {rule.id} asserts what hangs on no fact")
        for fact in _unguarded(rule, named):
            message = f"rule {rule.id} blocks every change of which {fact} is unknown; ask {fact}{KNOWN_SUFFIX} first"
            yield Finding("unguarded_fact", line, f"{message}, or restrict `when`")
        for fact, word in _words(rule):
            known = enumerations().get(fact)
            if known is not None and word not in known:
                message = f"rule {rule.id} compares {fact} with {word!r}, which it never is: {', '.join(known)}"
                yield Finding("unknown_word", line, message)


def _unguarded(rule: SpecRule, named: Sequence[str]) -> Iterator[str]:
    """Facts of which nothing says that they are known: neither their companion, nor a `when` at all."""
    optional = {fact.name for fact in FACTS if fact.may_be_unknown}
    for fact in dict.fromkeys(named):
        if fact in optional and fact + KNOWN_SUFFIX not in named and rule.when == "true":
            yield fact


def _words(rule: SpecRule) -> Iterator[tuple[str, str]]:
    for text in (rule.when, rule.assertion):
        for fact, _, word in _COMPARED.findall(text):
            yield fact, word
        for fact, words in _LISTED.findall(text):
            for _, word in _TEXT.findall(words):
                yield fact, word
