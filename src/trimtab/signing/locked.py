"""A person's signing key, locked with a passphrase: two PKCS#8 blocks, Ed25519 and ML-DSA-65, in one file.

Who can only read the file cannot sign: an agent that runs as the same account has the file, not the passphrase. Asks
nobody for it; `passphrase` comes from the caller.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from trimtab.errors import KeyFileError
from trimtab.signing.keys import PublicKey, SigningKey, private_bytes

_BLOCK = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----.*?-----END ENCRYPTED PRIVATE KEY-----\n?", re.DOTALL)
_MOST_BYTES = 1 << 16
_ADVICE = "Run `chmod 600 {path}`; if somebody may have read it, make a new key."
_SEED_BYTES = 32
MIN_PASSPHRASE = 12


def fingerprint(key: PublicKey) -> str:
    """Return the SHA-256 of both public keys, 64 hexadecimal digits: by it a specification pins an approver."""
    return hashlib.sha256(key.ed25519 + key.ml_dsa_65).hexdigest()


def make_locked_key(path: Path, passphrase: str) -> PublicKey:
    """Write a new key to a new file, mode 0600 in a directory of mode 0700, and return its public half.

    Raises KeyFileError `key.passphrase` for a short passphrase, `key.unusable`, also when the file is there.
    """
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyFileError(
            f"the key {path} was not made: the passphrase has fewer than {MIN_PASSPHRASE} characters",
            code="key.passphrase",
            next_step="Choose a longer one, of several words.",
        )
    key = SigningKey(os.urandom(_SEED_BYTES), os.urandom(_SEED_BYTES))
    lock = BestAvailableEncryption(passphrase.encode())
    blocks = [each.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock) for each in (key.ed25519, key.ml_dsa_65)]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(blocks))
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    return key.public


def unlocked_key(path: Path, passphrase: str) -> SigningKey:
    """Return the key. Raises KeyFileError `key.passphrase`, `key.readable`, `key.damaged`, `key.unusable`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    blocks = _BLOCK.findall(_read(path))
    try:
        keys = [load_pem_private_key(block, passphrase.encode()) for block in blocks]
    except (ValueError, TypeError):  # an empty passphrase is a TypeError
        raise KeyFileError(
            f"the key {path} was not unlocked: the passphrase is wrong, or the file is damaged",
            code="key.passphrase",
            next_step="Try again; a passphrase that is lost cannot be had back, and needs a new key.",
        ) from None
    if len(keys) != 2 or not isinstance(keys[0], Ed25519PrivateKey) or not isinstance(keys[1], MLDSA65PrivateKey):
        raise KeyFileError(
            f"the key {path} was refused: it does not hold one locked key of each kind",
            code="key.damaged",
            next_step="Make one with `trimtab approver-key`.",
        )
    return SigningKey(keys[0].private_bytes_raw(), keys[1].private_bytes_raw())


def _read(path: Path) -> bytes:
    try:
        return private_bytes(path, most=_MOST_BYTES, advice=_ADVICE)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None


def _unusable(path: Path, found: str) -> KeyFileError:
    return KeyFileError(
        f"the key file {path} cannot be used: {found}",
        code="key.unusable",
        next_step="Name another with --key, or make one with `trimtab approver-key`.",
    )
