"""Splits the flights by time: everything before the last days trains, the last days test.

A model must be judged on flights that it could not have known. Champion and
candidate are judged on the same test rows, so those must be later than what
*either* of them was trained on; that holds because the data only grows and the
test rows are always its newest days (evaluate.py checks it again).

Plain Python: this step needs no library, so it starts at once.
"""

import csv
import os
from datetime import datetime, timedelta

COLUMNS = [
    "flown_at", "carrier", "origin", "dest", "distance", "hour",
    "planned_minutes", "recent_lost", "dep_delay", "arr_delay",
]


def main():
    days = float(os.environ["MAINSPAN_PARAM_TEST_DAYS"])
    with open(os.environ["MAINSPAN_IN_FLIGHTS"], newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        picks = [header.index(name) for name in COLUMNS]
        rows = [[row[i] for i in picks] for row in reader]
    landed = [row for row in rows if row[-1] != ""]  # a diverted flight has no arrival delay
    landed.sort(key=lambda row: row[0])  # all times are UTC in one format: text order is time order

    newest = datetime.fromisoformat(landed[-1][0])
    cut = (newest - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    train = [row for row in landed if row[0] < cut]
    test = [row for row in landed if row[0] >= cut]
    write("MAINSPAN_OUT_TRAIN", train)
    write("MAINSPAN_OUT_TEST", test)
    print(f"train {len(train)} flights, {train[0][0]} to {train[-1][0]}")
    print(f"test  {len(test)} flights, {test[0][0]} to {test[-1][0]}")


def write(variable, rows):
    with open(os.environ[variable], "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
