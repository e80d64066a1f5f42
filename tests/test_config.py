"""Claims about trimtab.toml: what it gives, what it refuses and how the refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.config import Config, Defaults, load_config, parse_size, render_default_config
from trimtab.errors import ConfigError
from trimtab.model.index_wishes import NO_WISHES, WISHES, IndexWishes

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: text.strip() != ""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trimtab.toml"


def refused(file: Path, text: str) -> ConfigError:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(file, {})
    assert error.value.next_step
    assert error.value.exit_code == 2
    return error.value


def test_databases_and_defaults_are_read(file: Path) -> None:
    file.write_text(
        """
        [databases.production_db]
        dsn = "service=prod"
        [databases.parts]
        host = "db 1"
        port = 5433
        dbname = "o'shop"
        user = 'back\\slash'
        [defaults]
        spec = "DATABASE_OPTIMIZATION_SPEC_V4"
        lab = "clone"
        budget = "2GB"
        objectives = ["speed", "efficiency", "speed"]
        pg_bin = "bin"
        state = "/var/state"
        [workloads]
        current = "queries/current.sql"
        """
    )
    config = load_config(file, {})
    assert config.path == file
    assert config.workloads == {"current": file.parent / "queries" / "current.sql"}
    assert config.databases["production_db"].conninfo == "service=prod"
    assert config.defaults == Defaults(
        spec="DATABASE_OPTIMIZATION_SPEC_V4",
        lab="clone",
        budget="2GB",
        objectives=("speed", "efficiency"),
        pg_bin=file.parent / "bin",
        state=Path("/var/state"),
    )


def test_the_parts_of_a_database_reach_libpq_as_they_are(file: Path) -> None:
    from psycopg.conninfo import conninfo_to_dict

    file.write_text("[databases.a]\nhost = 'db 1'\nport = 5433\ndbname = \"o'shop\"\nuser = 'back\\slash x=y'\n")
    fields = conninfo_to_dict(load_config(file, {}).databases["a"].conninfo)
    assert fields == {"host": "db 1", "port": "5433", "dbname": "o'shop", "user": "back\\slash x=y"}


def test_the_option_wins_over_the_environment_over_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("option", "environment", "trimtab"):
        (tmp_path / f"{place}.toml").write_text(f'[defaults]\nlab = "{place}"\n')
    environ = {"TRIMTAB_CONFIG": str(tmp_path / "environment.toml")}
    monkeypatch.chdir(tmp_path)
    assert load_config(tmp_path / "option.toml", environ).defaults.lab == "option"
    assert load_config(None, environ).defaults.lab == "environment"
    assert load_config(None, {}).defaults.lab == "trimtab"


def test_without_a_file_there_are_no_databases_and_no_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(None, {}) == Config(None, {}, Defaults())


def test_a_file_that_was_named_must_be_there_and_be_readable(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError) as error:
            load_config(path, {})
        assert error.value.code == "config.unreadable"
        assert str(path) in str(error.value)


def test_a_spec_file_is_meant_from_where_the_configuration_is(file: Path) -> None:
    (file.parent / "rules.yaml").write_text("")
    file.write_text('[defaults]\nspec = "rules.yaml"\n')
    assert load_config(file, {}).defaults.spec == str(file.parent / "rules.yaml")


def test_what_is_too_long_to_be_a_file_is_an_id(file: Path) -> None:
    file.write_text(f'[defaults]\nspec = "{300 * "s"}"\n')
    assert load_config(file, {}).defaults.spec == 300 * "s"


@pytest.mark.parametrize(
    "text",
    [
        "[databases.a]\ndsn = 'host=db password=hunter2'",
        "[databases.a]\ndsn = 'postgresql://me:hunter2@db/shop'",
        "[databases.a]\ndsn = 'postgresql://db/shop?pass%77ord=hunter2'",
        "[databases.a]\nhost = 'db'\npassword = 'hunter2'",
        "[databases.a]\ndbname = 'dbname=shop password=hunter2'",
        "[defaults]\nlab = 'host=db password=hunter2'",
        "password = 'hunter2'",
    ],
)
def test_a_password_is_refused_and_never_repeated(file: Path, text: str) -> None:
    error = refused(file, text)
    assert error.code == "config.password"
    assert "hunter2" not in str(error)
    assert "pgpass" in error.next_step
    assert "service file" in error.next_step


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[default]\nlab = 'clone'", "default", "defaults"),
        ("[defaults]\nbugdet = '2GB'", "defaults.bugdet", "budget"),
        ("[databases.a]\nhots = 'db'", "databases.a.hots", "host"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(file: Path, text: str, key: str, nearest: str) -> None:
    error = refused(file, text)
    assert error.code == "config.unknown_key"
    assert key in str(error)
    assert f"Did you mean {nearest}?" in error.next_step


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"[defaults]\nlab = clone\n", "line 2"),
        (b"[defaults\n", "line 1"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"[defaults]\nlab = '\xff'\n", "line 2"),
        (b"lab = '", ""),
        (b"a = " + b"[" * 100_000, ""),
        (b"[databases.a]\nport = " + b"9" * 5000, "too many digits"),
    ],
)
def test_broken_toml_is_refused_with_its_line(file: Path, text: bytes, line: str) -> None:
    file.write_bytes(text)
    with pytest.raises(ConfigError) as error:
        load_config(file, {})
    assert error.value.code == "config.syntax"
    assert line in str(error.value)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("databases = 1", "databases"),
        ("[databases]\na = 'service=prod'", "databases.a"),
        ("[databases.a]", "databases.a"),
        ("[databases.a]\ndsn = 'service=prod'\nhost = 'db'", "databases.a"),
        ("[databases.a]\ndsn = 5", "databases.a.dsn"),
        ("[databases.a]\nport = 0", "databases.a.port"),
        ("[databases.a]\nport = true", "databases.a.port"),
        ("[defaults]\nspec = ''", "defaults.spec"),
        ("[defaults]\nbudget = 5", "defaults.budget"),
        ("[defaults]\nbudget = '2 gigabytes'", "defaults.budget"),
        ("[defaults]\nobjectives = 'speed'", "defaults.objectives"),
        ("[defaults]\nobjectives = []", "defaults.objectives"),
        ("[defaults]\nobjectives = ['beauty']", "defaults.objectives"),
        ("[defaults]\nobjectives = [['speed']]", "defaults.objectives"),
        ('[defaults]\nstate = "a\\u0000b"', "defaults.state"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_key(file: Path, text: str, key: str) -> None:
    error = refused(file, text)
    assert error.code == "config.value"
    assert key in str(error)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("2GB", 2 * 2**30), ("500MB", 500 * 2**20), ("1.5 GB", 3 * 2**29), ("64kB", 65536), ("1TB", 2**40), ("7B", 7)],
)
def test_sizes_are_in_postgresqls_units(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "2", "GB", "2gb", "-2GB", "2GB x", "1e400GB", "5s", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_size(text)
    assert error.value.code == "size.invalid"


def test_the_written_default_is_read_back(file: Path) -> None:
    file.write_text(
        render_default_config(dsn="service=prod", spec="SPEC", lab="none", budget="1GB", objectives=("speed",))
    )
    config = load_config(file, {})
    assert config.databases["production_db"].conninfo == "service=prod"
    assert config.defaults == Defaults(spec="SPEC", lab="none", budget="1GB", objectives=("speed",))


def test_every_option_of_the_file_stands_in_the_default_at_least_as_a_comment() -> None:
    text = render_default_config()
    for key in (
        "dsn",
        "host",
        "port",
        "dbname",
        "user",
        "spec",
        "lab",
        "budget",
        "objectives",
        "pg_bin",
        "state",
        *WISHES,
    ):
        assert f"{key} = " in text


def test_each_commented_example_is_valid_when_it_is_uncommented(file: Path) -> None:
    lines = render_default_config(dsn="service=prod").splitlines()
    below = [line for line in lines[lines.index("[defaults]") :] if " = " in line or line.startswith("[")]
    file.write_text("\n".join(line.removeprefix("# ") for line in below))
    config = load_config(file, {})
    assert config.defaults.budget == "2GB"
    assert config.indexes.max_write_overhead == pytest.approx(0.1)


@settings(max_examples=50, deadline=None)
@given(database=names, dsn=st.none() | st.just("service=prod") | names.map(lambda text: f"dbname={text!r}"))
def test_any_name_survives_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, database: str, dsn: str | None
) -> None:
    file = tmp_path_factory.mktemp("config") / "trimtab.toml"
    file.write_text(render_default_config(database=database, dsn=dsn), encoding="utf-8", newline="")
    config = load_config(file, {})
    assert list(config.databases) == [database]
    if dsn is not None:
        assert config.databases[database].conninfo == dsn


def test_a_password_is_never_written() -> None:
    with pytest.raises(ConfigError) as error:
        render_default_config(dsn="postgresql://me:hunter2@db/shop")
    assert error.value.code == "config.password"


INDEXES = """
[indexes]
kinds = ["btree", "partial"]
max_width = 2
max_indexes = 3
max_write_overhead = "10%"
must_keep = ["orders_report"]
seconds = 1.5
solver = "local"
[databases.shop]
dsn = "service=shop"
[databases.shop.indexes]
max_indexes = 1
max_regression = "0%"
must_keep = ["public.orders_yearly"]
must_not = ["audit"]
"""


def test_limits_of_indexes_are_read_and_those_of_a_database_win(file: Path) -> None:
    file.write_text(INDEXES)
    config = load_config(file, {})
    every = IndexWishes(
        kinds=frozenset({"btree", "partial"}),
        max_width=2,
        max_indexes=3,
        max_write_overhead=0.1,
        must_keep=("orders_report",),
        seconds=1.5,
        solver="local",
    )
    own = IndexWishes(max_indexes=1, max_regression=0.0, must_keep=("public.orders_yearly",), must_not=("audit",))
    assert (config.indexes, config.databases["shop"].indexes) == (every, own)
    assert config.wishes_for(None) == config.wishes_for("other") == every
    assert config.wishes_for("shop") == own.over(every)
    assert config.wishes_for("shop").must_keep == ("orders_report", "public.orders_yearly")
    assert config.databases["shop"].conninfo == "service=shop"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[indexes]\nkinds = ["btree", "tree"]', "indexes.kinds"),
        ('[indexes]\nkinds = "btree,include"', "indexes.kinds"),
        ("[indexes]\nkinds = []", "indexes.kinds"),
        ("[indexes]\nmax_width = 0", "indexes.max_width"),
        ('[indexes]\nmax_indexes = "3"', "indexes.max_indexes"),
        ("[indexes]\nmax_indexes = true", "indexes.max_indexes"),
        ("[indexes]\nmax_write_overhead = 0.1", "indexes.max_write_overhead"),
        ('[indexes]\nmax_regression = "5"', "indexes.max_regression"),
        ('[indexes]\nmust_keep = "orders_report"', "indexes.must_keep"),
        ("[indexes]\nmust_not = [3]", "indexes.must_not"),
        ("[indexes]\nseconds = nan", "indexes.seconds"),
        ("[indexes]\nseconds = -1", "indexes.seconds"),
        ('[indexes]\nsolver = "oracle"', "indexes.solver"),
        ("indexes = 3", "indexes"),
        ('[databases.a]\ndbname = "a"\n[databases.a.indexes]\nmax_width = 0', "databases.a.indexes.max_width"),
        ('[databases.a]\ndbname = "a"\nindexes = 3', "databases.a.indexes"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_key(file: Path, text: str, key: str) -> None:
    error = refused(file, text)
    assert error.code == "config.value"
    assert f"{key} was refused: " in str(error)


@pytest.mark.parametrize("where", ["indexes", "databases.a.indexes"])
def test_an_unknown_limit_is_refused_with_the_nearest_known_one(file: Path, where: str) -> None:
    error = refused(file, f'[databases.a]\ndbname = "a"\n[{where}]\nmax_with = 2')
    assert error.code == "config.unknown_key"
    assert f"unknown key {where}.max_with" in str(error)
    assert "max_width" in error.next_step


def test_a_file_without_limits_wants_nothing_of_indexes(file: Path) -> None:
    file.write_text("[defaults]\n")
    assert load_config(file, {}).wishes_for("shop") == NO_WISHES
