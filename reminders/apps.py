"""The verb: who is nudged when, and what came of it."""

from django.apps import AppConfig


class RemindersConfig(AppConfig):
    name = "reminders"

    def ready(self) -> None:
        """Listens to changes of plan, and loads the system checks."""
        from assignments.signals import answered, contact_changed, plan_changed, told_elsewhere
        from reminders import checks, lifecycle

        plan_changed.connect(lifecycle.on_plan_changed, dispatch_uid="reminders.plan_changed")
        told_elsewhere.connect(lifecycle.on_told_elsewhere, dispatch_uid="reminders.told_elsewhere")
        contact_changed.connect(lifecycle.on_contact_changed, dispatch_uid="reminders.contact_changed")
        answered.connect(lifecycle.on_answered, dispatch_uid="reminders.answered")
        checks.register()
