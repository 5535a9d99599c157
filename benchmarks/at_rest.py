"""What a running `manage.py up` costs at rest, by process: `python3 -m benchmarks.at_rest [STATE] [SECONDS]`, on Linux.

CPU seconds a minute, and the proportional set size (PSS: what is shared counts in parts), over so many seconds.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks import cpu


def pss_mib(pid: int) -> float:
    """The proportional set size of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = [
        int(word)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for word in (task / "children").read_text().split()
    ]
    return [pid, *(one for child in children for one in family(child))]


def measure(state: Path, seconds: float) -> None:
    up = json.loads((state / "up.json").read_text())
    roles = {pid: role for role, pid in up["processes"].items()} | {up["pid"]: "up"}
    before = {pid: cpu.with_ended_children(pid) for pid in family(up["pid"])}
    time.sleep(seconds)
    total_cpu = total_pss = 0.0
    for pid in family(up["pid"]):
        used = (cpu.with_ended_children(pid) - before.get(pid, 0.0)) * 60 / seconds
        size = pss_mib(pid)
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:60]
        print(f"{pid:>8} {roles.get(pid, ''):<9} {used:6.2f} CPU s/min {size:7.1f} MiB  {command}")
        total_cpu, total_pss = total_cpu + used, total_pss + size
    print(f"{'':>8} {'together':<9} {total_cpu:6.2f} CPU s/min {total_pss:7.1f} MiB")


if __name__ == "__main__":
    words = sys.argv[1:]
    measure(Path(words[0] if words else ".run"), float(words[1]) if len(words) > 1 else 60.0)
