"""What random filters search: runs, experiments, models and versions with odd keys and values, the same in every server."""
import random
import re

# Keys of metrics, parameters and tags; each needs its quotes in a filter where it is no plain word.
KEYS = ["acc", "loss", "a b", "größe", "a.b", "a-b", "a/b", "Acc", "in", "1st", "数据"]
# Values of parameters and tags, and names.
TEXTS = ["", "a", "A", "ab", "a%", "a_b", "it's", "größe", "GRÖSSE", "数据 😀", "10", "9", "1.5", "true", "None", " a ", "a\\b", 'a"b']
NUMBERS = [0, 1, -1, 0.5, 0.25, 1e-9, 1e9, -2.5e8, 3, 42, "NaN", "Infinity", "-Infinity"]
STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]
DATASETS = [("train", "d1", "training"), ("test", "d2", "eval"), ("größe", "d3", None), ("train", "d4", "eval")]
RUNS, EXPERIMENTS, MODELS, LOGGED = 60, 12, 14, 20


def named(text, ids):
    """The text with `<name>` replaced by the id that this server gave."""
    return re.sub(r"<([a-z0-9]+)>", lambda match: ids.get(match[1], match[0]), text)


def fill(base, seed, ask):
    """Creates everything, and returns the ids that the server gave."""
    made, ids = random.Random(f"corpus {seed}"), {}

    def send(method, path, message):
        status, answer = ask(base, method, path, message)
        if status != 200:
            raise SystemExit(f"{base} refuses the corpus: {method} {path} {message}: {status} {answer}")
        return answer

    def labels(most, values=TEXTS):
        return [{"key": key, "value": made.choice(values)} for key in made.sample(KEYS, made.randint(0, most))]

    ids["exp"] = send("POST", "experiments/create", {"name": "filters"})["experiment_id"]
    ids["other"] = send("POST", "experiments/create", {"name": "filters 2"})["experiment_id"]
    runs(made, ids, send, labels)
    for n in range(EXPERIMENTS):
        message = {"name": f"{made.choice(TEXTS)} e{n:02}", "tags": labels(4)}
        ids[f"e{n}"] = send("POST", "experiments/create", message)["experiment_id"]
    models(made, ids, send, labels)
    logged(made, ids, send, labels)
    return ids


def runs(made, ids, send, labels):
    for n in range(RUNS):
        home = ids["exp"] if n % 5 else ids["other"]
        message = {"experiment_id": home, "run_name": f"{made.choice(TEXTS)}r{n:02}", "start_time": 1000 + 7 * n, "tags": labels(5)}
        if made.random() < 0.7:
            message["user_id"] = made.choice(["ann", "Bob", "größe"])
        run = ids[f"r{n}"] = send("POST", "runs/create", message)["run"]["info"]["run_id"]
        metrics = [{"key": key, "value": made.choice(NUMBERS), "timestamp": 5, "step": made.randint(0, 3)}
                   for key in made.choices(KEYS, k=made.randint(0, 6))]
        send("POST", "runs/log-batch", {"run_id": run, "metrics": metrics, "params": labels(5)})
        if made.random() < 0.5:
            send("POST", "runs/update", {"run_id": run, "status": made.choice(STATUSES), "end_time": made.randint(5000, 5020)})
        for name, digest, context in made.sample(DATASETS, made.choice([0, 0, 1, 2])):
            dataset = {"name": name, "digest": digest, "source_type": "local", "source": "{}"}
            tags = [{"key": "mlflow.data.context", "value": context}] if context else []
            send("POST", "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset, "tags": tags}]})
        if made.random() < 0.1:
            send("POST", "runs/delete", {"run_id": run})


def models(made, ids, send, labels):
    for n in range(MODELS):
        name = f"{made.choice(['m', 'M', 'größe', 'a b', 'a%', 'it' + chr(39) + 's'])} {n:02}"
        send("POST", "registered-models/create", {"name": name, "tags": labels(4)})
        for _ in range(made.choice([0, 1, 2, 4])):
            message = {"name": name, "source": f"s3://bucket/{made.choice(TEXTS[1:5])}", "tags": labels(3)}
            if made.random() < 0.5:
                run = ids[f"r{made.randrange(RUNS)}"]
                message |= {"run_id": run, "source": f"runs:/{run}/model"}
            send("POST", "model-versions/create", message)


def logged(made, ids, send, labels):
    for n in range(LOGGED):
        message = {"experiment_id": ids["exp"] if n % 4 else ids["other"], "name": f"l{n:02}", "tags": labels(4), "params": labels(4)}
        message["model_type"] = made.choice(["", "agent", "Agent", "größe"])
        if made.random() < 0.6:
            message["source_run_id"] = ids[f"r{made.randrange(RUNS)}"]
        model = ids[f"l{n}"] = send("POST", "logged-models", message)["model"]["info"]["model_id"]
        points = []
        # MLflow makes 0 of a NaN on a model, and keeps one point for each time and step.
        for at in range(made.randint(0, 5)):
            point = {"key": made.choice(KEYS[:4]), "value": made.choice(NUMBERS[:-3]), "timestamp": made.choice([at, at + 50])}
            points.append({**point, "step": at, "model_id": model, **made.choice([{}, {"dataset_name": "train", "dataset_digest": "d1"}])})
        if points:
            run = ids[f"r{n % 5 + 1}"]
            send("POST", "runs/restore", {"run_id": run})
            send("POST", "runs/log-batch", {"run_id": run, "metrics": points})
