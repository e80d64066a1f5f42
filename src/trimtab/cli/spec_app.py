"""The options of the `trimtab spec` commands. Each body gathers them, calls one function of `specs`, and is done."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Database, Dsn, Json, Spec
from trimtab.cli.spec_signing_app import spec_signing_app

spec_app = typer.Typer(
    help="Write, check, compare and test the specifications that say what may be changed.",
    epilog="Example: trimtab spec new SHOP_PRODUCTION --out shop.yaml, then trimtab spec lint shop.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

spec_app.add_typer(spec_signing_app)  # without a name: its commands are those of `spec` too

Named = Annotated[str, typer.Argument(help="A specification: file or id.", metavar="SPEC")]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 5 when anything was found.")]


@spec_app.command(epilog="Example: trimtab spec new SHOP_PRODUCTION --extends DB_GOVERNANCE_SPEC_V2 --out shop.yaml")
def new(
    id: Annotated[str, typer.Argument(help="The id of the new document: capitals, digits, underscores.")],
    *,
    extends: Annotated[str, typer.Option("--extends", help="What it narrows: a file or an id.")] = (
        "DATABASE_OPTIMIZATION_SPEC_V4"
    ),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write, a new one; else stdout.")] = None,
    json: Json = False,
) -> None:
    """Write the first lines of a specification of your own, which extends another, pinned by its digest."""
    from trimtab.cli import specs

    specs.new(id, extends=extends, out=out, as_json=json)


@spec_app.command(epilog="Example: trimtab spec lint shop.yaml --strict")
def lint(spec: Named, *, strict: Strict = False, json: Json = False) -> int:
    """Check that a specification can be used, and say what in it is most likely not meant."""
    from trimtab.cli import specs

    return specs.lint(spec, is_strict=strict, as_json=json)


@spec_app.command(epilog="Example: trimtab spec effective shop.yaml   (its last line is the digest, to pin it by)")
def effective(spec: Named, *, json: Json = False) -> None:
    """Print what a specification means, all inheritance resolved, and its digest."""
    from trimtab.cli import specs

    specs.effective(spec, as_json=json)


@spec_app.command(epilog="Example: trimtab spec explain shop.yaml indexes.max_size")
def explain(
    spec: Named,
    path: Annotated[str | None, typer.Argument(help="A field, a section, or rules.ID; else all.")] = None,
    *,
    json: Json = False,
) -> None:
    """Say of each field and rule what holds, which document of the chain stated it, and what a child may write."""
    from trimtab.cli import specs

    specs.explain(spec, path, as_json=json)


@spec_app.command(epilog="Example: trimtab spec diff main/shop.yaml shop.yaml --strict   (in a review: is it looser?)")
def diff(
    before: Annotated[str, typer.Argument(help="A specification: file or id.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 5 when anything is allowed that was not.")
    ] = False,
    json: Json = False,
) -> int:
    """Say of each field that differs whether it was loosened or tightened."""
    from trimtab.cli import specs

    return specs.diff(before, after, is_strict=strict, as_json=json)


@spec_app.command("test", epilog="Example: trimtab spec test shop.test.yaml")
def run_tests(
    files: Annotated[list[Path], typer.Argument(help="Documents of the kind SpecTest.")],
    *,
    spec: Annotated[
        str | None, typer.Option("--spec", help="Test this specification instead of the one that they name.")
    ] = None,
    json: Json = False,
) -> int:
    """Run the tests of a specification: changes, and the rules that they must break. Connects to nothing."""
    from trimtab.cli import specs

    return specs.run_tests(files, spec=spec, as_json=json)


@spec_app.command(epilog="Example: trimtab spec validate strategy.json service=shop --spec shop.yaml --record why.json")
def validate(
    file: Annotated[Path, typer.Argument(help="A strategy in JSON, or a decision that --record wrote.")],
    dsn: Dsn = None,
    *,
    database: Database = None,
    spec: Spec = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write the decision to this new file.")] = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Judge a strategy on the facts of a database; or decide a recorded decision again, and compare the bytes."""
    from trimtab.cli import specs

    asked = specs.Judged(file=file, dsn=dsn, database=database, spec=spec, record=record, config=config)
    return specs.validate(asked, as_json=json)


@spec_app.command(epilog="Example: trimtab spec schema > optimization-spec.schema.json")
def schema(
    *,
    kind: Annotated[
        str, typer.Option("--kind", help="OptimizationSpec, Waiver or SpecBundle: what the documents are.")
    ] = "OptimizationSpec",
) -> None:
    """Print the JSON Schema of specifications, waivers or bundles, for editors."""
    from trimtab.cli import specs

    specs.schema(kind)
