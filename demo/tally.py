"""Counts every request of the replay: by version, by status, by phase of the story.

Called by load.py for each answer; its snapshot is all that story.py and summary.py
know about the traffic. It must never guess: an answer without a version is counted
under "none".
"""

import math
import re
from collections import Counter, defaultdict


class Version:
    """What one version answered; `first` and `last` are places in the order of sending."""

    def __init__(self, place, at):
        self.first, self.first_at = place, at
        self.last, self.last_at = place, at
        self.first_good_at = None
        self.statuses = Counter()
        self.millis = Quantiles()

    def snapshot(self):
        return {
            "first": self.first, "last": self.last,
            "first_at": self.first_at, "last_at": self.last_at, "first_good_at": self.first_good_at,
            "statuses": dict(self.statuses), "requests": sum(self.statuses.values()),
            "p50_ms": self.millis.at(0.5), "p99_ms": self.millis.at(0.99),
        }


class Quantiles:
    """Quantiles of times to within half a per cent, without keeping the times."""

    STEP = math.log(1.01)

    def __init__(self):
        self.counts = Counter()

    def add(self, millis):
        self.counts[round(math.log(max(millis, 1e-3)) / self.STEP)] += 1

    def at(self, share):
        """The time that `share` of the times do not exceed, in ms; None of nothing."""
        wanted, seen = share * self.counts.total(), 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return round(math.exp(bucket * self.STEP), 3)
        return None


class Tally:
    """All counts of one replay."""

    def __init__(self):
        self.sent = 0
        self.phase = "start"
        self.phases = defaultdict(lambda: defaultdict(Counter))
        self.versions = {}
        self.millis, self.recent = Quantiles(), Quantiles()
        self.errors = Counter()
        self.labels = Counter()

    def answered(self, place, version, status, millis, at, body):
        name = version or "none"
        known = self.versions.get(name)
        if known is None:
            known = self.versions[name] = Version(place, at)
        known.first, known.last = min(known.first, place), max(known.last, place)
        known.last_at = at
        known.statuses[str(status)] += 1
        self.phases[self.phase][name][str(status)] += 1
        if status == 200:
            known.millis.add(millis)
            self.millis.add(millis)
            self.recent.add(millis)
            if known.first_good_at is None:
                known.first_good_at = at
        elif len(self.errors) < 100:
            said = re.sub(r"\d+", "N", body[:200].decode("utf-8", "replace"))
            self.errors[f"{status} by version {name}: {said}"] += 1

    def snapshot(self):
        recent, self.recent = self.recent, Quantiles()
        good = sum(version.statuses["200"] for version in self.versions.values())
        done = sum(sum(version.statuses.values()) for version in self.versions.values())
        return {
            "sent": self.sent, "answered": good, "not_ok": done - good, "waiting": self.sent - done,
            "p50_ms": self.millis.at(0.5), "p99_ms": self.millis.at(0.99),
            "recent_p50_ms": recent.at(0.5), "recent_p99_ms": recent.at(0.99),
            "versions": {name: version.snapshot() for name, version in self.versions.items()},
            "phases": {phase: {name: dict(statuses) for name, statuses in versions.items()}
                       for phase, versions in self.phases.items()},
            "labels": dict(self.labels), "errors": dict(self.errors.most_common(20)),
        }

