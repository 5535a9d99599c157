"""The signals of this package. All are sent inside the service's transaction, with plain ids."""

from django.dispatch import Signal

plan_changed = Signal()
"""`ids`: assignments that are new or whose `version` has just grown; `new`: nothing was ever sent or planned for any of
them. The rows are locked."""

details_changed = Signal()
"""`ids`: assignments whose title or location has just changed while the plan stayed as it was. The rows are locked."""

contact_changed = Signal()
"""`ids`: assignees who can be reached by another address now, or again by one."""

people_merged = Signal()
"""`kept`, `gone`: ids of two people who were one, entered twice. The work is that of the first already; both are locked."""

person_erased = Signal()
"""`person`: the id of somebody who is being erased, `ids`: this and those of the people who were merged into them. Sent
before anything is changed, with all of them locked and none of their work open."""

contact_point_left = Signal()
"""`point`: a contact point to which no message should go any more; `why`: "failing", "opted_out" or "removed". Sent while it
still exists, with its person locked."""

imported_as_notified = Signal()
"""`ids`: assignments of whose present plan another system has notified the assignee. Sent before `plan_changed`."""

supervision_changed = Signal()
"""Somebody else may supervise some work now: a team has other supervisors, or a person or an assignment another team."""

circumstances_changed = Signal()
"""`assignments`, `people`, `teams`: ids of those whose values have just changed that decide, beside the plan, when people
are reminded: the kind or team of an assignment; the time zone, quiet hours or team of a person; a team's quiet hours."""

acted = Signal()
"""`acts`: each `Act` that was just recorded; the assignments are locked and have what it set. Start and completion are
changes of plan too: `plan_changed` is sent before."""
