"""HTTP: Ops pages, admin, API, the assignee page, health."""
