"""What the flows expect of calls that must fail."""
from mlflow.exceptions import MlflowException


def refused(code, call, *args, **more):
    """The call fails with that code of MLflow's."""
    try:
        call(*args, **more)
    except MlflowException as error:
        assert error.error_code == code, f"{call}: {error.error_code} in place of {code}: {error}"
    else:
        raise AssertionError(f"{call} was not refused")
