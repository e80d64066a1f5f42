"""The pages of changes, anchors, specifications and the ledger: each reads its values and fills its template."""

from __future__ import annotations

import json
from dataclasses import replace

from starlette.responses import Response

from trimtab import api
from trimtab.lifecycle.stages import Stage
from trimtab.model.strategy import Outcome
from trimtab.report.life_plot import life_plot
from trimtab.web import reading
from trimtab.web.asked import Parameter
from trimtab.web.context import Context
from trimtab.web.guard import PLOT_POLICY

SERIES = Parameter("series", "Which series to draw, by its place in the list.", "integer", otherwise=0)


def changes(context: Context) -> Response:
    """The board."""
    board = reading.board(context.site, context.asked)
    waiting = [each for each in context.site.ledger().waiting if each.is_open]
    return context.page("changes.html", title="Changes", section="changes", board=board, waiting=waiting)


def change_list(context: Context) -> Response:
    """All strategies, page by page."""
    page = reading.changes(context.site, context.asked)
    databases = sorted({card.database for card in context.site.ledger().cards})
    return context.page(
        "change_list.html",
        title="All strategies",
        section="changes",
        page=page,
        stages=list(Stage),
        outcomes=list(Outcome),
        databases=databases,
    )


def change(context: Context) -> Response:
    """One strategy, whole."""
    found = reading.change(context.site, context.asked)
    proof = api.entry_proof(found.entries[-1].seq, ledger_path=context.site.options.ledger_path)
    return context.page(
        "change.html", title=f"Strategy {found.card.strategy_id}", section="changes", found=found, proof=proof
    )


def anchors(context: Context) -> Response:
    """All anchors."""
    found = reading.anchors(context.site, context.asked)
    return context.page("anchors.html", title="Anchors", section="anchors", anchors=found)


def anchor(context: Context) -> Response:
    """One anchor: its levels, and how the database has evolved."""
    name = reading.known_anchor(context.site, context.asked)
    path = context.site.options.ledger_path
    signed = api.anchor(name, ledger_path=path)
    standing = next(each for each in reading.anchors(context.site, context.asked) if each.id == name)
    evolved = api.track_evolution(name, ledger_path=path)
    return context.page(
        "anchor.html",
        title=f"Anchor {name}",
        section="anchors",
        signed=signed,
        anchor=signed.anchor,
        standing=standing,
        evolved=evolved,
    )


def anchor_plot(context: Context) -> Response:
    """The life of one series of an anchor's database, as a picture."""
    name = reading.known_anchor(context.site, context.asked)
    evolved = api.track_evolution(name, ledger_path=context.site.options.ledger_path)
    number = context.asked.number(replace(SERIES, most=max(len(evolved) - 1, 0)))
    if not evolved:
        return Response(status_code=404)
    return picture(life_plot(evolved[number].evolution))


def picture(svg: str) -> Response:
    """Return a picture, as a document of its own."""
    return Response(svg, media_type="image/svg+xml", headers={"content-security-policy": PLOT_POLICY})


def specifications(context: Context) -> Response:
    """The specifications that may be shown."""
    found = reading.specifications(context.site, context.asked)
    return context.page("specifications.html", title="Specifications", section="specifications", specifications=found)


def specification(context: Context) -> Response:
    """One specification, effective, and where each field comes from."""
    import yaml

    found = reading.specification(context.site, context.asked)
    text = yaml.safe_dump(found.document, sort_keys=False, allow_unicode=False, width=100)
    return context.page(
        "specification.html",
        title=f"Specification {found.id}",
        section="specifications",
        found=found,
        text=text,
        explained=_explained(context, found.name),
        names=list(context.site.specifications()),
    )


def _explained(context: Context, name: str) -> list[object]:
    from trimtab.lifecycle.governing import located
    from trimtab.spec.explain import explain
    from trimtab.spec.load import lineage

    reference = context.site.specifications()[name]
    return list(explain(lineage(located(reference, context.site.options.ledger_path)), None))


def specification_difference(context: Context) -> Response:
    """What differs between two specifications."""
    found = reading.specification_difference(context.site, context.asked)
    return context.page(
        "specification_difference.html",
        title="Difference of specifications",
        section="specifications",
        found=found,
        names=list(context.site.specifications()),
        told=[(each, _json(each.before), _json(each.after)) for each in found.differences],
    )


def ledger(context: Context) -> Response:
    """The ledger, page by page."""
    page = reading.ledger_page(context.site, context.asked)
    return context.page(
        "ledger.html", title="Ledger", section="ledger", page=page, kind=context.asked.text(reading.KIND)
    )


def verified(context: Context) -> Response:
    """Whether the ledger is what was written."""
    found = reading.verified(context.site, context.asked)
    return context.page("verified.html", title="Verification of the ledger", section="ledger", found=found)


def entry(context: Context) -> Response:
    """One entry, and the proof that it is in the ledger."""
    found = reading.entry(context.site, context.asked)
    proof = reading.proof(context.site, context.asked)
    return context.page(
        "entry.html", title=f"Entry {found.seq}", section="ledger", found=found, proof=proof, body=_json(found.body)
    )


def proof_file(context: Context) -> Response:
    """The proof of an entry as the file that `trimtab ledger verify` takes; 404 where nobody has signed."""
    found = reading.proof(context.site, context.asked)
    if found.document is None:
        return Response("no signed checkpoint covers this entry\n", 404, media_type="text/plain")
    name = f"entry-{found.seq}.proof.json"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(found.document, media_type="application/json", headers=headers)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True)
