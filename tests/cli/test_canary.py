"""Planted secrets come out nowhere: not in a log, the ledger, a report, a JSON document or a message.

One database holds canaries in literals, comments, error texts and settings, and is reached by a DSN with one; the main
commands run, in words and as JSON, and everything that they wrote is searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from trimtab.api_history import open_history

from .market import SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

# What may come out nowhere at all.
SECRETS = {
    "literal": "Canary-literal-4b1f",
    "number": "918273645546372",
    "comment in a statement": "Canary-comment-9c2e",
    "comment on a table": "Canary-remark-77aa",
    "password": "Canary-password-5d0c",
    "error": "Canary-error-e81b",
    "default": "Canary-default-31f7",
    "setting": "Canary-setting-60d4",
}
# A name is part of the statements of a change, so it is told: shown, and never obeyed by a terminal.
NAME = 'wäre"or\x1b[2J\x07ders\u202e\n'
QUOTED = '"' + NAME.replace('"', '""') + '"'
OBEYED = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b")


@dataclass
class Heard:
    """All that programs wrote on stdout and stderr."""

    program: Program
    texts: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, code: int = 0, environ: dict[str, str] | None = None) -> None:
        """Run it in words and as JSON; it must end so."""
        for more in ((), ("--json",)):
            ended = self.program.run(*arguments, *more, environ=environ)
            told = " ".join(str(each) for each in arguments[:3]) + " ".join(more)
            assert "Traceback" not in ended.stderr, told
            assert ended.code == code, (told, ended.stderr)
            self.texts[f"{len(self.texts)} {told}"] = ended.stdout + ended.stderr


@pytest.fixture
def planted(market: Market) -> Market:
    secrets = SECRETS
    market.execute(
        f"COMMENT ON TABLE orders IS '{secrets['comment on a table']}'",
        f"ALTER TABLE orders ADD COLUMN secret text DEFAULT '{secrets['default']}'",
        "ALTER TABLE orders ALTER COLUMN secret SET STATISTICS 0",
        "CREATE FUNCTION boom(int) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
        f" RAISE EXCEPTION '{secrets['error']}' USING DETAIL = '{secrets['error']}', HINT = 'see {secrets['error']}';"
        " END $$",
        f"ALTER DATABASE \"{market.database}\" SET app.token = '{secrets['setting']}'",
        f"CREATE TABLE {QUOTED} (id int PRIMARY KEY, customer_id int, city text)",
        f"INSERT INTO {QUOTED} SELECT n, n % 500, 'c' || n % 9 FROM generate_series(1, 20000) n",
        f"COMMENT ON TABLE {QUOTED} IS '{secrets['comment on a table']} \x1b[31m'",
        f"ANALYZE {QUOTED}",
    )
    return market


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    comment = SECRETS["comment in a statement"]
    texts = (
        f"SELECT id /* {comment} */ FROM orders WHERE customer_id = 1234 AND note <> '{SECRETS['literal']}'",
        f"SELECT id FROM customer WHERE email = '{SECRETS['literal']}' -- {comment}",
        f"SELECT id FROM orders WHERE id = {SECRETS['number']} + 0 * customer_id",
        f"SELECT city FROM {QUOTED} WHERE customer_id = 17",
        f"SELECT boom(1), '{SECRETS['literal']}'",
        f"SELECT nothing_there FROM orders WHERE note = '{SECRETS['literal']}'",
        f"SELEKT '{SECRETS['literal']}'",
        f"UPDATE stock SET amount = amount - 1 WHERE sku = 77 AND '{SECRETS['literal']}' <> ''",
        f"SELECT 1 / (id - id) FROM orders WHERE note = E'{SECRETS['literal']}'",
        f"SELECT '{SECRETS['literal']}'::int FROM orders LIMIT 1",
    )
    path = tmp_path / "given" / "current.sql"
    path.parent.mkdir()
    path.write_text(";\n".join(texts) + ";\n", "utf-8")
    return path


def _written(program: Program, tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that lies on the disk now, but for what the test gave."""
    for root in (tmp_path, program.run_directory):
        for path in root.rglob("*"):
            if path.is_file() and path.parent.name != "given":
                yield str(path.relative_to(root)), path.read_bytes()


