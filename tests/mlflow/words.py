"""Random filters and orders over the grammar of each search: most are right, many nearly, some not at all.

Never generated, and why:
- SQL's keywords as names or values without quotes: sqlparse knows 800 of them, we know those that mean something here;
- `´`, `[…]`, `?`, `%s`, `$x` and `*` in names: sqlparse takes them for names, which name nothing;
- `1e400`: MLflow keeps infinite metrics as the largest number there is, and an infinite limit is above that;
- integers beyond 64 bits, lists of bare words, names in single quotes for logged models: MLflow fails with an error of its own;
- `status` of logged models: MLflow compares the word with the number that it keeps;
- the same key twice in an order: MLflow fails with an error of its own;
- `tags.name` in an order of versions: MLflow takes it for the attribute;
- a word that touches a quoted name: sqlparse takes it for an alias;
- `IS NULL` and `IN` behind a clause without AND between: MLflow takes all of it for one name, or fails;
- keys that begin with a digit without quotes: `parameters.1st` is refused, `params.1st` is not.
"""
import re

from corpus import KEYS, RUNS, STATUSES, TEXTS

ENTITIES = {
    "runs": {
        "metric": ["metrics", "metric"],
        "param": ["params", "param", "parameter", "parameters"],
        "tag": ["tags", "tag"],
        "attribute": ["attributes", "attribute", "attr", "run", ""],
        "dataset": ["datasets", "dataset"],
    },
    "experiments": {"tag": ["tags", "tag"], "attribute": ["attribute", ""]},
    "models": {"tag": ["tags", "tag"], "attribute": ["attribute", ""]},
    "versions": {"tag": ["tags", "tag"], "attribute": ["attribute", ""]},
    "logged-models": {"metric": ["metrics"], "param": ["params"], "tag": ["tags"], "attribute": ["attributes", ""]},
}
# Attributes of each search, with values that they may have.
ATTRIBUTES = {
    "runs": {
        "run_id": [f"<r{n}>" for n in range(0, RUNS, 7)],
        "run_name": ["ar03", "a%", "%r1_", "größer05", "%R2%"],
        "status": STATUSES + ["running", "F%"],
        "user_id": ["ann", "bob", "B%", "größe", ""],
        "artifact_uri": ["mlflow-artifacts:/<exp>/<r1>/artifacts", "mlflow-artifacts:/<other>/%", "%<r6>%"],
        "start_time": None,
        "end_time": None,
        "created": None,
        "Created": None,
        "run name": ["ar03", "%r1%"],
    },
    "experiments": {
        "name": ["filters", "a e0%", "%E0%", "größe%", "filters 2"],
        "experiment_id": ["<exp>", "<other>", "<e3>", " <e4> "],
        "creation_time": None,
        "last_update_time": None,
    },
    "models": {"name": ["m%", "M 0_", "größe%", "a b%", "%1", "it''s%", "m 00", "a\\%"]},
    "versions": {
        "name": ["m%", "M 0_", "größe%", "%1"],
        "version_number": None,
        "run_id": [f"<r{n}>" for n in range(0, RUNS, 7)] + [""],
        "source_path": ["s3://bucket/%", "s3://bucket/a", "runs:/%", "%BUCKET%"],
    },
    "logged-models": {
        "name": ["l0%", "l05", "L1%", "l1_"],
        "model_id": ["<l1>", "<l5>", "m-%"],
        "model_type": ["agent", "AGENT", "gr%", ""],
        "source_run_id": ["<r1>", "<r2>", ""],
        "creation_timestamp": None,
        "creation_time": None,
        "last_updated_timestamp": None,
    },
}
# What may be compared with lists.
LISTS = {
    "runs": ["run_id"],
    "experiments": ["experiment_id"],
    "models": ["name"],
    "versions": ["name", "run_id"],
    "logged-models": ["name", "model_id", "model_type", "source_run_id", *KEYS],
}
ORDERS = {
    "runs": ["start_time", "end_time", "run_name", "status", "user_id", "created", "Created", "attribute.start_time"],
    "experiments": ["name", "experiment_id", "creation_time", "attribute.name"],
    "models": ["name", "timestamp", "last_updated_timestamp"],
    "versions": ["name", "version_number", "creation_timestamp", "attribute.name"],
    "logged-models": ["name", "model_type", "creation_timestamp", "creation_time"],
}
NUMBERS = ["0", "1", "-1", "0.5", ".5", "5.", "-0.25", "1e-9", "1E9", "-2.5e8", "007", "42", "3", "1010", "5010", "1e308"]
WRONG_NUMBERS = ["1e+5", "+1", "- 1", "0x10", "1_000", "1.e3", "--1", "1,5", "inf", "nan", "one"]
COMPARE = ["=", "!=", ">", ">=", "<", "<="]
MATCH = ["=", "!=", "LIKE", "ILIKE"]
WRONG_OPERATORS = ["==", "<>", "=<", "NOT LIKE", "RLIKE", "REGEXP", "IS", "BETWEEN", "~", "in", "=!"]
NOISE = list("'\"`.,()=<>!%-+;:&|/#@ \t\n") + ["a", "1", "é", " AND ", " OR ", " NOT ", "--", "/*", "*/", "''", "\\"]


def chance(case, part):
    return case.random() < part


