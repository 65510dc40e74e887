"""Sends random filters and orders over a random corpus to a real `mlflow server` and to Mainspan: they find the same rows in
the same order, or refuse with the same code. Part of `make test-long`.

    target/test-python/bin/python tests/mlflow/filters.py target/debug/mainspan [--cases N] [--seed S] [SEARCH …]

Prints each case that is answered differently with its seed, and ends with 1 when there is one. Of a filter on which MLflow
fails with an error of its own (5xx) only this is asked, that Mainspan does not. What is never generated, and why, is in
`words.py`; what a filter is made of, too.
"""
import argparse
import collections
import json
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import corpus
import words
from servers import both

# Pages of a search that is walked to its end.
SMALL = 7
Found = collections.namedtuple("Found", "status names")


def ask(base, method, path, message):
    """The status and the JSON of an answer."""
    url, data = base + "/api/2.0/mlflow/" + path, None
    if method == "GET":
        url += "?" + urllib.parse.urlencode(message, doseq=True)
    else:
        data = json.dumps(message).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}


def found(base, search, message, paged):
    """The names of all rows in their order, from one page or from many; the error code in their place when refused."""
    names, token = [], None
    while True:
        page = {**message, "max_results": SMALL if paged else 500}
        if token:
            page["page_token"] = token
        status, answer = ask(base, search.method, search.path, page)
        if status != 200:
            return Found(status, answer.get("error_code"))
        # Experiment 0 is older in MLflow than all others, and here as old as the first request for it.
        names += [name for name in map(search.name, answer.get(search.rows, [])) if name != "Default"]
        token = answer.get("next_page_token")
        if not token:
            return Found(status, names)


class Search:
    """One kind of search: where it is asked, what it answers, and how its rows are told apart."""

    def __init__(self, kind, method, path, rows, name):
        self.kind, self.method, self.path, self.rows, self.name = kind, method, path, rows, name

    def message(self, ids, text, order):
        """The request of one server, with its own ids in place of `<a>`."""
        message = {"filter": corpus.named(text, ids)}
        if order:
            message["order_by"] = order
        if self.kind in ("runs", "logged-models"):
            message["experiment_ids"] = [ids["exp"], ids["other"]]
        return message


SEARCHES = [
    Search("runs", "POST", "runs/search", "runs", lambda row: row["info"]["run_name"]),
    Search("experiments", "POST", "experiments/search", "experiments", lambda row: row["name"]),
    Search("models", "GET", "registered-models/search", "registered_models", lambda row: row["name"]),
    Search("versions", "GET", "model-versions/search", "model_versions", lambda row: f"{row['name']}/{row['version']}"),
    Search("logged-models", "POST", "logged-models/search", "models", lambda row: row["info"]["name"]),
]


def excused(search, theirs, ours):
    """Whether Mainspan may answer otherwise: where MLflow fails, and where it takes what is no name for the name of nothing."""
    if theirs.status >= 500:
        return ours.status < 500
    return search.kind == "logged-models" and theirs.names == [] and ours.status == 400


def compare(theirs, ours, search, seed, cases):
    """How many cases were answered differently, and a count of what MLflow said."""
    different, said = 0, collections.Counter()
    (a, a_ids), (b, b_ids) = theirs, ours
    for n in range(cases):
        case = random.Random(f"{seed} {search.kind} {n}")
        text, order, paged = words.filter(case, search.kind), words.order(case, search.kind), case.random() < 0.1
        one = found(a, search, search.message(a_ids, text, order), paged)
        two = found(b, search, search.message(b_ids, text, order), paged)
        said["failed" if one.status >= 500 else "refused" if one.status >= 400 else "empty" if not one.names else "found"] += 1
        if one != two and not excused(search, one, two):
            different += 1
            print(f"{search.kind}, seed {seed}, case {n}: {text!r} order {order} {'in pages' if paged else ''}")
            print(f"  mlflow   {one.status} {str(one.names)[:300]}\n  mainspan {two.status} {str(two.names)[:300]}")
    return different, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="the mainspan to compare")
    parser.add_argument("searches", nargs="*", help=f"of {', '.join(search.kind for search in SEARCHES)}; all unless named")
    parser.add_argument("--cases", type=int, default=150, help="filters for each search")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same filters")
    asked = parser.parse_args()
    searches = [search for search in SEARCHES if search.kind in (asked.searches or [one.kind for one in SEARCHES])]
    different = 0
    with both(asked.binary) as servers:
        servers = [(base, corpus.fill(base, asked.seed, ask)) for base in servers]
        for search in searches:
            wrong, said = compare(*servers, search, asked.seed, asked.cases)
            different += wrong
            print(f"{search.kind}: {asked.cases} filters, {wrong} answered differently; of MLflow's answers {dict(said)}")
    print(f"seed {asked.seed}: {different} answered differently")
    return 1 if different or not searches else 0


if __name__ == "__main__":
    sys.exit(main())
