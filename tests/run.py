#!/usr/bin/env python3
"""run.py - runs the test steps, counts their tests, and says what passed: run.py [PATTERN]

A step is a command whose output names its counts: cmocka's closing lines, or "N passed, N failed, N skipped".
Its whole output goes to build/test/STEP.log. A step that fails without naming a failed test counts as one failure,
a step that ran nothing too: no test disappears silently.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, "build", "test")

MAKE = ["make", "-s", "--no-print-directory", "-j2"]
GCC, SAN, PORTABLE = "build", "build/san", "build/portable"
SANITIZED = ["CC=clang", "SAN=1", "B=" + SAN]
# As clang's users compile it, on a system that is not Linux: without epoll, netlink, batches and syncfs.
ELSEWHERE = ["CC=clang", "PORTABLE=1", "B=" + PORTABLE]
PORTABLE_UNITS = [f"{PORTABLE}/unit/test_{name}"
                  for name in ("loop", "loop_set", "net", "net_stream", "net_gateway", "p2p", "p2p_stream", "file_sync")]

# Steps are (name, command). The programs of the gcc build first: nearly everything else runs them.
FIRST = ("build-gcc", MAKE + ["all", "unit-build", "sim-build", "examples", "build/lab/delay",
                      "build/adversary/raw_streams"])

# They take both processors: one after the other, what fails quickest first, and with less of a right to the processors
# than the scenes beside them, which have limits to keep. Of the unit tests some wait for real servers.
COMPUTING = [
    ("lint", MAKE + ["lint"]),
    ("unit", MAKE + ["-k", "-O", "-j4", "unit"]),
    ("build-sanitized", MAKE + ["all", "unit-build", "sim-build", "examples", SAN + "/lab/delay"] + SANITIZED),
    ("unit-sanitized", MAKE + ["-k", "-O", "-j4", "unit"] + SANITIZED),
    ("sim-sanitized", MAKE + ["sim", "SEEDS=20"] + SANITIZED),
    ("sim", MAKE + ["sim", "SEEDS=350"]),
    # the other tests' warnings are those of build-sanitized, which is clang's too
    ("build-portable", MAKE + ["all"] + PORTABLE_UNITS + ELSEWHERE),
    ("unit-portable", MAKE + ["-k", "-O"] + [unit + ".run" for unit in PORTABLE_UNITS] + ELSEWHERE),
]
NICE = 10

# They mostly wait, for other people's programs and for time to pass: one after the other, beside those that compute.
WAITING = [
    ("header", MAKE + ["header-test"]),
    ("install", ["python3", "tests/install.py", "--build", GCC]),
    ("interop", ["python3", "tests/interop/run.py", "--build", GCC]),
    ("cli", ["python3", "tests/cli/run.py", "--build", GCC]),
    ("adversary", ["python3", "tests/adversary/run.py", "--build", GCC, "--quick", "--beside"]),
    ("interop-sanitized", ["env", "CC=clang", "CFLAGS=-fsanitize=address,undefined",
                           "python3", "tests/interop/run.py", "--build", SAN]),
    ("cli-sanitized", ["python3", "tests/cli/run.py", "--build", SAN, "--quick"]),
    ("lab-self", ["python3", "tests/lab/lab.py", "--build", GCC, "--self-test"]),
    ("lab", ["python3", "tests/lab/lab.py", "--build", GCC, "--quick"]),
    ("lab-sanitized", ["python3", "tests/lab/lab.py", "--build", SAN, "--quick"]),
    ("cli-portable", ["python3", "tests/cli/run.py", "--build", PORTABLE,
                      "two_chats_talk|binary_both_ways|tcp_both_ways|folder_arrives|doctor_waits"]),
]

# They measure: nothing runs beside them.
ALONE = [
    ("flood", ["python3", "tests/adversary/run.py", "--build", GCC, "--quick", "--alone"]),
]

SKIP_CODE = 77


def counts(text, code):
    passed = failed = skipped = 0
    for word, number in re.findall(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", text, re.M):
        passed += int(number) * (word == "PASSED")
        failed += int(number) * (word == "FAILED")
        skipped += int(number) * (word == "SKIPPED")
    for line in re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M):
        passed += int(line[0])
        failed += int(line[1])
        skipped += int(line[2] or 0)
    if code == SKIP_CODE and not failed:
        return passed, 0, skipped or 1
    if code and not failed:
        failed = 1
    return passed, failed, skipped


def call(name, command):
    """Its output, its exit code, and the processors' seconds that it and its children took."""
    with open(os.path.join(LOGS, name + ".log"), "w+", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return out.read(), process.returncode, usage.ru_utime + usage.ru_stime


def told(name, text, failed):
    """What is worth repeating of a step's output."""
    lines = re.findall(r"^(?:skipped?\b.*|\[ +SKIPPED +\] [a-z_].*)$", text, re.M | re.I)[:20]
    if failed:
        tail = text.strip().splitlines()
        lines += ([line for line in tail if re.search(r"FAILED|error:|Error|ERROR|assert", line)] or tail)[-25:]
        lines.append("the whole of it: build/test/" + name + ".log")
    return "".join("\n         " + line[:300] for line in lines)


class Steps:
    """The steps of a run, the builds that they wait for, and the sum."""

    def __init__(self, steps):
        self.built = {name: threading.Event() for name, _ in steps if name.startswith("build")}
        self.stopping = False
        self.total = [0, 0, 0]
        self.lock = threading.Lock()

    def run(self, name, command):
        build = "build-" + name.rsplit("-", 1)[-1]
        if build in self.built and build != name:
            self.built[build].wait()
        if self.stopping:
            return
        start = time.monotonic()
        text, code, cpu = call(name, command)
        took = time.monotonic() - start
        passed, failed, skipped = counts(text, code)
        if (name.startswith("build") or name == "lint") and not code:
            passed = 1
        if passed + failed + skipped == 0:
            failed = 1
            text += "\nthis step ran no test\n"
        with self.lock:
            self.total = [a + b for a, b in zip(self.total, (passed, failed, skipped))]
            print(f"{'FAILED' if failed else 'ok':6} {name:17} {passed} passed, {failed} failed, {skipped} skipped "
                  f"in {took:.0f} s ({cpu:.0f} s of CPU){told(name, text, failed)}", flush=True)
        if name in self.built:
            self.built[name].set()

    def run_each(self, steps):
        for step in steps:
            self.run(*step)

    def run_side_by_side(self, *lanes):
        with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
            try:
                for lane in [pool.submit(self.run_each, lane) for lane in lanes]:
                    lane.result()
            except BaseException:  # Ctrl-C too: what has begun ends, nothing more begins
                self.stopping = True
                for event in self.built.values():
                    event.set()
                raise


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    os.makedirs(LOGS, exist_ok=True)
    first, computing, waiting, alone = (
        [step for step in lane if re.search(pattern, step[0])] for lane in ([FIRST], COMPUTING, WAITING, ALONE))
    computing = [(name, ["nice", "-n", str(NICE), *command]) for name, command in computing]
    steps = Steps(first + computing)
    steps.run_each(first)
    if not steps.total[1]:
        steps.run_side_by_side(computing, waiting)
        steps.run_each(alone)
    passed, failed, skipped = steps.total
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
