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
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, "build", "test")

MAKE = ["make", "-s", "--no-print-directory", "-j2"]
GCC, CLANG, SAN = "build", "build/clang", "build/san"

# name, command. Order matters: what fails quickest comes first. Those of BESIDE mostly wait for others' programs, and
# do so while the step before them computes.
STEPS = [
    ("build-gcc", MAKE + ["all", "unit-build", "sim-build", "examples", "build/lab/delay"]),
    ("lint", MAKE + ["lint"]),
    ("header", MAKE + ["header-test"]),
    ("unit", MAKE + ["-k", "-j2", "-O", "unit"]),
    ("interop", ["python3", "tests/interop/run.py", "--build", GCC]),
    ("cli", ["python3", "tests/cli/run.py", "--build", GCC]),
    ("adversary", ["python3", "tests/adversary/run.py", "--build", GCC, "--quick"]),
    ("sim", MAKE + ["sim", "SEEDS=500"]),
    ("lab-self", ["python3", "tests/lab/lab.py", "--build", GCC, "--self-test"]),
    ("lab", ["python3", "tests/lab/lab.py", "--build", GCC, "--quick"]),
    ("install", ["sh", "tests/install.sh"]),
    ("build-clang", MAKE + ["all", "unit-build", "CC=clang", "B=" + CLANG]),
    ("build-sanitized", MAKE + ["all", "unit-build", "sim-build", "examples", SAN + "/lab/delay",
                                "CC=clang", "SAN=1", "B=" + SAN]),
    ("unit-sanitized", MAKE + ["-k", "-j2", "-O", "unit", "CC=clang", "SAN=1", "B=" + SAN]),
    ("interop-sanitized", ["env", "CC=clang", "CFLAGS=-fsanitize=address,undefined",
                           "python3", "tests/interop/run.py", "--build", SAN]),
    ("sim-sanitized", MAKE + ["sim", "SEEDS=20", "CC=clang", "SAN=1", "B=" + SAN]),
    ("cli-sanitized", ["python3", "tests/cli/run.py", "--build", SAN, "--quick"]),
    ("lab-sanitized", ["python3", "tests/lab/lab.py", "--build", SAN, "--quick"]),
]

BESIDE = ("interop", "interop-sanitized")
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


def run(name, command):
    log = os.path.join(LOGS, name + ".log")
    start = time.monotonic()
    with open(log, "w+", encoding="utf-8", errors="replace") as out:
        code = subprocess.call(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        out.seek(0)
        text = out.read()
    passed, failed, skipped = counts(text, code)
    building = name.startswith("build") or name == "lint"
    if building and not code:
        passed = 1
    if passed + failed + skipped == 0:
        failed = 1
        text += "\nthis step ran no test\n"
    verdict = "FAILED" if failed else "ok"
    print(f"{verdict:6} {name:16} {passed} passed, {failed} failed, {skipped} skipped "
          f"in {time.monotonic() - start:.0f} s".rstrip(), flush=True)
    for line in re.findall(r"^(?:skipped?\b.*|\[ +SKIPPED +\] [a-z_].*)$", text, re.M | re.I)[:20]:
        print("         " + line, flush=True)
    if failed:
        tail = text.strip().splitlines()
        told = [line for line in tail if re.search(r"FAILED|error:|Error|ERROR|assert", line)] or tail
        for line in told[-25:]:
            print("         " + line[:300], flush=True)
        print("         the whole of it: build/test/" + name + ".log", flush=True)
    return passed, failed, skipped


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    os.makedirs(LOGS, exist_ok=True)
    chosen = [step for step in STEPS if re.search(pattern, step[0])]
    total = [0, 0, 0]
    while chosen:
        count = 2 if len(chosen) > 1 and chosen[1][0] in BESIDE else 1
        group, chosen = chosen[:count], chosen[count:]
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            for found in pool.map(lambda step: run(*step), group):
                total = [a + b for a, b in zip(total, found)]
        if group[0][0] == "build-gcc" and total[1]:
            break
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
