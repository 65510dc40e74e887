"""Answers requests for one MLflow model, on standard input and output, in the frames of Mainspan's engine.

Started by `mainspan engine --pyfunc` with the Python that the model was made for. Whatever the model prints goes to
standard error. Needs MLflow and what the model needs, nothing else.
"""

import json
import os
import struct
import sys
import time

# The frames are the only thing on standard output.
FRAMES_OUT = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
FRAMES_IN = os.fdopen(os.dup(0), "rb")

import numpy as np
import pandas as pd
from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

ROWS, DESCRIBE, PING, OIP, V1, SCORING, CSV = 2, 3, 4, 5, 7, 8, 9
ANSWER, ANSWER_RAW, DESCRIPTION, PONG = 129, 130, 131, 132
MOST_PREDICTIONS = 4096

# The protocol's names of what numpy has.
NAMES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
DTYPES = {name: np.dtype(dtype).newbyteorder("<") for dtype, name in NAMES.items()}
COLUMNS = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64"}


class Refused(Exception):
    """The request's fault."""


class Watched:
    """The model, and whether it failed by itself: schemas that are not met are the request's fault."""

    def __init__(self, model):
        self.model = model
        self.metadata = model.metadata
        self.failed = None

    def predict(self, data, params=None):
        try:
            return self.model.predict(data, params=params) if params else self.model.predict(data)
        except MlflowException:
            raise
        except Exception as error:
            self.failed = error
            raise


def described(schema):
    """A schema in the protocol's words."""
    if schema is None:
        return []
    if schema.is_tensor_spec():
        return [
            {
                "name": spec.name or "inputs",
                "datatype": NAMES.get(np.dtype(spec.type).name, "BYTES"),
                "shape": [int(length) for length in spec.shape],
            }
            for spec in schema.inputs
        ]
    return [
        {
            "name": spec.name or str(place),
            "datatype": COLUMNS.get(getattr(spec.type, "name", ""), "BYTES"),
            "shape": [-1],
        }
        for place, spec in enumerate(schema.inputs)
    ]


