"""A FastAPI application around ONNX Runtime with nothing that costs time."""

import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.post("/v2/models/gbt/infer")
async def infer(request: Request):
    given = orjson.loads(await request.body())["inputs"][0]
    rows = np.array(given["data"], dtype=np.float32).reshape(given["shape"])
    label, probabilities = session.run(None, {"X": rows})
    outputs = [
        {"name": "label", "datatype": "INT64", "shape": label.shape, "data": label},
        {"name": "probabilities", "datatype": "FP32", "shape": probabilities.shape, "data": probabilities.ravel()},
    ]
    answer = {"model_name": "gbt", "model_version": "1", "outputs": outputs}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
