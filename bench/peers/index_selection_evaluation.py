"""Asks the library `index_selection_evaluation` for a set of indexes; runs in its folder, by its Python.

The algorithms, the candidates and the cost model are the library's own, with its defaults but for budget and width. It
asks the database that the PG* variables name. This file decides nothing.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

from selection.dbms.postgres_dbms import PostgresDatabaseConnector
from selection.index_selection_evaluation import ALGORITHMS
from selection.workload import Query, Workload
from selection.workload_parser import WorkloadParser


def main() -> None:
    asked = json.load(sys.stdin)
    parser = WorkloadParser("postgres", asked["database"], "")
    tables = parser.get_tables()
    queries = []
    for name, text in asked["queries"].items():
        query = Query(name, text)
        parser.store_indexable_columns(query, tables)
        queries.append(query)
    random.seed(0)  # DB2Advis tries variations by chance.
    connector = PostgresDatabaseConnector(asked["database"])
    started = time.perf_counter()
    parameters = {"budget_MB": asked["budget_mb"], "max_index_width": asked["max_columns"]}
    indexes = ALGORITHMS[asked["variant"]](connector, parameters).calculate_best_indexes(Workload(queries))
    seconds = time.perf_counter() - started
    version = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, check=False, text=True)
    answer = {
        "indexes": [[index.table().name, [column.name for column in index.columns]] for index in indexes],
        "planner_calls": connector.cost_estimations,
        "seconds": seconds,
        "version": version.stdout.strip(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
