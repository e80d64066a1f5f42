"""The options of the `trimtab spec` commands about signed documents: keys, waivers and bundles."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import Config, Json, Spec

spec_signing_app = typer.Typer(rich_markup_mode=None)


class For(StrEnum):
    """What a key is believed for."""

    WAIVERS = "waivers"
    BUNDLES = "bundles"


Purpose = Annotated[For, typer.Option("--for", help="What the key is believed for: waivers or bundles.")]
KeyFile = Annotated[
    Path, typer.Option("--key", help="The secret key, which nobody else may read; made when not there.")
]


@spec_signing_app.command(epilog="Example: trimtab spec key --key ~/ann.key --out ann.pub   (give ann.pub away)")
def key(
    *,
    key: KeyFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new file for the public half.")],
    json: Json = False,
) -> None:
    """Make the key that a person signs with, where there is none, and write its public half."""
    from trimtab.cli import spec_signing

    spec_signing.export_key(key, out, as_json=json)


@spec_signing_app.command(epilog="Example: trimtab spec sign waiver.yaml --key ~/ann.key --out waiver.signed")
def sign(
    file: Annotated[Path, typer.Argument(help="A waiver, a bundle's manifest, or either as signed by somebody else.")],
    *,
    key: KeyFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new file for the signed document.")],
    json: Json = False,
) -> None:
    """Check a waiver or a bundle's manifest, and sign it; a signed one is signed by one more."""
    from trimtab.cli import spec_signing

    spec_signing.sign(file, key, out, as_json=json)


@spec_signing_app.command(
    epilog="Example: trimtab spec trust dba.ann ann.pub --for waivers   (no name: who is trusted)"
)
def trust(
    name: Annotated[str | None, typer.Argument(help="The name that waivers call its holder by.")] = None,
    file: Annotated[Path | None, typer.Argument(help="The public key.")] = None,
    *,
    purpose: Purpose = For.WAIVERS,
    until: Annotated[
        str | None, typer.Option("--until", metavar="MOMENT", help="Believe it until then, as 2027-12-31T18:00:00Z.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Believe the key of that name no more.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Believe a public key on this machine, or list those that are believed."""
    from trimtab.cli import spec_signing

    spec_signing.trust(name, file, purpose.value, until=until, remove=remove, config=config, as_json=json)


@spec_signing_app.command(
    epilog="Example: trimtab spec waive waiver.signed --spec shop.yaml   (no file: what is waived)"
)
def waive(
    file: Annotated[Path | None, typer.Argument(help="A signed waiver.")] = None,
    *,
    spec: Spec = None,
    remove: Annotated[str | None, typer.Option("--remove", help="Take the waiver of this id out of force.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Take a signed waiver into force on this machine, or list those that are."""
    from trimtab.cli import spec_signing

    spec_signing.waive(file, spec=spec, remove=remove, config=config, as_json=json)


@spec_signing_app.command(epilog="Example: trimtab spec bundle rules/ --id SHOP_RULES --revision 7 --days 30")
def bundle(
    directory: Annotated[Path, typer.Argument(help="The directory of its specifications.")],
    *,
    id: Annotated[str, typer.Option("--id", help="The id of the bundle.")],
    revision: Annotated[int, typer.Option("--revision", help="Larger than that of the bundle before.", min=1)],
    days: Annotated[int, typer.Option("--days", help="For how long it holds.", min=1, max=3650)] = 90,
    json: Json = False,
) -> None:
    """Write bundle.yaml, the manifest of all specifications of a directory; sign it as bundle.signed, beside it."""
    from trimtab.cli import spec_signing

    spec_signing.bundle(directory, bundle_id=id, revision=revision, days=days, as_json=json)


@spec_signing_app.command(
    epilog="Example: trimtab spec install rules/bundle.signed   (then --spec bundle:SHOP_RULES/shop.yaml)"
)
def install(
    file: Annotated[Path | None, typer.Argument(help="The signed manifest, beside its files.")] = None,
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """Take a signed bundle into force on this machine, or list those that are."""
    from trimtab.cli import spec_signing

    spec_signing.install(file, config=config, as_json=json)
