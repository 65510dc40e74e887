"""The stream that is replayed: order, missing values, and what a flight may know when it leaves."""

import unittest

from demo import flights


def row(**changes):
    return {"year": "2013", "month": "4", "day": "1", "time_hour": "2013-04-01T12:00:00Z", "minute": "15",
            "dep_delay": "5", "arr_delay": "2", "air_time": "60", "sched_dep_time": "815", "sched_arr_time": "955",
            "carrier": "UA", "flight": "1", "origin": "EWR", "dest": "BOS", "distance": "200", "hour": "8", **changes}


def column(flight, name):
    return flight[(flights.DATA_COLUMNS + ["landed_at"]).index(name)]



class Departed(unittest.TestCase):
    def check(self, rows, name, expect):
        self.assertEqual([column(flight, name) for flight in flights.departed(rows)], expect)

    def test_the_later_departure_comes_later(self):
        rows = [row(flight="late", dep_delay="90"), row(flight="early", dep_delay="-3"), row(flight="next")]
        self.check(rows, "flight", ["early", "next", "late"])

    def test_a_cancelled_flight_is_no_departure(self):
        self.check([row(dep_delay="NA", arr_delay="NA"), row(flight="2")], "flight", ["2"])

    def test_a_diverted_flight_has_no_delay_and_lands_half_a_day_later(self):
        diverted = row(arr_delay="NA", air_time="NA")
        self.check([diverted], "arr_delay", [""])
        self.check([diverted], "landed_at", ["2013-04-02T00:20:00Z"])

    def test_landing_is_time_in_the_air_and_on_the_ground_later(self):
        self.check([row()], "landed_at", ["2013-04-01T13:45:00Z"])

    def test_planned_minutes_cross_midnight(self):
        self.check([row(sched_dep_time="2330", sched_arr_time="110")], "planned_minutes", ["100"])

    def test_recent_losses_are_of_landed_flights_from_the_same_airport(self):
        first = row(dep_delay="0", arr_delay="30", air_time="30")  # lands at 13:10
        elsewhere = row(origin="JFK", dep_delay="0", arr_delay="99", air_time="30")
        before = row(flight="before", time_hour="2013-04-01T13:00:00Z", minute="9", dep_delay="0")
        after = row(flight="after", time_hour="2013-04-01T13:00:00Z", minute="11", dep_delay="0")
        much_later = row(flight="later", time_hour="2013-04-01T18:00:00Z", dep_delay="0")
        self.check([first, elsewhere, before, after, much_later], "recent_lost", ["0.0", "0.0", "0.0", "30.0", "0.0"])


if __name__ == "__main__":
    unittest.main()