def test_a_planted_secret_comes_out_nowhere_and_no_name_moves_a_terminal(
    program: Program, planted: Market, workload: Path, tmp_path: Path
) -> None:
    specification = tmp_path / "given" / "quick.yaml"
    specification.write_text(SPECIFICATION, "utf-8")
    dsn = f"{planted.dsn} password={SECRETS['password']}"
    given = ("--workload", workload, "--spec", specification)
    heard = Heard(program)

    heard.run("optimize", dsn, *given, "--propose")
    heard.run("optimize", dsn, *given, "--apply")
    heard.run("indexes", dsn, *given, "--no-trial", "--seconds", "0")
    heard.run("status")
    heard.run("history")
    heard.run("approvals")
    for kind in ("run_started", "strategy_proposed"):
        subject = next(e for e in program.entries() if e.kind.value == kind)
        heard.run("show", str(subject.body.get("strategy_id") or subject.run_id))
    waiting = next(e for e in program.entries() if e.kind.value == "approval_requested")
    heard.run("approvals", waiting.text("strategy_id"))
    heard.run("reject", waiting.text("strategy_id"), "--reason", "not now")
    heard.run("anchor", "create", dsn, "--workload", workload, "--runs", "1")
    heard.run("anchor", "list")
    heard.run("anchor", "show", "latest")
    heard.run("anchor", "explain", "latest", dsn)
    heard.run("watch", dsn, "--once")
    heard.run("watch", "--status", code=9)
    heard.run("security", "baseline", dsn)
    heard.run("security", "check", dsn)
    heard.run("twin", "check", dsn, "--workload", workload)
    heard.run("ledger", "verify")
    heard.run("report", "--out", "report.html", "--force")
    for form in ("md", "yaml", "json"):
        heard.run("report", "--format", form, "--out", f"report.{form}", "--force")
    program.succeed("ledger", "export", "--out", tmp_path / "exported.json")
    heard.run("freeze", "--reason", f"see postgresql://ann:{SECRETS['password']}@db/shop", code=2)
    heard.run("revert", "--all", dsn)
    heard.run("resume", dsn)
    # What cannot be used is told without the secret, too.
    heard.run("optimize", f"postgresql://ann:{SECRETS['password']}@nowhere.invalid:1/shop", code=3)
    heard.run("optimize", f"postgresql://ann:{SECRETS['password']}@@host/shop", code=2)
    heard.run("optimize", f"host=/nowhere password='{SECRETS['password']}' bogus=1", code=2)
    heard.run("optimize", planted.dsn, environ={"PGPASSWORD": SECRETS["password"], "PGOPTIONS": "-c nothing=1"})

    assert any("orders" in text for text in heard.texts.values())
    for what, secret in SECRETS.items():
        assert [told for told, text in heard.texts.items() if secret in text] == [], what
        found = [name for name, held in _written(program, tmp_path) if secret.encode() in held]
        assert found == [], what
    moved = {told for told, text in heard.texts.items() if any(character in text for character in OBEYED)}
    assert moved == set()
    assert any(r"\x1b[2J" in text for text in heard.texts.values()), "the name itself is told"


def test_what_collects_and_what_watches_sessions_tells_no_secret(
    program: Program, planted: Market, tmp_path: Path
) -> None:
    """Statements, and a session that is open on one, hold canaries: the history, the screens and their JSON do not."""
    configuration = program.directory / "trimtab.toml"
    configuration.write_text(f'[databases.market]\ndsn = "{planted.dsn}"\n', "utf-8")
    told = f"SELECT email /* {SECRETS['comment in a statement']} */ FROM customer WHERE email = '{SECRETS['literal']}'"
    heard = Heard(program)
    with closing(psycopg.connect(planted.dsn)) as session:
        running = program.start("collect", "--for", "3", "--interval", "500ms", "--pulse", "200ms", "--json")
        while running.is_running():
            session.execute(f"{told} OR id = {SECRETS['number']}".encode())
        ended = running.wait()
        assert ended.code == 0, ended.stderr
        heard.texts["collect"] = ended.stdout + ended.stderr
        heard.run("monitor", "--databases", "market", "--once")
    with open_history(program.ledger_path) as history:
        [query] = history.top_queries("market", history.last(60), search="from customer where email").queries
    assert query.calls > 0
    heard.texts["query"] = query.text
    assert program.ledger_path.with_name("history.db").exists()
    for what, secret in SECRETS.items():
        assert [told for told, text in heard.texts.items() if secret in text] == [], what
        assert [name for name, held in _written(program, tmp_path) if secret.encode() in held] == [], what