def tensors(head, raw):
    """The inputs of a request in the binary extension."""
    at, given = 0, {}
    for tensor in head["inputs"]:
        size = tensor["parameters"]["binary_data_size"]
        piece = raw[at : at + size]
        at += size
        if tensor["datatype"] == "BYTES":
            values, place = [], 0
            while place < size:
                (length,) = struct.unpack_from("<I", piece, place)
                place += 4 + length
                values.append(bytes(piece[place - length : place]).decode())
            array = np.array(values, dtype=object)
        elif tensor["datatype"] == "BF16":
            array = (np.frombuffer(piece, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(piece, DTYPES[tensor["datatype"]])
        given[tensor["name"]] = array.reshape(tensor["shape"])
    return given


def column(array):
    """A tensor as a column of a frame."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array if array.ndim <= 1 else list(array)


def model_input(given, schema):
    """What the model is asked with: a frame or tensors, as its signature says."""
    if schema is not None and schema.is_tensor_spec():
        unnamed = not schema.has_input_names()
        return next(iter(given.values())) if unnamed and len(given) == 1 else given
    if schema is None and len(given) == 1:
        (only,) = given.values()
        if only.ndim > 1:
            return only
    return frame(pd.DataFrame({name: column(array) for name, array in given.items()}), schema)


def frame(rows, schema):
    """A frame with the columns that the model takes, and no others: they may be keys, or labels."""
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return rows
    missing = [name for name in schema.required_input_names() if name not in rows]
    if missing:
        raise Refused(f"input `{missing[0]}` is missing; the model takes {', '.join(schema.input_names())}")
    rows = rows[[name for name in schema.input_names() if name in rows]]
    return rows.astype({spec.name: kind for spec in schema.inputs if (kind := widened(spec, rows))})


def widened(spec, rows):
    """JSON has one kind of number: whole ones become what the signature says, if nothing is lost."""
    kind = getattr(spec.type, "name", "")
    if spec.name not in rows or not pd.api.types.is_numeric_dtype(rows[spec.name]):
        return None
    values = rows[spec.name]
    if kind in ("float", "double"):
        return {"float": np.float32, "double": np.float64}[kind]
    if kind in ("integer", "long") and not values.isna().any() and (values == values.round()).all():
        return {"integer": np.int32, "long": np.int64}[kind]
    return None


def outputs(result, names):
    """What a model gave, as arrays by name."""
    if isinstance(result, pd.DataFrame):
        return {str(name): result[name].to_numpy() for name in result}
    if isinstance(result, dict):
        return {str(name): np.asarray(value) for name, value in result.items()}
    if isinstance(result, pd.Series):
        result = result.to_numpy()
    elif hasattr(result, "toarray"):
        result = result.toarray()
    return {names[0] if len(names) == 1 else "predictions": np.asarray(result)}


def element(value):
    """One element that numpy has no number for."""
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else scoring_text(value)
    return text.encode()


def scoring_text(value):
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return json.dumps(value, cls=scoring_server.NumpyEncoder)


def written(arrays):
    """An answer in the binary extension: its JSON, its bytes."""
    described, pieces = [], []
    for name, array in arrays.items():
        datatype = NAMES.get(array.dtype.name)
        if datatype:
            piece = np.ascontiguousarray(array, DTYPES[datatype]).tobytes()
        else:
            datatype = "BYTES"
            texts = [element(value) for value in array.ravel()]
            piece = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        parameters = {"binary_data_size": len(piece)}
        described.append({"name": name, "datatype": datatype, "shape": array.shape, "parameters": parameters})
        pieces.append(piece)
    return json.dumps({"outputs": described}).encode(), b"".join(pieces)


def first_numbers(arrays):
    """The first element of each row of the first output; no number is NaN."""
    for array in arrays.values():
        rows = array.reshape(array.shape[0], -1)[:MOST_PREDICTIONS, :1] if array.ndim and array.size else array.reshape(-1, 1)
        try:
            return [float(value) for value in rows[:, 0]]
        except (TypeError, ValueError):
            return [float("nan")] * len(rows)
    return []


def jsonable(body):
    return json.dumps(body, cls=scoring_server.NumpyEncoder).encode()


class Server:
    """One model that answers."""

    def __init__(self, path):
        self.model = pyfunc.load_model(path)
        signature = self.model.metadata.signature
        self.schema = self.model.metadata.get_input_schema()
        self.names = [one["name"] for one in described(signature.outputs if signature else None)]
        given = {"inputs": described(self.schema), "outputs": described(signature.outputs if signature else None)}
        self.description = json.dumps(given).encode()

    def predict(self, data):
        """What the model gives for a frame or for tensors."""
        watched = Watched(self.model)
        try:
            return watched.predict(data)
        except MlflowException as error:
            raise Refused(error.message) from error

    def oip(self, body, length):
        result = outputs(self.predict(model_input(tensors(json.loads(bytes(body[:length])), body[length:]), self.schema)), self.names)
        head, raw = written(result)
        return head, raw, first_numbers(result)

    def rows(self, body):
        given = parsed(body)
        single = isinstance(given, dict)
        rows = [given] if single else given
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise Refused("the body is no object or array of objects, or has no rows")
        result = outputs(self.predict(frame(pd.DataFrame(rows), self.schema)), self.names)
        values = [[by_name[row] for by_name in result.values()] for row in range(len(rows))]
        end = "" if single else "s"
        answer = {f"prediction{end}": values[0][0] if single else [row[0] for row in values]}
        if len(result) > 1:
            objects = [dict(zip(result, row)) for row in values]
            answer[f"output{end}"] = objects[0] if single else objects
        return jsonable(answer), b"", first_numbers(result)

    def first_protocol(self, body):
        given = parsed(body)
        instances = given.get("instances", given.get("inputs")) if isinstance(given, dict) else None
        if not isinstance(instances, list) or not instances:
            raise Refused('the body needs "instances", a list of at least one')
        if all(isinstance(one, dict) for one in instances):
            data = frame(pd.DataFrame(instances), self.schema)
        elif self.schema is not None and not self.schema.is_tensor_spec():
            names = self.schema.input_names() if self.schema.has_input_names() else None
            data = frame(pd.DataFrame(instances, columns=names), self.schema)
        else:
            kind = self.schema.inputs[0].type if self.schema is not None else None
            data = np.array(instances, dtype=kind)
        result = self.predict(data)
        answer = {"predictions": scoring_server._get_jsonable_obj(result, pandas_orient="records")}
        return jsonable(answer), b"", first_numbers(outputs(result, self.names))

    def scored(self, body, kind):
        watched = Watched(self.model)
        try:
            answer = scoring_server.invocations(bytes(body), kind, watched, self.schema)
        except MlflowException as error:
            raise (watched.failed or Refused(error.message)) from error
        if answer.status != 200:
            raise Refused(answer.response)
        try:
            given = json.loads(answer.response)["predictions"]
            first = given if isinstance(given, list) else [given]
            numbers = [float(one) for one in first[:MOST_PREDICTIONS]]
        except (KeyError, TypeError, ValueError):
            numbers = []
        return answer.response.encode(), b"", numbers

    def answer(self, kind, payload):
        """Status, JSON, raw bytes and predictions."""
        try:
            if kind == OIP:
                (length,) = struct.unpack_from("<I", payload)
                return 200, *self.oip(payload[4:], length)
            if kind == ROWS:
                return 200, *self.rows(payload)
            if kind == V1:
                return 200, *self.first_protocol(payload)
            if kind in (SCORING, CSV):
                return 200, *self.scored(payload, "text/csv" if kind == CSV else "application/json")
            raise Refused("a request of another kind")
        except Refused as error:
            return 400, jsonable({"error": str(error)}), b"", []
        except Exception as error:  # whatever the model does is its answer
            sys.excepthook(*sys.exc_info())
            return 500, jsonable({"error": f"the model failed: {type(error).__name__}: {error}"}), b"", []

    def serve(self):
        while head := FRAMES_IN.read(4):
            frame_bytes = memoryview(FRAMES_IN.read(struct.unpack("<I", head)[0]))
            identity, kind = struct.unpack_from("<QB", frame_bytes)
            if kind == DESCRIBE:
                send(identity, DESCRIPTION, self.description)
            elif kind == PING:
                send(identity, PONG)
            else:
                began = time.perf_counter()
                status, body, raw, predictions = self.answer(kind, frame_bytes[9:])
                micros = min(int((time.perf_counter() - began) * 1e6), 2**32 - 1)
                figures = struct.pack(f"<HII{len(predictions)}d", status, micros, len(predictions), *predictions)
                if kind == OIP and status == 200:
                    send(identity, ANSWER_RAW, struct.pack("<I", len(body)), figures, body, raw)
                else:
                    send(identity, ANSWER, figures, body)


def parsed(body):
    try:
        return json.loads(bytes(body))
    except ValueError as error:
        raise Refused(f"the body is not valid JSON: {error}") from error


def send(identity, kind, *pieces):
    payload = b"".join(pieces)
    FRAMES_OUT.write(struct.pack("<IQB", 9 + len(payload), identity, kind) + payload)
    FRAMES_OUT.flush()


Server(sys.argv[1]).serve()
