#!/usr/bin/env python3
"""lab.py - runs the laboratory: real kernel NATs, a real broker, a real STUN server, the real program.

    tests/lab/lab.py                  everything, 5 runs a pair and order
    tests/lab/lab.py pair/port 'life/*'   what matches (a part of the name, or a pattern)
    tests/lab/lab.py --self-test      is the laboratory what it says?

Ends with 0, or 1 when something failed, 2 for wrong usage, 77 where this machine has no laboratory.
"""

import argparse
import concurrent.futures
import fcntl
import fnmatch
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import traceback

sys.dont_write_bytecode = True  # the checkout stays clean, whoever runs this

import report
from machine import Machine
from namespace import LabError
from peers import Unmet
from scenarios import SCENARIOS
from selftest import self_test
from topology import Lab
from trial import FIRST_BYTE_SECONDS, Skip, Trial

NOT_HERE = 77
TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "setpriv": "util-linux",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "turnserver": "coturn",
}
BUSY_WORKERS = 2  # side by side, of what takes a processor
PATIENT_WORKERS = 4  # of what mostly waits
QUICK_LIMIT_SECONDS = 3.0  # a first look runs beside a build: the promise of 1 s is the full run's
INSIDE = "P2PCONNECT_LAB_INSIDE"


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs p2pconnect behind every kind of NAT.")
    parser.add_argument("pattern", nargs="*", help="scenarios to run: a part of the name, or a shell pattern")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--quick", action="store_true", help="a fixed choice, one run each, in under a minute")
    parser.add_argument("--runs", type=int, default=5, help="runs of a pair in each start order (5)")
    parser.add_argument("--resume", action="store_true", help="go on after what this very program has been through")
    parser.add_argument("--seed", type=int, help="draw the same addresses and ports again")
    parser.add_argument("--build", default="build", help="where the program is and results go (build)")
    parser.add_argument("--delay", metavar="PEERS/SERVERS", help="round trips in ms, such as 40/30")
    parser.add_argument("--limit", type=float, help=f"seconds to the first byte ({FIRST_BYTE_SECONDS})")
    parser.add_argument("--self-test", action="store_true", help="prove that the NATs do what their names say")
    options = parser.parse_args()
    try:
        options.delay = tuple(float(part) for part in options.delay.split("/")) if options.delay else None
        if options.delay and len(options.delay) != 2:
            raise ValueError
    except ValueError:
        parser.error("--delay wants two numbers, such as 40/30")
    if options.runs < 1:
        parser.error("--runs wants a number above 0")
    return options


def enter_or_leave():
    """As somebody who is not root: once more, in a user namespace. Ends with 77 where neither works."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where a plain user's shell does not look
    missing = [f"{tool} (Debian: {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        leave(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            leave("needs root, or user namespaces switched on")
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*unshare, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    try:
        probe = Machine("probe")
        probe.nft("add table ip probe\nadd chain ip probe outbound { type nat hook postrouting priority 100; }")
        # inside a chroot a mount namespace shows the files of the machine around it
        same = probe.run(["test", "-e", os.path.abspath(__file__)]).returncode == 0
        probe.close()
        if not same:
            leave("a namespace here sees other files than this program: is this a chroot?")
    except (LabError, OSError) as error:
        leave(f"this {'user namespace' if os.environ.get(INSIDE) else 'machine'} has no network to play with: {error}")


def leave(why):
    print(f"skipped: {why}")
    sys.exit(NOT_HERE)


def selected(options):
    names = {scenario.name for scenario in SCENARIOS}

    def wanted(name):
        for pattern in options.pattern or ["*"]:
            if name == pattern or (pattern not in names and (pattern in name or fnmatch.fnmatch(name, pattern))):
                return True
        return False

    return [s for s in SCENARIOS if wanted(s.name) and (s.quick or not options.quick)]


def results_directory(options):
    """A quick look and a delay do not mix with the full run's times."""
    parts = ["quick"] if options.quick else []
    parts += ["delay-{:g}-{:g}".format(*options.delay)] if options.delay else []
    return os.path.join(options.build, "lab", *parts)


