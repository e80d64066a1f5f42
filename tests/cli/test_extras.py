"""A command that needs an extra says which, and how to install it."""

from __future__ import annotations

import pytest

from trimtab.cli.extras import require_extra
from trimtab.errors import UsageError


def test_what_is_there_is_let_pass_and_what_is_missing_is_named_with_its_extra() -> None:
    require_extra("trimtab serve", "web", "json", code="web.not_installed")
    with pytest.raises(UsageError) as refused:
        require_extra(
            "trimtab serve", "web", "json", "no_such_module", code="web.not_installed", otherwise="; or do without"
        )
    assert refused.value.code == "web.not_installed"
    assert str(refused.value) == "trimtab serve needs what is not installed: no_such_module"
    assert refused.value.next_step == "pip install 'trimtab[web]'; or do without"
