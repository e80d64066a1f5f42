"""The keys that Trimtab signs with, and those that it believes. Two kinds always go together: Ed25519 and ML-DSA-65.

A signer's seeds are one file that nobody else may read; its public half is another, to be given away. A key is known by
the digest of both public keys, so that neither can be exchanged alone. Decides nothing about what is signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from trimtab.durable import open_plain_file, read_plain_file, write_durably
from trimtab.errors import KeyFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

SECRET_FORMAT, PUBLIC_FORMAT = "trimtab.secret-key/v1", "trimtab.public-key/v1"
_SEED_BYTES = 32
_ED25519_BYTES, _ML_DSA_BYTES = 32, 1952
_MOST_BYTES = 1 << 16
_REPLACEABLE = (
    "If nobody has read it, run `chmod 600 {path}`; else put another in its place: a ledger's by `trimtab ledger key "
    "--rotate`, after that chmod; any other is made anew where it is missing."
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Both public keys, raw."""

    ed25519: bytes
    ml_dsa_65: bytes

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the digest of both."""
        return hashlib.sha256(self.ed25519 + self.ml_dsa_65).hexdigest()[:16]

    def to_dict(self) -> dict[str, str]:
        """Return it as its file holds it."""
        return {
            "format": PUBLIC_FORMAT,
            "key_id": self.id,
            "ed25519": base64.b64encode(self.ed25519).decode(),
            "ml_dsa_65": base64.b64encode(self.ml_dsa_65).decode(),
        }


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Both private keys, as the seeds that they are made of."""

    ed25519_seed: bytes
    ml_dsa_65_seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.public.id})"

    @property
    def ed25519(self) -> Ed25519PrivateKey:
        """The Ed25519 key (RFC 8032)."""
        return _ed25519(self.ed25519_seed)

    @property
    def ml_dsa_65(self) -> MLDSA65PrivateKey:
        """The ML-DSA-65 key (FIPS 204)."""
        return _ml_dsa_65(self.ml_dsa_65_seed)

    @property
    def public(self) -> PublicKey:
        """What verifies its signatures."""
        return _public_half(self)


@lru_cache(maxsize=4)
def _ed25519(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=4)
def _ml_dsa_65(seed: bytes) -> MLDSA65PrivateKey:
    """To make the key of its seed takes a good part of what a signature takes."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    return MLDSA65PrivateKey.from_seed_bytes(seed)


@lru_cache(maxsize=4)
def _public_half(key: SigningKey) -> PublicKey:
    return PublicKey(key.ed25519.public_key().public_bytes_raw(), key.ml_dsa_65.public_key().public_bytes_raw())


def signing_key(path: Path) -> SigningKey:
    """Return the key of a file that this user alone may read; where there is none, one is made and written durably.

    Raises KeyFileError `key.readable` when others may read it, `key.damaged`, `key.unusable`.
    """
    try:
        held = _document(path, private_bytes(path, most=_MOST_BYTES + 1, advice=_REPLACEABLE), SECRET_FORMAT)
    except FileNotFoundError:
        return _made(path)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    return SigningKey(
        _bytes(path, held, "ed25519_seed", _SEED_BYTES), _bytes(path, held, "ml_dsa_65_seed", _SEED_BYTES)
    )


def private_bytes(path: Path, *, most: int, advice: str) -> bytes:
    """Return what a file of this user alone holds, no more than `most` bytes; never through a link.

    `advice` says what to do when others may read it, with the path as `{path}`. Raises KeyFileError `key.readable`,
    OSError.
    """
    with open_plain_file(path, follows_links=False) as file:
        status = os.fstat(file.fileno())
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or status.st_uid != os.geteuid():
            raise KeyFileError(
                f"the signing key {path} was refused: others may read or replace it",
                code="key.readable",
                next_step=advice.format(path=path),
            )
        return file.read(most)


def public_key(path: Path) -> PublicKey:
    """Return the public key of a file. Raises KeyFileError `key.damaged`, `key.unusable`."""
    return public_key_and_more(path)[0]


def public_key_and_more(path: Path) -> tuple[PublicKey, Mapping[str, object]]:
    """Return the public key of a file, and all that stands there. Raises as `public_key`."""
    try:
        held = _document(path, read_plain_file(path, _MOST_BYTES + 1), PUBLIC_FORMAT)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    return _public(path, held), held


def public_key_from(held: Mapping[str, object]) -> PublicKey:
    """Return the public key that `PublicKey.to_dict` wrote. Raises KeyFileError `key.damaged`."""
    if held.get("format") != PUBLIC_FORMAT:
        raise damaged(Path("in the document"), f"it is not of the format {PUBLIC_FORMAT}")
    return _public(Path("in the document"), held)


def _public(path: Path, held: Mapping[str, object]) -> PublicKey:
    key = PublicKey(
        _bytes(path, held, "ed25519", _ED25519_BYTES),
        _bytes(path, held, "ml_dsa_65", _ML_DSA_BYTES),
    )
    if held.get("key_id") != key.id:
        raise damaged(path, "its id is not that of its keys")
    return key


def public_keys(paths: Iterable[Path]) -> tuple[PublicKey, ...]:
    """Return the public keys of the files. Raises KeyFileError as `public_key` does."""
    return tuple(public_key(path) for path in paths)


def write_public_key(key: PublicKey, path: Path, more: Mapping[str, object] = MappingProxyType({})) -> None:
    """Write the public key to a new file, with more. Raises KeyFileError `key.unusable`, also where a file is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps({**key.to_dict(), **more}, indent=2) + "\n")
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None


def _made(path: Path) -> SigningKey:
    key = SigningKey(os.urandom(_SEED_BYTES), os.urandom(_SEED_BYTES))
    document = {
        "format": SECRET_FORMAT,
        "ed25519_seed": base64.b64encode(key.ed25519_seed).decode(),
        "ml_dsa_65_seed": base64.b64encode(key.ml_dsa_65_seed).decode(),
    }
    try:
        # Never in place of one that another process made meanwhile.
        write_durably(path, (json.dumps(document, indent=2) + "\n").encode(), replaces=False)
    except FileExistsError:
        return signing_key(path)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    return key


def _document(path: Path, raw: bytes, wanted: str) -> dict[str, object]:
    try:
        held = json.loads(raw.decode("utf-8")) if len(raw) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict) or held.get("format") != wanted:
        raise damaged(path, f"it is not of the format {wanted}")
    return held


def _bytes(path: Path, held: Mapping[str, object], name: str, length: int) -> bytes:
    try:
        value = base64.b64decode(str(held.get(name, "")), validate=True)
    except ValueError:
        value = b""
    if len(value) != length:
        raise damaged(path, f"{name} is not {length} bytes in base64")
    return value


def damaged(path: Path, found: str) -> KeyFileError:
    """Return the error for a key file that does not hold what it should."""
    return KeyFileError(
        f"the key file {path} was refused: {found}",
        code="key.damaged",
        next_step="Restore it from a backup, or have it written again by `trimtab anchor key`.",
    )


def _unusable(path: Path, found: str) -> KeyFileError:
    return KeyFileError(
        f"the key file {path} cannot be used: {found}",
        code="key.unusable",
        next_step="Check the path and its permissions.",
    )
