"""What people and programs see over HTTP: Ops pages, admin, API, the page behind a link, health."""