def filter(case, kind):
    """One filter, now and then with a change that may break it."""
    if chance(case, 0.03):
        return case.choice(["", " ", "AND", "and and", "a", "()", ";", "''", "NOT", "."])
    text = clause(case, kind)
    for _ in range(case.choice([0, 0, 0, 1, 1, 2, 3])):
        joint = case.choices([" AND ", " and ", "\nAnd\t", " ", " AND AND ", " OR ", ", ", " & "], [40, 10, 4, 2, 2, 2, 1, 1])[0]
        more = clause(case, kind)
        while not joint.strip() and re.search(r"\b(is|in)\b", more, re.IGNORECASE):
            more = clause(case, kind)
        text += joint + more
    if chance(case, 0.05):
        text = case.choice([f" {text}", f"{text} ", f"{text} AND", f"AND {text}", f"({text})", f"{text};", f"{text} -- x", f"NOT {text}"])
    if chance(case, 0.08):
        at = case.randrange(len(text) + 1)
        text = case.choice([text[:at] + case.choice(NOISE) + text[at:], text[:at] + text[at + 1 :], text[:at]])
    return text


def clause(case, kind):
    entity = case.choice(list(ENTITIES[kind]))
    if chance(case, 0.03):
        return f"{case.choice(['what', 'metrics', 'params', 'attributes', 'spans', 'Tags'])}.{case.choice(KEYS[:2])} = {value(case)}"
    word = case.choice(ENTITIES[kind][entity])
    if entity == "attribute":
        key = case.choice(list(ATTRIBUTES[kind]) + ["nothing", "lifecycle_stage"] * chance(case, 0.1))
        values = ATTRIBUTES[kind].get(key, TEXTS)
    else:
        key = case.choice(["name", "digest", "context"] * 5 + ["size"] if entity == "dataset" else KEYS)
        values = None if entity == "metric" else ["train", "d1", "eval", "t%", "training"] if entity == "dataset" else TEXTS + ["%a%", "_", "a%", "%A%"]
    name = f"{word}.{quoted(case, key)}" if word else quoted(case, key)
    absent = entity in ("tag", "param") and kind in ("runs", "experiments")
    if chance(case, 0.1 if absent else 0.01):
        return name + case.choice([" IS NULL", " IS NOT NULL", " is not null", " IS  NULL", " IS NOT  NULL", " is Null"])
    if values is None or chance(case, 0.02):
        right = case.choice(WRONG_NUMBERS) if chance(case, 0.05) else value(case) if chance(case, 0.04) else case.choice(NUMBERS)
        operators = COMPARE
        if kind == "experiments" or key == "version_number":
            right = case.choice([right, "5", "2", "1"])
    elif chance(case, 0.2 if key in LISTS[kind] or entity == "dataset" else 0.02):
        listed = case.sample(values, min(len(values), case.randint(0, 3)))
        items = ", ".join(text(case, one) for one in listed) + case.choice(["", "", "", ","] if listed else [""])
        return f"{name} {case.choice(['IN', 'NOT IN', 'IN', 'in', 'not in', 'NOT  IN'])} ({items})"
    else:
        right, operators = text(case, case.choice(values)), MATCH
    if key == "experiment_id":
        operators = COMPARE[:2]
    operator = case.choice(operators + COMPARE) if chance(case, 0.03) else case.choice(operators)
    if chance(case, 0.02):
        operator = case.choice(WRONG_OPERATORS)
    if chance(case, 0.02 if kind == "experiments" else 0.1):
        operator = operator.lower()
    tight = not operator[0].isalpha() and chance(case, 0.1)
    gap = "" if tight else case.choice([" ", " ", " ", "  ", "\t"])
    return f"{name}{gap}{operator}{gap}{right}"


def quoted(case, key):
    """A key in the quotes that it needs, or in some that it does not, or without."""
    plain = key.isidentifier() and key != "in"
    if chance(case, 0.85 if plain else 0.04) and not key[0].isdigit():
        return key
    return case.choice(["`{}`", "`{}`", '"{}"', "`{}"] if chance(case, 0.1) else ["`{}`", '"{}"']).format(key)


def text(case, content):
    """A text in either quotes, with those in it doubled."""
    quote = '"' if chance(case, 0.15) else "'"
    return quote + content.replace(quote, quote * 2) + quote


def value(case):
    """Any value, whatever it stands beside."""
    return case.choice([case.choice(NUMBERS), text(case, case.choice(TEXTS)), "`a`", "(1)", "NULL", "TRUE", "'a' 'b'", "metrics.acc"])


def order(case, kind):
    """What the rows are sorted by: a list, of objects for logged models."""
    keys, made = set(), []
    for _ in range(case.choice([0, 0, 1, 1, 2, 3])):
        entity, name = "attribute", case.choice(ORDERS[kind])
        if kind in ("runs", "logged-models") and chance(case, 0.5):
            entity = case.choice(["metric", "param", "tag"]) if kind == "runs" else "metric"
            key = case.choice(KEYS if kind == "runs" else KEYS[:4])
            name = f"{case.choice(ENTITIES[kind][entity])}.{quoted(case, key) if kind == 'runs' else key}"
        key = (entity, name.split(".")[-1].strip("`\"x").lower().replace("created", "start_time").replace("creation_time", "creation"))
        key = ("attribute", "time") if kind == "models" and "timestamp" in name else key
        if key not in keys:
            keys.add(key)
            made.append(way(case, name) if kind != "logged-models" else ordered(case, name))
    if chance(case, 0.05) and kind != "logged-models":
        made.append(case.choice(["", " name", "name ", "nothing", "name UP", "name ASC DESC", "a-b", "datasets.name", "'name'", "name, name", "name DESC NULLS LAST"]))
    return made


def way(case, name):
    return name + case.choice(["", "", " ASC", " DESC", " asc", " desc", "  DESC"])


def ordered(case, name):
    made = {"field_name": name}
    if chance(case, 0.7):
        made["ascending"] = chance(case, 0.5)
    if name.startswith("metrics.") and chance(case, 0.3):
        made["dataset_name"] = case.choice(["train", "test"])
        if chance(case, 0.5):
            made["dataset_digest"] = case.choice(["d1", "d2"])
    return made
