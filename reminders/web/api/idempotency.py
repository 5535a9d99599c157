"""`Idempotency-Key`: a POST that is repeated because its response was lost is carried out once.

The change and its response are committed together. A response is stored for a day, for its caller only; whoever does
not see any more what it is about gets 404. A refused
request changed nothing, so its key may be used again.
"""

import functools
import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.transactions import atomically
from reminders.models import StoredResponse
from reminders.web.api.endpoint import Endpoint
from reminders.web.api.errors import KeyInUse, KeyReused
from reminders.web.api.parsers import read_body

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,200}")
KEPT = timedelta(hours=24)
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your own name for this call, 1 to 200 visible ASCII characters: sent again with the same body"
    " within 24 hours it answers the same and does nothing; with another body it is refused (422).",
)

Call = Callable[..., Response]


def idempotent(call: Call) -> Call:
    """Lets a `post` of an Endpoint be repeated under the same Idempotency-Key."""

    @functools.wraps(call)
    def answered(view: Endpoint, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return call(view, request, *args, **kwargs)
        if not KEY.fullmatch(key):
            raise ValidationError({HEADER: ["1 to 200 visible ASCII characters are needed"]}, "invalid")
        return _answered(view, key, _request_hash(request), lambda: call(view, request, *args, **kwargs))

    return answered


@atomically
def _answered(view: Endpoint, key: str, request_hash: str, call: Callable[[], Response]) -> Response:
    caller = view.by()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [f"{caller}\n{key}"])
        if not cursor.fetchone()[0]:
            raise KeyInUse
    own = StoredResponse.objects.filter(caller=caller, key=key)
    kept = own.filter(at__gt=Now() - KEPT).first()
    if kept is not None:
        if kept.request_hash != request_hash:
            raise KeyReused
        if not view.may_see_again(kept.body):
            raise Http404
        return Response(
            kept.body, status=kept.status, headers={**kept.headers, "Idempotent-Replayed": "true"}
        )
    response = call()
    own.delete()
    StoredResponse.objects.create(
        caller=caller,
        key=key,
        request_hash=request_hash,
        status=response.status_code,
        headers=dict(response.items()),
        body=json.loads(JSONRenderer().render(response.data)),
    )
    return response


def _request_hash(request: Request) -> str:
    """A hash of everything that makes a request the same one."""
    parts = (request.get_full_path(), request.content_type or "", request.headers.get("If-Match", ""))
    return hashlib.sha256(
        "\n".join(parts).encode() + b"\n" + read_body(io.BytesIO(request.body), request)
    ).hexdigest()
