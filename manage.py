#!/usr/bin/env python3
"""Every command of this project starts here, also on a machine where nothing is installed yet."""

import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - any Python must get this far

if sys.version_info < (3, 11):  # noqa: UP036 - the check itself
    sys.exit(
        "This project needs Python 3.11 or newer, and this is Python "
        + ".".join(map(str, sys.version_info[:3]))
        + " ("
        + sys.executable
        + "). Run it with a newer one, for example: python3.11 manage.py"
    )


def main() -> None:
    # Loaded by path: `import config` would run config/__init__.py, which needs what is not installed yet.
    path = os.path.join(ROOT, "config", "devstack", "bootstrap.py")  # noqa: PTH118
    spec = importlib.util.spec_from_file_location("project_bootstrap", path)
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = bootstrap
    spec.loader.exec_module(bootstrap)

    bootstrap.ensure_environment(sys.argv)
    bootstrap.set_terminal_log_defaults(sys.argv)
    bootstrap.join_running_services(sys.argv)
    bootstrap.set_up_defaults(sys.argv)
    bootstrap.run_command(sys.argv)


if __name__ == "__main__":
    main()