def lock(directory):
    """Two runs would mix their results. Held while the file is open."""
    os.makedirs(directory, exist_ok=True)
    file = open(os.path.join(directory, "lock"), "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LabError(f"another run writes to {directory}; give this one a --build of its own") from error
    return file


class Run:
    """One call of the laboratory: its lab, its results, its workers."""

    def __init__(self, options, scenarios):
        self.options = options
        self.scenarios = scenarios
        self.directory = results_directory(options)
        self.program = os.path.join(options.build, "p2pconnect")
        self.alone = lock(self.directory)
        self.results = report.Results(
            os.path.join(self.directory, "results.jsonl"), [] if options.resume else [s.name for s in scenarios]
        )
        self.seed = options.seed
        if self.seed is None and options.resume:
            self.seed = self.results.last_seed()
        if self.seed is None:
            self.seed = random.randrange(1 << 32)
        with open(self.program, "rb") as file:
            self.version = hashlib.sha256(file.read()).hexdigest()[:16]
        self.limit = options.limit or (QUICK_LIMIT_SECONDS if options.quick else FIRST_BYTE_SECONDS)
        self.lock = threading.Lock()
        self.stopping = False
        self.waiting = {}  # scenario's name: trials still to come
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def trials(self, scenario):
        """(order, run) of what is to be done; a quick run takes one order, turn and turn about."""
        runs = 1 if self.options.quick else scenario.runs or self.options.runs
        orders = scenario.orders
        if self.options.quick:
            orders = (orders[sum(map(ord, scenario.name)) % len(orders)],)
        done = {(r["order"], r["run"]) for r in self.results.of(scenario.name, self.version)}
        wanted = [(order, run) for run in range(1, runs + 1) for order in orders]
        return [trial for trial in wanted if trial not in done]

    def everything(self):
        print(f"seed {self.seed}", flush=True)
        todo = {scenario.name: self.trials(scenario) for scenario in self.scenarios}
        self.waiting = {name: len(trials) for name, trials in todo.items()}
        for scenario in self.scenarios:
            if not todo[scenario.name]:
                self.tell(scenario)
        with Lab(self.seed, self.options.build, self.options.delay) as lab:
            busy = concurrent.futures.ThreadPoolExecutor(BUSY_WORKERS)
            patient = concurrent.futures.ThreadPoolExecutor(PATIENT_WORKERS)
            futures = []
            for scenario in self.scenarios:
                pool = patient if scenario.patient else busy
                futures += [pool.submit(self.one, lab, scenario, *trial) for trial in todo[scenario.name]]
            try:
                for future in concurrent.futures.as_completed(futures):
                    future.result()
            except KeyboardInterrupt:
                self.stopping = True
                for pool in (busy, patient):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise

    def one(self, lab, scenario, order, run):
        logs = os.path.join(self.directory, "logs", scenario.name, f"{order}-{run}")
        shutil.rmtree(logs, ignore_errors=True)
        record = {"scenario": scenario.name, "order": order, "run": run, "seed": self.seed, "program": self.version}
        record |= {"kind": None, "seconds": None, "exits": [], "errors": [], "logs": logs}
        seed = f"{self.seed} {scenario.name} {order} {run}"
        try:
            with Trial(lab, self.program, logs, seed, order, self.limit, self.options.quick) as trial:
                trial.results = self.directory
                outcome = scenario.function(trial)
            record |= {"ok": True} | vars(outcome)
        except Unmet as error:
            record |= {"ok": False, "note": str(error)}
        except Skip as error:
            record |= {"ok": True, "skipped": True, "note": str(error)}
        except Exception as error:  # a fault of the laboratory's own must not hide behind the others' results
            record |= {"ok": False, "note": f"{type(error).__name__}: {error}"}
            if not self.stopping:
                traceback.print_exc()
        with self.lock:
            if self.stopping:
                return
            self.results.add(record)
            self.waiting[scenario.name] -= 1
            if self.waiting[scenario.name] == 0:
                self.tell(scenario)

    def tell(self, scenario):
        records = self.results.of(scenario.name, self.version)
        print(report.line(scenario.name, records), flush=True)
        skipped = all(r.get("skipped") for r in records)
        failed = any(not r["ok"] for r in records)
        self.counts["failed" if failed else "skipped" if skipped else "passed"] += 1

    def finish(self):
        """The matrix and the count; the exit code."""
        cells = report.matrix([r for r in self.results.records if r["program"] == self.version])
        report.write_matrix(self.directory, cells)
        if cells:
            print(f"\n{report.matrix_text(cells)}\n")
        print(", ".join(f"{number} {what}" for what, number in self.counts.items()), flush=True)
        return 1 if self.counts["failed"] else 0


def run(options):
    if options.self_test:
        enter_or_leave()
        return 1 if self_test(options.seed, options.build, options.pattern) else 0
    scenarios = selected(options)
    if not scenarios:
        print("no such scenario; --list names them", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(scenario.name for scenario in scenarios))
        return 0
    enter_or_leave()
    if not os.access(os.path.join(options.build, "p2pconnect"), os.X_OK):
        print(f"no {options.build}/p2pconnect: `make` builds it", file=sys.stderr)
        return 2
    this = Run(options, scenarios)
    try:
        this.everything()
    except KeyboardInterrupt:
        print("interrupted; --resume goes on")
        this.finish()
        sys.stdout.flush()
        os._exit(130)  # the workers still wait; what they started dies with them, and the namespaces with that
    return this.finish()


def main():
    for number in (signal.SIGINT, signal.SIGTERM):  # a job in the background starts with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        return run(parse_arguments())
    except LabError as error:
        print(f"the laboratory did not come about: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
