"""The summary: every figure from the facts, and none invented."""

import unittest

from demo import summary


def version(first, last, statuses):
    return {"first": first, "last": last, "first_at": 1000.0, "statuses": statuses, "requests": sum(statuses.values())}


def facts():
    rolled_back = {"to": 2, "environment": "prod", "kind": "automatic", "state": "rolled_back", "reason": "errors",
                   "ended_at": "1970-01-01T00:16:45Z",
                   "verdicts": [{"seq": 1, "decision": "continue", "reasons": {"text": ["too early"]}},
                                {"seq": 2, "decision": "roll_back", "reasons": {"text": ["8 % failed", "more"]}}]}
    lineage = {"commit": "abc", "datasets": {"flights": "sha256:1"}, "metrics": {}}
    return {
        "seconds": 240.04, "manual_rollback_ms": 300.0, "manual_forth_ms": 310.0, "apply_kept": True,
        "commit_to_answer_all_ms": [900.0, 500.0, 700.0],
        "traffic": {"sent": 1000, "answered": 988, "p50_ms": 1.0, "p99_ms": 5.0, "clock": "2013-07-15T00:00:00Z",
                    "labels": {}, "errors": {},
                    "versions": {"1": version(0, 999, {"200": 940}), "2": version(100, 599, {"200": 48, "500": 10}),
                                 "none": version(5, 5, {"0": 2})}},
        "models": {"versions": [{"version": number, "lineage": lineage, "gate": {}, "gate_state": "passed", "serves": []}
                                for number in (2, 1)]},
        "rollouts": [rolled_back, {"to": 1, "environment": "prod", "kind": "automatic", "state": "promoted"},
                     {"to": 2, "environment": "staging", "kind": "automatic", "state": "promoted"}],
        "evaluations": {2: {"candidate": {"mae": 13.0}}},
        "candidates": {"failing": {"version": 2, "rollout": rolled_back}},
        "alarms": {"a": "2013-07-02T10:00:00Z"},
        "alarms_at_end": [{"id": "a", "raised_at": "2026-01-01T00:00:00Z", "service": "delay", "environment": "prod",
                           "monitor": "alarm", "evidence": {"until": "2013-07-01T00:00:00Z"}},
                          {"id": "b", "raised_at": "2025-01-01T00:00:00Z", "service": "delay", "environment": "prod",
                           "monitor": "alarm", "evidence": {"until": "2013-05-01T00:00:00Z"}}],
        "alert_run": {"id": "run", "commit": "abc", "datasets": {}}, "alert_version": 3, "alert_rollout": {"state": "promoted"},
    }


class Summary(unittest.TestCase):
    def setUp(self):
        self.summary = summary.compute(facts(), 12.0, "2013-06-10")

    def test_a_failure_is_the_candidates_only_when_it_answered(self):
        requests = self.summary["requests"]
        self.assertEqual((requests["failed"], requests["failed_by_candidate"]), (2, 10))
        self.assertEqual(requests["sent"], requests["answered"] + requests["failed"] + requests["failed_by_candidate"])

    def test_a_rollback_tells_share_time_and_the_decisive_reason(self):
        (rollback,) = self.summary["rollbacks"]
        self.assertEqual(rollback["exposure_percent"], 11.6)
        self.assertEqual(rollback["seconds_to_detect"], 5.0)
        self.assertEqual((rollback["automatic"], rollback["evidence"]), (True, "8 % failed"))

    def test_versions_come_in_order_with_their_outcome_in_prod(self):
        self.assertEqual([(v["version"], v["outcome"]) for v in self.summary["versions"]], [(1, "promoted"), (2, "rolled_back")])

    def test_an_alarm_before_the_world_moves_is_a_false_one(self):
        self.assertEqual(self.summary["alert"]["false_before"], 1)

    def test_the_commit_time_is_the_median(self):
        self.assertEqual(self.summary["commit_to_answer_ms"], 700.0)


if __name__ == "__main__":
    unittest.main()
