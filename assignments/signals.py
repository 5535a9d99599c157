"""What the neighbourhood may listen to. All are sent inside the service's transaction, with plain ids."""

from django.dispatch import Signal

plan_changed = Signal()
"""`ids`: assignments that are new or whose `version` has just grown. The rows are locked."""

contact_changed = Signal()
"""`ids`: assignees whose way to be reached has just changed."""

told_elsewhere = Signal()
"""`ids`: assignments whose present plan the former system has told their people. Sent before `plan_changed`."""

answered = Signal()
"""`ids`: assignments whose people have just answered; `answer`: CONFIRMED or DECLINED. The plan stays as it was."""
