"""Computes `summary.json` from what happened: the load client's counts and the product's records.

Called by __main__.py when the story is over. Pure: the same facts give the same summary.
It must never fill in a figure that was not measured.
"""

from datetime import datetime


def compute(facts, prepare_seconds, moves):
    """The summary; `moves` is the day from which an alarm is no false one."""
    traffic = facts["traffic"]
    outcomes = {rollout["to"]: rollout for rollout in reversed(facts["rollouts"])
                if rollout["environment"] == "prod" and rollout["kind"] == "automatic"}
    taken_back = {str(version) for version, rollout in outcomes.items() if rollout["state"] == "rolled_back"}
    return {
        "seconds": round(facts["seconds"], 1),
        "prepare_seconds": round(prepare_seconds, 1),
        "requests": requests(traffic, taken_back),
        "versions": [version(record, outcomes, facts["evaluations"])
                     for record in sorted(facts["models"]["versions"], key=lambda v: v["version"])],
        "rollbacks": [rollback(kind, candidate, traffic) for kind, candidate in facts["candidates"].items()],
        "alert": alert(facts, moves),
        "manual_rollback_ms": round(facts["manual_rollback_ms"], 1),
        "commit_to_answer_ms": round(middle(facts["commit_to_answer_all_ms"]), 1),
        "details": {
            "commit_to_answer_all_ms": [round(millis, 1) for millis in facts["commit_to_answer_all_ms"]],
            "manual_forth_ms": round(facts["manual_forth_ms"], 1),
            "apply_kept_the_rollback": facts["apply_kept"],
            "replayed": {"from": "2013-04-01", "to": traffic["clock"]},
            "labels": traffic["labels"],
            "errors": traffic["errors"],
        },
    }


def requests(traffic, taken_back):
    """Every request is in one of `answered`, `failed` and `failed_by_candidate`."""
    by_candidate = sum(
        count for name in taken_back for status, count in traffic["versions"].get(name, {}).get("statuses", {}).items()
        if status.startswith("5"))
    return {
        "sent": traffic["sent"], "answered": traffic["answered"],
        "failed": traffic["sent"] - traffic["answered"] - by_candidate, "failed_by_candidate": by_candidate,
        "p50_ms": traffic["p50_ms"], "p99_ms": traffic["p99_ms"],
        "by_version": {name: version["requests"] for name, version in sorted(traffic["versions"].items())},
    }


def version(record, outcomes, evaluations):
    lineage, number = record["lineage"], record["version"]
    rollout = outcomes.get(number)
    return {
        "version": number, "commit": lineage.get("commit"), "data_digest": lineage.get("datasets", {}).get("flights"),
        "outcome": rollout["state"] if rollout else record["gate_state"], "environments": record["serves"],
        "evaluated": evaluations.get(number, {}),
    }


def rollback(kind, candidate, traffic):
    rollout = candidate["rollout"]
    seen = traffic["versions"].get(str(candidate["version"]))
    answer = {
        "kind": kind, "automatic": rollout["state"] == "rolled_back" and rollout["kind"] == "automatic",
        "version": candidate["version"], "exposure_percent": None, "seconds_to_detect": None,
        "evidence": decisive(rollout),
    }
    if seen:
        share = seen["requests"] / (seen["last"] - seen["first"] + 1)
        answer["exposure_percent"] = round(100 * share, 2)
        answer["exposed_requests"] = seen["requests"]
        answer["percent_of_all_requests"] = round(100 * seen["requests"] / traffic["sent"], 2)
        if rollout["ended_at"]:
            ended = datetime.fromisoformat(rollout["ended_at"]).timestamp()
            answer["seconds_to_detect"] = round(ended - seen["first_at"], 1)
    return answer


def decisive(rollout):
    """The judge's first reason in the verdict that took the candidate back, else the roll-out's."""
    for verdict in sorted(rollout.get("verdicts", []), key=lambda verdict: -verdict["seq"]):
        if verdict["decision"] == "roll_back":
            return next(iter(verdict["reasons"].get("text", [])), rollout["reason"])
    return rollout["reason"]


def alert(facts, moves):
    """The first alarm; those about days before `moves` are false ones."""
    alarms = sorted(facts["alarms_at_end"] or [], key=lambda alarm: alarm["raised_at"])
    days = [alarm["evidence"].get("until") or facts["alarms"].get(alarm["id"], "") for alarm in alarms]
    false_before = sum(1 for day in days if day[:10] < moves)
    if not alarms:
        return {"raised": None, "alarm": None, "evidence": None, "run": None, "new_version": None, "false_before": 0}
    first = alarms[0]
    return {
        "raised": first["raised_at"], "alarm": f"{first['service']}.{first['environment']}.{first['monitor']}",
        "replay_was_at": facts["alarms"].get(first["id"]), "evidence": first["evidence"], "run": facts["alert_run"]["id"],
        "run_commit": facts["alert_run"]["commit"], "run_data_digest": facts["alert_run"]["datasets"].get("flights"),
        "new_version": facts["alert_version"], "outcome": facts["alert_rollout"]["state"], "false_before": false_before,
    }


def middle(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
