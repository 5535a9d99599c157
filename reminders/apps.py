"""The application `reminders`: who is reminded when, and what came of it."""

from django.apps import AppConfig
from django.conf import settings


class RemindersConfig(AppConfig):
    name = "reminders"

    def ready(self) -> None:
        """Connects the receivers of changes, and registers the system checks."""
        from accounts.signals import account_changed, sign_in_failed
        from assignments.signals import (
            acted,
            circumstances_changed,
            contact_changed,
            contact_point_left,
            details_changed,
            imported_as_notified,
            people_merged,
            person_erased,
            plan_changed,
            supervision_changed,
        )
        from reminders import checks
        from reminders.delivery import receivers
        from reminders.operations import account_audit, sign_in_counts

        plan_changed.connect(receivers.on_plan_changed, dispatch_uid="reminders.plan_changed")
        imported_as_notified.connect(
            receivers.on_imported_as_notified, dispatch_uid="reminders.imported_as_notified"
        )
        details_changed.connect(receivers.on_details_changed, dispatch_uid="reminders.details_changed")
        contact_point_left.connect(
            receivers.on_contact_point_left, dispatch_uid="reminders.contact_point_left"
        )
        people_merged.connect(receivers.on_people_merged, dispatch_uid="reminders.people_merged")
        person_erased.connect(receivers.on_person_erased, dispatch_uid="reminders.person_erased")
        contact_changed.connect(receivers.on_contact_changed, dispatch_uid="reminders.contact_changed")
        supervision_changed.connect(
            receivers.on_supervision_changed, dispatch_uid="reminders.supervision_changed"
        )
        circumstances_changed.connect(
            receivers.on_circumstances_changed, dispatch_uid="reminders.circumstances_changed"
        )
        acted.connect(receivers.on_acted, dispatch_uid="reminders.acted")
        account_changed.connect(account_audit.on_account_changed, dispatch_uid="reminders.account_changed")
        sign_in_failed.connect(sign_in_counts.on_sign_in_failed, dispatch_uid="reminders.sign_in_failed")
        if settings.ANYMAIL_PROVIDER:
            from anymail.signals import tracking

            from reminders.bounces.tracking_events import on_tracking

            tracking.connect(on_tracking, dispatch_uid="reminders.tracking")
        checks.register()
