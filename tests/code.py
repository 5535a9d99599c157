"""Runs the code that is its first argument, as `python -c` does (`tests.starter.run_code`)."""

import sys

if __name__ == "__main__":
    source = sys.argv[1]
    sys.argv[:2] = ["-c"]
    exec(compile(source, "<string>", "exec"), {"__name__": "__main__"})
