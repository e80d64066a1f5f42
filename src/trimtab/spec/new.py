"""Writes the first lines of a specification: a document that extends another, pinned, with sections to fill in.

What it returns loads as it is and allows what its parent allows.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from trimtab.errors import SpecError
from trimtab.spec.document import ID_FORM
from trimtab.spec.load import known_ids, load_spec


def new_document(spec_id: str, extends: str, *, directory: Path) -> str:
    """Return the text of a document. `directory` is where it will be: a parent that is a file is named from there.

    Raises SpecError `spec.invalid` for an id that is none or is shipped, and when the parent cannot be used.
    """
    if re.fullmatch(ID_FORM, spec_id) is None or spec_id in known_ids():
        raise SpecError(
            f"the id {spec_id!r} was refused: it is 3 to 64 capitals, digits and underscores, and not a shipped one",
            code="spec.invalid",
            next_step="Write one such as SHOP_RULES.",
        )
    parent = load_spec(extends)
    name = extends if extends in known_ids() else os.path.relpath(extends, directory)
    return f"""\
# What may be changed, and how. `trimtab spec lint` checks it, `trimtab spec explain` shows what it means,
# `trimtab spec test` runs its own tests. State only what is narrower than in {parent.id}.

apiVersion: trimtab.dev/v1
kind: OptimizationSpec

metadata:
  id: {spec_id}
  revision: 1
  description: ""

# The digest is that of the parent which was read: when that one changes, this document is refused until you look.
extends: ["{name}@sha256:{parent.digest}"]

spec: {{}}
  # objects:
  #   denied_tables: [public.payments, audit.*]
  # indexes:
  #   max_total_size: 5GB
  # settings:
  #   allowed:
  #     work_mem: {{min: 4MB, max: 64MB}}

# What limits cannot say. docs/specification.md lists the facts.
# rules:
#   - id: {spec_id.lower()[:40]}.no_personal_columns
#     when: change.kind in ['create_index', 'create_statistics']
#     assert: change.columns.all(c, !c.startsWith('pii_'))
#     message: an index or statistics over personal data would copy it
"""
