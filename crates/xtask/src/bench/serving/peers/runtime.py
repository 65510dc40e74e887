"""MLServer around ONNX Runtime."""

import os

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Gbt(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        rows = np.array(given.data.root, dtype=np.float32).reshape(given.shape)
        label, probabilities = self.session.run(None, {"X": rows})
        outputs = [
            ResponseOutput(name="label", datatype="INT64", shape=list(label.shape), data=label.tolist()),
            ResponseOutput(name="probabilities", datatype="FP32", shape=list(probabilities.shape), data=probabilities.ravel().tolist()),
        ]
        return InferenceResponse(model_name="gbt", outputs=outputs)
