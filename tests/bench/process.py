"""process.py - a program under measurement: its CPU seconds from wait4, its memory from /proc while it lives."""

import os
import signal
import subprocess
import threading
import time

SAMPLE_S = 0.02  # the memory's peak is the kernel's own; this only bounds what is missed just before the end


class Measured:
    """A child whose `cpu_s`, `peak_kb` (VmHWM) and `code` stand once `end` has returned.

    wait4's ru_maxrss is no use for memory: it counts what the parent had in memory when it forked.
    """

    def __init__(self, argv, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        self.name = os.path.basename(argv[0])
        self.child = subprocess.Popen(list(map(str, argv)), **options)
        self.samples = []  # (seconds on the monotonic clock, VmRSS in kB, bytes written so far)
        self.peak_kb = 0
        self.cpu_s = None
        self.code = None
        self.usage = None
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()

    def _watch(self):
        while self.usage is None:
            status = memory_of(self.child.pid)
            if status.get("VmHWM"):
                self.peak_kb = max(self.peak_kb, status["VmHWM"])
                self.samples.append((time.monotonic(), status["VmRSS"], written_by(self.child.pid)))
            pid, code, usage = os.wait4(self.child.pid, os.WNOHANG)
            if pid:
                self.child.returncode = os.waitstatus_to_exitcode(code)
                self.usage = usage
            else:
                time.sleep(SAMPLE_S)

    def end(self, seconds):
        """Waits for its end, and after so many seconds makes one; answers the exit code."""
        self.watch.join(seconds)
        if self.watch.is_alive():
            os.kill(self.child.pid, signal.SIGKILL)
            self.watch.join()
        self.code = self.child.returncode
        self.cpu_s = self.usage.ru_utime + self.usage.ru_stime
        return self.code

    def resident_kb(self, from_s, to_s):
        """VmRSS between two moments of the monotonic clock."""
        return [kb for at, kb, _ in self.samples if from_s <= at <= to_s]

    def written_per_s(self, total):
        """Bytes a second that it wrote in the middle nine tenths of so many: away from start and end."""
        middle = [(at, done) for at, _, done in self.samples if 0.05 * total <= done <= 0.95 * total]
        if len(middle) < 2:
            return 0
        (from_s, first), (to_s, last) = middle[0], middle[-1]
        return (last - first) / (to_s - from_s)


def written_by(pid):
    """Bytes that the process handed to write calls since its start."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as io:
            return next(int(line.split()[1]) for line in io if line.startswith("wchar"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def memory_of(pid):
    """The Vm and Rss lines of /proc/PID/status in kB; empty when the process is gone."""
    found = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name.startswith(("Vm", "Rss")):
                    found[name] = int(value.split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return found
