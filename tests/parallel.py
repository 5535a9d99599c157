"""Gives each parallel process of pytest a Redis database of its own, before the settings are read.

pytest-django already gives each of them a PostgreSQL database. Loaded with `-p tests.parallel` (pyproject.toml).
"""

import os
from urllib.parse import urlsplit

LAST_DATABASE = 15
"""Redis has databases 0 to 15; `tests.stack` takes from the lower ones."""


def own_redis(url: str, worker: str) -> str:
    """The address for a worker of pytest-xdist ("gw0", "gw1", ...); the given one where there is none."""
    if not worker.startswith("gw"):
        return url
    return urlsplit(url)._replace(path=f"/{LAST_DATABASE - int(worker[2:])}").geturl()


if "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = own_redis(os.environ["REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER", ""))
