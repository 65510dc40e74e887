"""Trains small models as people do, and writes what their converters make of them.

    python fixtures.py

writes crates/engine/tests/fixtures/*.onnx. What is needed is in requirements.txt beside this file. The tests of the
engine say for each file whether its trees are compiled, and compare what is with ONNX Runtime.
"""

import warnings
from pathlib import Path

import lightgbm
import numpy
import onnxmltools
import pandas
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / "crates/engine/tests/fixtures"

CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
CANCER, IRIS, DIABETES = (x.astype(numpy.float32) for x in (CANCER, IRIS, DIABETES))
NAMES = numpy.array(["setosa", "versicolor", "virginica"])[SPECIES]
HOLES = CANCER.copy()
HOLES[numpy.random.default_rng(0).random(HOLES.shape) < 0.1] = numpy.nan
SMALL = {"n_estimators": 7, "max_depth": 4, "random_state": 0}


def scikit(model, x, y, zipmap=False, x_type=numpy.float32):
    model.fit(x, y)
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    options = {id(last): {"zipmap": zipmap}} if hasattr(last, "classes_") else None
    return to_onnx(model, x[:1].astype(x_type), options=options, target_opset={"": 17, "ai.onnx.ml": 3})


def flowers():
    """Columns of several types, as a data frame has them."""
    random = numpy.random.default_rng(1)
    frame = pandas.DataFrame(DIABETES[:, :3], columns=["age", "sex", "bmi"])
    frame["town"] = random.choice(["Ulm", "Köln", "Bonn"], len(frame))
    frame["stars"] = random.integers(0, 4, len(frame))
    frame["code"] = random.choice([f"c{n}" for n in range(12)], len(frame))
    return frame


FRAME_TYPES = {
    "age": FloatTensorType([None, 1]),
    "sex": FloatTensorType([None, 1]),
    "bmi": FloatTensorType([None, 1]),
    "town": StringTensorType([None, 1]),
    "stars": Int64TensorType([None, 1]),
    "code": StringTensorType([None, 1]),
}


def columns(transformers, model, target):
    frame = flowers()
    pipeline = make_pipeline(ColumnTransformer(transformers), model)
    pipeline.fit(frame, target)
    types = list(FRAME_TYPES.items())
    return convert_sklearn(pipeline, initial_types=types, target_opset={"": 17, "ai.onnx.ml": 3})


def with_numbers_and_categories(model, target):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    unknown = OneHotEncoder(handle_unknown="ignore")
    return columns(
        [("n", numbers, ["age", "sex", "bmi"]), ("c", unknown, ["town", "code"]), ("i", unknown, ["stars"])],
        model,
        target,
    )


def xgb(model, x, y):
    return onnxmltools.convert_xgboost(model.fit(x, y), initial_types=[("x", Floats([None, x.shape[1]]))])


def lgbm(model, x, y, **more):
    options = {"zipmap": False} | {k: v for k, v in more.items() if k == "split"}
    fit = {k: v for k, v in more.items() if k != "split"}
    return onnxmltools.convert_lightgbm(
        model.fit(x, y, **fit), initial_types=[("x", Floats([None, x.shape[1]]))], **options
    )


def categories():
    """A column of nine categories that matters, and what to learn from it."""
    x = DIABETES.copy()
    x[:, 0] = numpy.arange(len(x)) % 9
    return x, PROGRESS + numpy.array([5, 100, 3, 200, 0, 0, 300, 9, 50])[x[:, 0].astype(int)]


