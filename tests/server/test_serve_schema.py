"""schemathesis over what /docs says of the service."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

PATHS = ("/v1/inspect", "/v1/models", "/healthz", "/readyz")


@pytest.fixture(scope="module")
def described(service):
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_all_of_it_is_described(described):
    assert sorted(found.ok().path for found in described.get_all_operations()) == sorted(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_one_that_is_described(path, described):
    (operation,) = [found.ok() for found in described.get_all_operations() if found.ok().path == path]

    @given(case=operation.as_strategy())
    @settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def asked(case):
        # No schema can say that bytes are an image, so that "valid" ones are refused is as it should be.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    asked()
