"""Writes runs into MLflow's SQLite database: DATABASE EXPERIMENT RUNS POINTS. The bench fills ours with the same."""
import sqlite3
import sys

database, experiment, runs, points = sys.argv[1], *map(int, sys.argv[2:])
KEYS = range(5)


def value(run, key):
    return (run * 2654435761 + key * 40503) % 1_000_003 / 1_000_003


def rows(table, run, several):
    marks = ", ".join("?" * (len(several[0]) + 1))
    store.executemany(f"INSERT INTO {table} VALUES ({marks})", [(*row, run) for row in several])


def begin(run, at):
    columns = "run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id"
    given = (run, run, "LOCAL", "bench", "FINISHED", at, "active", f"mlflow-artifacts:/{experiment}/{run}/artifacts", experiment)
    store.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", given)


with sqlite3.connect(database, timeout=60) as store:
    for table, columns in {
        "metrics": "key, value, timestamp, is_nan, step, run_uuid",
        "latest_metrics": "key, value, timestamp, step, is_nan, run_uuid",
        "params": "key, value, run_uuid",
        "tags": "key, value, run_uuid",
    }.items():
        store.execute(f"CREATE TEMP VIEW bench_{table} AS SELECT {columns} FROM main.{table}")
        marks = ", ".join(f"NEW.{name.strip()}" for name in columns.split(","))
        store.execute(
            f"CREATE TEMP TRIGGER into_{table} INSTEAD OF INSERT ON bench_{table} "
            f"BEGIN INSERT INTO {table} ({columns}) VALUES ({marks}); END"
        )
    for number in range(runs):
        run = f"{number:032x}"
        begin(run, 1_700_000_000_000 + number)
        rows("bench_metrics", run, [(f"m{key}", value(number, key), 1_700_000_000_000 + number, 0, 0) for key in KEYS])
        rows("bench_latest_metrics", run, [(f"m{key}", value(number, key), 1_700_000_000_000 + number, 0, 0) for key in KEYS])
        rows("bench_params", run, [(f"p{key}", str(number % (key + 2))) for key in KEYS])
        rows("bench_tags", run, [(f"t{key}", f"value-{number % 1000}") for key in KEYS])
    if points:
        run = "f" * 32
        begin(run, 1_600_000_000_000)
        history = [("loss", 1 / (step + 1), 1_700_000_000_000 + step, 0, step) for step in range(points)]
        rows("bench_metrics", run, history)
        rows("bench_latest_metrics", run, [("loss", 1 / points, 1_700_000_000_000 + points - 1, points - 1, 0)])