def models():
    light = {"n_estimators": 7, "num_leaves": 12, "random_state": 0, "verbose": -1}
    high = PROGRESS > 150
    x, y = categories()
    yield "sklearn-gbt", scikit(GradientBoostingClassifier(**SMALL), CANCER, IS_BENIGN)
    yield "sklearn-gbt-3", scikit(GradientBoostingClassifier(**SMALL), IRIS, SPECIES)
    yield "sklearn-gbt-zipmap", scikit(GradientBoostingClassifier(**SMALL), IRIS, NAMES, zipmap=True)
    yield "sklearn-gbt-regressor", scikit(GradientBoostingRegressor(**SMALL), DIABETES, PROGRESS)
    yield "sklearn-rf-double", scikit(RandomForestClassifier(**SMALL), IRIS, SPECIES, x_type=numpy.float64)
    yield "sklearn-rf", scikit(RandomForestClassifier(**SMALL), CANCER, IS_BENIGN)
    yield "sklearn-rf-3", scikit(RandomForestClassifier(**SMALL), IRIS, NAMES)
    yield "sklearn-rf-zipmap", scikit(RandomForestClassifier(**SMALL), IRIS, SPECIES, zipmap=True)
    yield "sklearn-rf-regressor", scikit(RandomForestRegressor(**SMALL), DIABETES, PROGRESS)
    yield "sklearn-rf-two-targets", scikit(
        RandomForestRegressor(**SMALL), DIABETES, numpy.c_[PROGRESS, DIABETES[:, 2]]
    )
    yield "sklearn-et", scikit(ExtraTreesClassifier(**SMALL), IRIS, SPECIES)
    yield "sklearn-et-regressor", scikit(ExtraTreesRegressor(**SMALL), DIABETES, PROGRESS)
    histogram = {"max_iter": 7, "max_depth": 4, "random_state": 0}
    yield "sklearn-hgb", scikit(HistGradientBoostingClassifier(**histogram), HOLES, IS_BENIGN)
    yield "sklearn-hgb-3", scikit(HistGradientBoostingClassifier(**histogram), IRIS, NAMES)
    yield "sklearn-hgb-regressor", scikit(HistGradientBoostingRegressor(**histogram), DIABETES, PROGRESS)
    yield "pipeline-imputer-scaler", scikit(
        make_pipeline(SimpleImputer(), StandardScaler(), GradientBoostingClassifier(**SMALL)), HOLES, IS_BENIGN
    )
    yield "pipeline-scalers", scikit(
        make_pipeline(MinMaxScaler(), RobustScaler(), MaxAbsScaler(), Normalizer(), RandomForestRegressor(**SMALL)),
        DIABETES,
        PROGRESS,
    )
    yield "pipeline-polynomial", scikit(
        make_pipeline(PolynomialFeatures(), GradientBoostingRegressor(**SMALL)), DIABETES, PROGRESS
    )
    yield "columns-one-hot", with_numbers_and_categories(GradientBoostingRegressor(**SMALL), PROGRESS)
    yield "columns-one-hot-classes", with_numbers_and_categories(
        RandomForestClassifier(**SMALL), numpy.where(high, "high", "low")
    )
    yield "columns-ordinal", columns(
        [
            ("n", "passthrough", ["age", "sex", "bmi", "stars"]),
            ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["town", "code"]),
        ],
        GradientBoostingClassifier(**SMALL),
        high,
    )
    fill = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=""), OneHotEncoder(handle_unknown="ignore")
    )
    yield "columns-text-imputer", columns(
        [("n", "passthrough", ["age", "sex", "bmi", "stars"]), ("c", fill, ["town", "code"])],
        GradientBoostingClassifier(**SMALL),
        high,
    )
    yield "xgboost", xgb(xgboost.XGBClassifier(**SMALL), HOLES, IS_BENIGN)
    yield "xgboost-3", xgb(xgboost.XGBClassifier(**SMALL), IRIS, SPECIES)
    yield "xgboost-regressor", xgb(xgboost.XGBRegressor(**SMALL), DIABETES, PROGRESS)
    yield "lightgbm", lgbm(lightgbm.LGBMClassifier(**light), HOLES, IS_BENIGN)
    yield "lightgbm-3", lgbm(lightgbm.LGBMClassifier(**light), IRIS, SPECIES)
    yield "lightgbm-regressor", lgbm(lightgbm.LGBMRegressor(**light), DIABETES, PROGRESS)
    yield "lightgbm-categories", lgbm(
        lightgbm.LGBMRegressor(**light, min_data_per_group=5, cat_smooth=1), x, y, categorical_feature=[0]
    )
    yield "lightgbm-poisson", lgbm(lightgbm.LGBMRegressor(**light, objective="poisson"), DIABETES, PROGRESS)
    yield "lightgbm-rf", lgbm(
        lightgbm.LGBMClassifier(**light, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7), CANCER, IS_BENIGN
    )
    yield "lightgbm-split", lgbm(lightgbm.LGBMRegressor(**light), DIABETES, PROGRESS, split=3)


def main():
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, model in models():
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
        print(name)


if __name__ == "__main__":
    main()
