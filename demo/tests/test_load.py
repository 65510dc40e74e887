"""The load client against a server of ours: what it sends, counts, and never does twice."""

import asyncio
import csv
import json
import tempfile
import unittest
from argparse import Namespace
from pathlib import Path

from demo import load
from demo.tally import Quantiles


class Service(asyncio.Protocol):
    """Version 2 answers each third flight, and fails on those to MIA; flights to SFO lose the connection."""

    def __init__(self, rows, labels):
        self.rows, self.labels = rows, labels

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) if found else 0
        if not found or len(rest) < length:
            return
        self.buffer, body = b"", json.loads(rest)
        if head.startswith(b"POST /delay/labels "):
            self.labels.extend(body)
            return self.answer(200, None)
        self.rows.append(body)
        if body["dest"] == "SFO":
            return self.transport.abort()
        version = 2 if int(body["request_id"][-6:]) % 3 == 0 else 1
        self.answer(500 if version == 2 and body["dest"] == "MIA" else 200, version)

    def answer(self, status, version):
        own = b"mainspan-version: %d\r\n" % version if version else b""
        self.transport.write(b"HTTP/1.1 %d X\r\n%scontent-length: 2\r\n\r\n{}" % (status, own))


def flight(minute, dest="BOS", arr_delay="7"):
    return [f"2013-04-01T23:{minute:02}:00Z", "UA", "1", "EWR", dest, "200", "19", "80", "0.0", "5", arr_delay,
            f"2013-04-02T00:{minute:02}:00Z"]


def after_midnight(second):
    return [f"2013-04-02T00:{second // 60:02}:{second % 60:02}Z", *flight(0)[1:-1], "2013-04-02T05:00:00Z"]


class Replay(unittest.TestCase):
    def replay(self, rows):
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(self.run_replay(rows, Path(folder)))

    async def run_replay(self, rows, folder):
        asked, labels = [], []
        server = await asyncio.get_running_loop().create_server(lambda: Service(asked, labels), "127.0.0.1", 0)
        data = folder / "flights.csv"
        data.write_text("header\n")
        options = Namespace(host="127.0.0.1", port=server.sockets[0].getsockname()[1], path="/delay", rate=5000.0,
                            status=str(folder / "status.json"), data=str(data), timeout=5, label_delay=0)
        await load.Replay(options, rows).run()
        server.close()
        return asked, labels, json.loads((folder / "status.json").read_text()), list(csv.reader(data.open()))

    def test_every_answer_is_counted_by_version_and_nothing_is_sent_twice(self):
        rows = [flight(0), flight(1), flight(2, "SFO"), flight(3, "MIA"), flight(4, "MIA")]
        asked, _, status, _ = self.replay(rows)
        self.assertEqual(sorted(row["request_id"] for row in asked), [load.name(place) for place in range(5)])
        statuses = {name: version["statuses"] for name, version in status["versions"].items()}
        self.assertEqual(statuses, {"1": {"200": 2}, "2": {"200": 1, "500": 1}, "none": {"0": 1}})
        self.assertEqual((status["sent"], status["answered"], status["not_ok"], status["final"]), (5, 3, 2, True))

    def test_labels_follow_when_flights_have_landed(self):
        rows = [flight(0), flight(1, arr_delay=""), flight(2), after_midnight(90)]
        _, labels, status, _ = self.replay(rows)
        self.assertEqual(labels, [{"request_id": load.name(0), "label": 7.0}])
        self.assertEqual(status["labels"], {"sent": 1, "accepted": 1})

    def test_the_data_file_grows_by_the_flights_that_landed_when_a_day_begins(self):
        rows = [flight(0), flight(1), after_midnight(30)]
        *_, data = self.replay(rows)
        self.assertEqual(data, [["header"], flight(0)[:-1]])

    def test_a_request_is_a_plain_row_with_numbers(self):
        body = json.loads(load.request(12, flight(5)))
        self.assertEqual(body["request_id"], "flight-000012")
        self.assertEqual((body["dep_delay"], body["carrier"], body["flown_at"]), (5.0, "UA", "2013-04-01T23:05:00Z"))
        self.assertNotIn("arr_delay", body)


class Times(unittest.TestCase):
    def test_quantiles_are_within_one_per_cent(self):
        times = Quantiles()
        for millis in range(1, 1001):
            times.add(float(millis))
        for share, expect in ((0.5, 500), (0.99, 990), (1.0, 1000)):
            self.assertAlmostEqual(times.at(share), expect, delta=expect * 0.01)
        self.assertIsNone(Quantiles().at(0.5))


if __name__ == "__main__":
    unittest.main()
