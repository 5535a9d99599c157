"""Each call as its description says: what it allows and what it forbids, and every answer is one of those described."""

from collections import Counter
from functools import cache

import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, transaction
from django.db.models.functions import Now
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.generation.meta import CoverageScenario

from accounts.models import ApiToken
from assignments.imports.formats import XLSX
from tests.depth import FULL, examples
from tests.factories import AssignmentFactory

# Coverage is asked of the other tests: tracing takes half as long again.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]


class Web:
    """The web process, made anew with the settings of each test (`get_wsgi_application` would set up logging again)."""

    def __init__(self):
        self.handler = None

    def __call__(self, environ, start_response):
        return self.handler(environ, start_response)


web = Web()


@schemathesis.serializer(XLSX)
def spreadsheet(_context, value):
    """Sent as it is: schemathesis knows no such media type."""
    return value if isinstance(value, bytes) else str(value).encode()


load_all_checks()
UNDESCRIBED = {"GET /api/schema", "GET /api/docs"}
OPERATIONS = {
    f"{method} {path.replace('{pk}', '{id}')}"
    for path, _, method, _ in EndpointEnumerator().get_api_endpoints()
} - UNDESCRIBED
"""Without the description itself: every process of a run collects these tests, and one reads it."""
THINNED = {
    CoverageScenario.INCORRECT_TYPE: 3,
    CoverageScenario.VALID_OBJECT: 3,
    CoverageScenario.UNSPECIFIED_HTTP_METHOD: 5,
}
"""Of so many cases every run tries one. Half of all cases give a field a value of another type, six for each field: two of
six are tried, and a third of the valid values that it gives to each field in turn. Every method that an address does not
have is sent by `test_every_address`: here it is the form of the refusal that counts."""
met = Counter[tuple[str, CoverageScenario]]()
"""The cases that were met, by operation."""
# The examples of the description are sent and compared by `test_examples`; a full run sends them from here too.
MODES = [mode for mode in HypothesisTestMode if FULL or mode is not HypothesisTestMode.EXAMPLES]
# The API refuses more than its description says: blank texts, fields it does not know, years that nobody plans in,
# keys and cursors that are none. Everything else must be as described.
# Who may call what is asked at every address by `test_every_address`, so no case is sent again without its token.
NOT_SAID = [CHECKS.get_one("positive_data_acceptance"), CHECKS.get_one("ignored_auth")]


@cache
def described():
    """By its label each operation of the description."""
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    schema.app = web
    schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


@pytest.fixture
def token(clock, settings):
    settings.API_RATE = 0
    web.handler = WSGIHandler()
    AssignmentFactory(reference="S-1")
    # What the test client does too: the test's transaction is on this connection.
    ends = (signals.request_started, signals.request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    _, secret = ApiToken.issue("schemathesis", scopes=["read", "write", "ops"], days=None)
    ApiToken.objects.update(last_used_at=Now())  # or each call, which is taken back, would store it
    yield secret
    for end in ends:
        end.connect(close_old_connections)


def test_every_operation_of_the_description_is_called():
    assert set(described()) == OPERATIONS


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_call_does_what_its_description_says(label, token):
    """The cases are made here and not by `parametrize` of the schema: that would make them in each process that collects the
    tests, for seconds.
    """
    operation = described()[label]
    made = HypothesisTestConfig(project=operation.schema.config, modes=MODES)
    for scenario in THINNED:
        met[label, scenario] = 0
    create_test(operation=operation, test_func=is_as_described, config=made)(token=token)


@settings(
    max_examples=examples(20),
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def is_as_described(case, token):
    scenario = getattr(case.meta.phase.data, "scenario", None) if case.meta else None
    if not FULL and scenario in THINNED:
        key = case.operation.label, scenario
        met[key] += 1
        if met[key] % THINNED[scenario] != 1:
            return
    with transaction.atomic():  # each case finds the same database
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=NOT_SAID)
        transaction.set_rollback(True)
