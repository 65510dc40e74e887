"""Changes of one field of an answer each, to prove that the comparison notices every one but what `normal.py` lists."""
import copy

from normal import WORDS, left_out, made_now, normal, numbered

# A field that no answer has.
NEW = "a_field_of_tomorrow"
# Who registered a version is not compared (see `normal`).
VERSIONS = ("model_version", "model_versions", "latest_versions")


class Mutation:
    """An answer with one change, whether the comparison has to notice it, and the place."""

    def __init__(self, body, path, what, expected=True):
        self.body, self.path, self.what, self.expected = body, path, what, expected

    def noticed(self, answer):
        """Whether the comparison sees this change, or leaves it out as it should."""
        seen = normal(self.body, answer.saved) != normal(answer.body, answer.saved)
        return seen == self.expected

    def __str__(self):
        place = ".".join(map(str, self.path)) or "the answer"
        return f"{self.what} {place}" if self.expected else f"no, but should leave out {self.what} {place}"


def mutations(body):
    """Every change of one field: another value, another type, gone, and one more."""
    if not isinstance(body, dict):
        return
    for path, value, hidden in places(body):
        if isinstance(value, dict):
            yield Mutation(changed(body, path, lambda at: {**at, NEW: 1}), path, "one more field in", not hidden)
        if not path:
            continue
        yield Mutation(without(body, path), path, "the absence of", not hidden)
        if isinstance(value, (dict, list)):
            continue
        name, *above = [key for key in reversed(path) if isinstance(key, str)]
        opaque = hidden or (name in WORDS and bool(value)) or made_now(value, name) or numbered(value, name, next(iter(above), None))
        yield Mutation(changed(body, path, other), path, "another value of", not opaque)
        yield Mutation(changed(body, path, lambda _: [7]), path, "another type of", not hidden)


def places(value, path=(), hidden=False):
    """Each place of an answer: its path, its value, and whether it is below a field that is left out."""
    yield path, value, hidden
    if isinstance(value, dict):
        owner = next((key for key in reversed(path) if isinstance(key, str)), "answer")
        for key, one in value.items():
            skipped = left_out(key, one) or (key == "user_id" and owner in VERSIONS)
            yield from places(one, (*path, key), hidden or skipped)
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from places(one, (*path, n), hidden)


def other(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1 if value + 1 != value else 0
    return f"{value}~" if isinstance(value, str) else 0


def changed(body, path, how):
    """The answer with one place changed."""
    if not path:
        return how(body)
    body = copy.deepcopy(body)
    above = body
    for key in path[:-1]:
        above = above[key]
    above[path[-1]] = how(above[path[-1]])
    return body


def without(body, path):
    """The answer without one place."""
    body = copy.deepcopy(body)
    above = body
    for key in path[:-1]:
        above = above[key]
    del above[path[-1]]
    return body
