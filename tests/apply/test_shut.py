"""A process that shut its enforcement point changes nothing, whatever else runs in it."""

from __future__ import annotations

import subprocess
import sys

TRIED = """
from trimtab.apply.backends import BackendEnforcer
from trimtab.apply.enforce import Enforcer
from trimtab.apply.shut import shut
from trimtab.errors import RefusedError

Enforcer(None, None, None, None, "r-1")
BackendEnforcer(None, None, None, None, None)
shut("this process serves agents")
for door in (lambda: Enforcer(None, None, None, None, "r-1"), lambda: BackendEnforcer(None, None, None, None, None)):
    try:
        door()
    except RefusedError as refused:
        print(refused.code, refused)
"""


def test_once_shut_no_enforcer_can_be_made_in_that_process() -> None:
    done = subprocess.run([sys.executable, "-c", TRIED], capture_output=True, check=True, text=True)
    assert done.stdout == 2 * "apply.shut nothing was changed: this process serves agents\n"
