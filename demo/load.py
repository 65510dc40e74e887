"""The load client: replays real flights, in the order in which they left, and never retries.

Started by story.py as a process of its own (`python -m demo.load`), so that what it
measures is what a client sees. It reads orders, one JSON object a line, from its standard
input (`{"rate": 450}`, `{"phase": "slow"}`, `{"stop": true}`), and writes what it counted
to a status file, replaced atomically. When the replay's clock passes a flight's landing,
it sends the true delay back as a label; when it passes midnight, the flights that have
landed are added to the project's data file. It must know nothing about Mainspan but the
address of the service.
"""

import argparse
import asyncio
import csv
import gc
import heapq
import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from demo import flights
from demo.tally import Tally
from demo.wire import Answer, Connection

CONNECTIONS = 32
BEHIND = 0.25  # seconds of requests that may be made up for after a pause
STATUS_EVERY = 0.2
LABELS_EVERY = 0.2
LABEL_BATCH = 500
COLUMN = {name: place for place, name in enumerate(flights.DATA_COLUMNS)}
ARR_DELAY, FLOWN_AT, LANDED_AT = COLUMN["arr_delay"], COLUMN["flown_at"], len(COLUMN)


class Replay:
    """Sends the flights of `rows` to one service."""

    def __init__(self, options, rows):
        self.options, self.rows = options, rows
        self.rate = options.rate
        self.tally = Tally()
        self.place = 0
        self.clock = rows[0][FLOWN_AT]
        self.in_air = []  # (label due, place): not landed yet
        self.landed = []  # places of flights to add to the data file
        self.due = []  # labels to send
        self.day = self.clock[:10]
        self.writer = ThreadPoolExecutor(max_workers=1)  # one file, one writer, off the loop
        self.idle = []
        self.free = asyncio.Semaphore(CONNECTIONS)
        self.stopping = asyncio.Event()
        host = f"{options.host}:{options.port}"
        self.head = head(options.path, host)
        self.labels_head = head(options.path.rstrip("/") + "/labels", host)
        self.later = timedelta(minutes=options.label_delay)

    async def run(self):
        """Replays until told to stop or out of flights; then reports for the last time."""
        beside = [asyncio.create_task(work()) for work in (self.send_labels, self.report)]
        requests = set()
        next_at = time.monotonic()
        while not self.stopping.is_set() and self.place < len(self.rows):
            if self.rate <= 0:
                await asyncio.sleep(0.05)
                next_at = time.monotonic()
                continue
            now = time.monotonic()
            if next_at > now:
                await asyncio.sleep(next_at - now)
            next_at = max(next_at, time.monotonic() - BEHIND) + 1 / self.rate
            await self.free.acquire()
            task = asyncio.create_task(self.ask(self.place))
            requests.add(task)
            task.add_done_callback(requests.discard)
            self.depart(self.place)
            self.place += 1
        if requests:
            await asyncio.wait(requests, timeout=10)
        self.stopping.set()
        await asyncio.gather(*beside)
        await self.post_labels()
        self.writer.shutdown()
        self.write_status(final=True)

    def depart(self, place):
        """Moves the clock to this departure, and lets those flights land that have."""
        row = self.rows[place]
        self.clock = row[FLOWN_AT]
        due = datetime.fromisoformat(row[LANDED_AT]) + self.later
        heapq.heappush(self.in_air, (due.strftime(flights.TIME), place))
        while self.in_air and self.in_air[0][0] <= self.clock:
            _, landed = heapq.heappop(self.in_air)
            self.landed.append(landed)
            if self.rows[landed][ARR_DELAY] != "":
                self.due.append(landed)
        if self.clock[:10] != self.day and self.options.data:
            self.day = self.clock[:10]
            rows, self.landed = [self.rows[place][:LANDED_AT] for place in self.landed], []
            self.writer.submit(extend, self.options.data, rows)

    async def ask(self, place):
        """Sends one flight and counts what came back."""
        body = request(place, self.rows[place])
        self.tally.sent += 1
        begun = time.perf_counter()
        answer = await self.post(self.head, body)
        millis = (time.perf_counter() - begun) * 1000
        self.free.release()
        self.tally.answered(place, answer.version, answer.status, millis, time.time(), answer.body)

    async def post(self, head, body):
        connection = None
        while self.idle and connection is None:
            idle = self.idle.pop()
            connection = idle if idle.usable else None
        try:
            if connection is None:
                connection = await Connection.open(self.options.host, self.options.port)
            answer = await asyncio.wait_for(connection.send(head, body), self.options.timeout)
        except TimeoutError:
            connection.close()
            return Answer(0, None, b"no answer in time")
        except OSError as error:
            return Answer(0, None, str(error).encode())
        if connection.usable:
            self.idle.append(connection)
        return answer

    async def send_labels(self):
        while not self.stopping.is_set():
            await self.sleep(LABELS_EVERY)
            await self.post_labels()

    async def post_labels(self):
        while self.due:
            batch, self.due = self.due[:LABEL_BATCH], self.due[LABEL_BATCH:]
            labels = [{"request_id": name(place), "label": float(self.rows[place][ARR_DELAY])} for place in batch]
            answer = await self.post(self.labels_head, json.dumps(labels, separators=(",", ":")).encode())
            self.tally.labels["sent"] += len(batch)
            self.tally.labels["accepted" if 200 <= answer.status < 300 else "refused"] += len(batch)
            if not 200 <= answer.status < 300:
                self.tally.errors[f"labels: {answer.status} {answer.body[:200].decode('utf-8', 'replace')}"] += 1

    async def report(self):
        while not self.stopping.is_set():
            await self.sleep(STATUS_EVERY)
            self.write_status(final=False)

    async def sleep(self, seconds):
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass

    def write_status(self, final):
        status = {"at": time.time(), "clock": self.clock, "rate": self.rate, "phase": self.tally.phase,
                  "final": final, "left": len(self.rows) - self.place, **self.tally.snapshot()}
        with open(self.options.status + ".new", "w") as file:
            json.dump(status, file)
        os.replace(self.options.status + ".new", self.options.status)

    def order(self, order):
        """Obeys story.py."""
        self.rate = order.get("rate", self.rate)
        self.tally.phase = order.get("phase", self.tally.phase)
        if order.get("stop"):
            self.stopping.set()


