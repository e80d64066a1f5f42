"""The key that signs a ledger's checkpoints: where it is, which one is in force, how another takes its place.

Which key is in force is an entry of the ledger itself (`ledger_key_set`): signed by the new key, and by the one before
where there is one. A key file that is not the one in force signs nothing. Without a key the ledger works, unsigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import KeyFileError
from trimtab.ledger.entry import Entry, Json, canonical_body
from trimtab.signing.keys import PublicKey, SigningKey, public_key_from, signing_key
from trimtab.signing.signature import flaw_in, sign

PURPOSE = "trimtab.dev/ledger-key/v1"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The key files that belong to the ledger at `path`. `next` is a new key until the ledger has it in force."""

    path: Path

    @property
    def current(self) -> Path:
        """Where the signing key is."""
        return self.path.with_suffix(".key")

    @property
    def next(self) -> Path:
        """Where a new key waits until the ledger has it."""
        return self.path.with_suffix(".key.next")

    def has_key(self) -> bool:
        """Return True when there is a signing key."""
        return self.current.exists() or self.next.exists()

    def coming(self, *, is_first: bool) -> SigningKey:
        """Return the key that is to be put in force, made where it is not there yet. Raises KeyFileError."""
        return signing_key(self.current if is_first else self.next)

    def own(self) -> SigningKey | None:
        """Return this machine's signing key, None where there is none. Raises KeyFileError."""
        return signing_key(self.current) if self.current.exists() else None

    def key_in_force(self, key_id: str | None) -> SigningKey | None:
        """Return the signing key of that id, None when this machine has no such key. Raises KeyFileError.

        A new key that the ledger has in force already, because the program died at that moment, is moved to its place.
        """
        for place in (self.current, self.next):
            if key_id is not None and place.exists():
                key = signing_key(place)
                if key.public.id == key_id:
                    if place == self.next:
                        self.next.replace(self.current)
                    return key
        return None


def key_body(key: SigningKey, previous: SigningKey | None) -> dict[str, object]:
    """Return the body of the entry that puts a key in force."""
    told = _told(key.public, None if previous is None else previous.public.id)
    message = canonical_body(told)
    return {
        **told,
        "signatures": sign(message, key, purpose=PURPOSE),
        "previous_signatures": [] if previous is None else sign(message, previous, purpose=PURPOSE),
    }


@dataclass(frozen=True, slots=True)
class KeySet:
    """An entry that put a key in force. `flaw` is what is wrong with it as far as its own keys can tell, or ""."""

    seq: int
    public: PublicKey
    previous: str | None
    body: Mapping[str, Json]

    def vouches_with(self, known: Iterable[PublicKey]) -> bool:
        """Return True when the key before, which is known, signed for this one."""
        signatures = _signatures(self.body, "previous_signatures")
        before = [key for key in known if key.id == self.previous]
        return bool(before) and flaw_in(self._message, signatures, before, purpose=PURPOSE) is None

    @property
    def is_signed(self) -> bool:
        """True when the new key signed for itself."""
        return flaw_in(self._message, _signatures(self.body, "signatures"), [self.public], purpose=PURPOSE) is None

    @property
    def _message(self) -> bytes:
        return canonical_body(_told(self.public, self.previous))


def key_set(entry: Entry) -> KeySet:
    """Return what an entry of that kind says. Raises LedgerError `ledger.layout`."""
    previous = entry.body.get("previous_key_id")
    try:
        public = public_key_from(entry.mapping("public_key"))
    except KeyFileError:
        raise entry.layout_error("public_key") from None
    return KeySet(entry.seq, public, previous if isinstance(previous, str) else None, entry.body)


def trusted_keys(sets: Sequence[KeySet], given: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Return the keys given and those that they vouch for, by the entries that put one in another's place.

    Who believes a new key believes the one before it too, for what is older: it signed that entry, and all before it.
    """
    known = {key.id: key for key in given}
    by_id = {each.public.id: each.public for each in sets}
    changed = True
    while changed:
        before = len(known)
        for each in sets:
            if each.previous is None or each.previous not in by_id or not each.vouches_with(by_id.values()):
                continue
            if known.keys() & {each.previous, each.public.id}:
                known |= {each.previous: by_id[each.previous], each.public.id: each.public}
        changed = len(known) > before
    return tuple(known.values())


def _told(public: PublicKey, previous: str | None) -> dict[str, object]:
    return {"key_id": public.id, "public_key": public.to_dict(), "previous_key_id": previous}


def _signatures(body: Mapping[str, Json], name: str) -> list[Mapping[str, object]]:
    value = body.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
