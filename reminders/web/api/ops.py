"""The actions of operators over HTTP: rescan, reset, pause, resume."""

from dataclasses import asdict
from datetime import timedelta

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.delivery.broker import CeleryBroker
from reminders.ledger.pauses import pause_in_force
from reminders.models import ScanRun
from reminders.operations import pauses, rescans, resets
from reminders.operations.pauses import BacklogPart
from reminders.operations.plans import Done, Selection
from reminders.operations.resets import ResetPlan
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.serializers import operations, queries
from reminders.web.api.serializers.operations import MAX_LISTED
from reminders.web.team_limits import TeamAccess

PREVIEW_BUDGET = timedelta(seconds=10)


class OperatorEndpoint(Endpoint):
    """For operators only."""

    scope = "ops"


class RescanView(OperatorEndpoint):
    """Scans now."""

    @extend_schema(
        operation_id="reminders_rescan",
        parameters=[queries.DryRunQuery],
        request=operations.OptionalReasonInputSerializer,
        responses=responses(
            {
                200: OpenApiResponse(operations.ScanPlanSerializer, "Dry run: what a scan would do."),
                202: OpenApiResponse(operations.ScanSerializer, "The scan; `counts` is null while it runs."),
            },
            409,
            413,
            415,
        ),
    )
    def post(self, request: Request) -> Response:
        """Plans missing reminders and ends those whose plan has changed.

        One at a time: a second call returns the running scan. Works without Redis. A scan that takes
        longer than ten seconds continues in the background: read it again.
        """
        dry_run = self.address(queries.DryRunQuery)["dry_run"]
        reason = self.body(operations.OptionalReasonInputSerializer)["reason"]
        if dry_run:
            preview = rescans.preview_rescan(config=conf.current(), budget=PREVIEW_BUDGET)
            plan = {"dry_run": True, "complete": preview.complete, "counts": asdict(preview.counts)}
            return Response(operations.ScanPlanSerializer(plan).data)
        done = rescans.rescan(
            trigger=ScanRun.Trigger.API,
            by=self.by(),
            reason=reason,
            config=conf.current(),
            budget=rescans.REQUEST_BUDGET,
            hand_over=CeleryBroker().resume_scan_elsewhere,
        )
        run = ScanRun.objects.get(pk=done.scan_id)
        return Response(operations.ScanSerializer(run).data, status=202)


class ScanView(OperatorEndpoint):
    """One scan."""

    @extend_schema(operation_id="reminders_scan", responses=responses({200: operations.ScanSerializer}, 404))
    def get(self, request: Request, pk: int) -> Response:
        """Reads a scan: what started it, and its result."""
        run = ScanRun.objects.filter(pk=pk).first()
        if run is None:
            raise Http404
        return Response(operations.ScanSerializer(run).data)


class ResetView(OperatorEndpoint):
    """Resets reminder statuses."""

    team_limit = TeamAccess.NARROWS

    @extend_schema(
        operation_id="reminders_reset",
        parameters=[queries.DryRunQuery],
        request=operations.ResetInputSerializer,
        responses=responses({200: operations.ResetSerializer}, 409, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Sets the reminder status of assignments back to NONE and plans them anew.

        Of these `ids`, or of all that is out of sync. `future` takes every future SENT assignment, and so sends
        people a second message; a dry run counts them.
        """
        dry_run = self.address(queries.DryRunQuery)["dry_run"]
        asked = self.body(operations.ResetInputSerializer)
        ids = asked.get("ids")
        selection = Selection(
            ids=None if ids is None else tuple(sorted(set(ids))),
            future=asked["future"],
            starts_after=asked.get("starts_after"),
            starts_before=asked.get("starts_before"),
            scope=self.team_scope,
        )
        plan = resets.plan_reset(selection, config=conf.current())
        plan.confirm(asked.get("plan"))
        if dry_run or asked["dry_run"]:
            return _reset(plan, Done(tuple(target.id for target in plan.targets), plan.skipped), dry_run=True)
        done = resets.run_reset(plan, by=self.by(), reason=asked["reason"])
        return _reset(plan, done, dry_run=False)


def _reset(plan: ResetPlan, done: Done, *, dry_run: bool) -> Response:
    body = {
        "dry_run": dry_run,
        "plan": plan.fingerprint,
        "reset": len(done.ids),
        "people_nudged_again": plan.people_again,
        "targets": plan.targets[:MAX_LISTED],
        "skipped": [{"id": one.id, "why": one.why.value} for one in done.skipped[:MAX_LISTED]],
    }
    return Response(operations.ResetSerializer(body).data)


class PauseView(OperatorEndpoint):
    """Pauses all sending."""

    @extend_schema(
        operation_id="reminders_pause",
        request=operations.PauseInputSerializer,
        responses=responses({200: operations.PauseSerializer}, 409, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Stops all sending until somebody resumes it, or until a given instant. Overdue work is still marked."""
        asked = self.body(operations.PauseInputSerializer)
        begun = pauses.pause(by=self.by(), reason=asked["reason"], until=asked["until"])
        return Response(operations.PauseSerializer(begun).data)


class ResumeView(OperatorEndpoint):
    """Resumes sending."""

    @extend_schema(
        operation_id="reminders_resume",
        parameters=[queries.DryRunQuery],
        request=operations.ResumeInputSerializer,
        responses=responses({200: operations.ResumeSerializer}, 409, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Ends the pause. With `dry_run` it only counts what is waiting, by whether sending it is still useful."""
        dry_run = self.address(queries.DryRunQuery)["dry_run"]
        asked = self.body(operations.ResumeInputSerializer)
        if dry_run:
            waiting = pauses.backlog(config=conf.current())
            pause, skipped = pause_in_force(), 0
        else:
            done = pauses.resume(
                by=self.by(), reason=asked["reason"], skip=[BacklogPart(word) for word in asked["skip"]]
            )
            pause, waiting, skipped = done.pause, done.backlog, done.skipped
        body = {"dry_run": dry_run, "pause": pause, "backlog": waiting, "skipped": skipped}
        return Response(operations.ResumeSerializer(body).data)