def head(path, host):
    return (f"POST {path} HTTP/1.1\r\nhost: {host}\r\n"
            "content-type: application/json\r\ncontent-length: ").encode()


def name(place):
    return f"flight-{place:06}"


def request(place, row):
    """The body: a plain row, with the id that its label will name."""
    body = {"request_id": name(place)}
    for column in flights.REQUEST_NAMES:
        body[column] = row[COLUMN[column]]
    for column in flights.REQUEST_NUMBERS:
        body[column] = float(row[COLUMN[column]])
    return json.dumps(body, separators=(",", ":")).encode()


def extend(path, rows):
    """Adds rows to a CSV file so that a reader sees all of them or none."""
    beside = f"{path}.new"
    shutil.copyfile(path, beside)
    with open(beside, "a", newline="") as file:
        csv.writer(file).writerows(rows)
    os.replace(beside, path)


def read(path, since, limit):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        next(rows)
        later = (row for row in rows if row[FLOWN_AT] >= since)
        return [row for _, row in zip(range(limit), later)]


async def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--flights", required=True, help="the stream that prepare.py wrote")
    parser.add_argument("--since", default="2013-04-01", help="the first departure, UTC")
    parser.add_argument("--limit", type=int, default=200_000, help="at most so many flights")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7080)
    parser.add_argument("--path", default="/delay", help="the service's address")
    parser.add_argument("--data", help="the project's data file")
    parser.add_argument("--status", required=True, help="where to write what was counted")
    parser.add_argument("--rate", type=float, default=450, help="requests per second")
    parser.add_argument("--timeout", type=float, default=10, help="seconds until a request has failed")
    parser.add_argument("--label-delay", type=float, default=0, help="minutes between landing and label")
    options = parser.parse_args(arguments)
    replay = Replay(options, read(options.flights, options.since, options.limit))
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, replay.stopping.set)
    if not sys.stdin.isatty():
        loop.add_reader(sys.stdin.fileno(), obey, loop, replay, bytearray())
    await replay.run()


def obey(loop, replay, pending):
    """Reads what has come in on standard input; its end means stop."""
    data = os.read(sys.stdin.fileno(), 65536)
    if not data:
        loop.remove_reader(sys.stdin.fileno())
        replay.stopping.set()
    pending += data
    while (end := pending.find(b"\n")) >= 0:
        replay.order(json.loads(pending[:end]))
        del pending[:end + 1]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
