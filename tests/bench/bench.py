#!/usr/bin/env python3
"""bench.py - how fast, how cheap, how small: p2pconnect beside libnice and socat, measured in the same run.

    tests/bench/bench.py [--quick] [--build DIR] [--command PATH] [--without-ours] [PATTERN...]

PATTERNs select parts by name: connect, throughput, stop, memory, forward, rooms, messages, folder, scp (a shell pattern
or a piece of the name).
`make bench BENCH="--quick connect stop"` hands them on.
Prints tables and writes bench/bench.json into the build folder. README.md beside this file says how to read them.
Exit: 0 all measured (targets are figures, not tests), 1 something failed to run, 2 wrong usage.
"""

import argparse
import contextlib
import fnmatch
import json
import os
import platform
import subprocess
import sys
import tempfile

import connect
import files
import forwarding
import memory
import messages
import report
import rooms
import throughput
from tools import ROOT, BenchError, broker, build

MB = 1_000_000


class Bench:
    """What the parts share: the programs, the sizes, and where results and targets are put."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.build = options.build
        self.ours = None if options.without_ours else options.command
        self.folder = folder
        self.results = {}
        self.targets = []
        self.failures = {}

    def program(self, name):
        return build(name, os.path.join(self.build, "bench"))

    def laboratory(self):
        """What the laboratory needs beside its Python: make knows how."""
        wire = os.path.join(self.build, "lab", "delay")
        if subprocess.run(["make", "-s", f"B={self.build}", wire], cwd=ROOT, check=False).returncode != 0:
            raise BenchError(f"{wire} does not build")

    def target(self, *what, **more):
        if self.ours:
            self.targets.append(report.Target(*what, **more))

    def failed(self, who, sentences):
        if sentences:
            self.failures.setdefault(who, []).extend(sentences)


def part_connect(bench):
    rounds = 5 if bench.quick else 20
    bench.laboratory()
    entrants = connect.contestants(bench.ours, bench.program("nice_peer"))
    found = {}
    for delay in connect.DELAYS:
        raw = connect.measure(delay, rounds, bench.program("first_byte"), entrants, bench.build, bench.folder)
        found[delay] = {name: connect_summary(result) for name, result in raw.items()}
        for name, result in raw.items():
            bench.failed(f"connect, {delay}, {name}", result["failures"])
        print_connect(delay, found[delay])
    bench.results["connect"] = found
    if bench.ours:
        connect_targets(bench, found)


def connect_summary(result):
    return {
        "ms": report.spread(result["ms"]),
        "parts_ms": {
            side: {part: report.spread(values) for part, values in parts.items()}
            for side, parts in result["parts"].items()
        },
        "failed": len(result["failures"]),
    }


def print_connect(delay, found):
    ours = found.get("ours", {}).get("ms")
    rows = []
    for name, result in found.items():
        ms = result["ms"] or {"median": None, "min": None, "max": None, "n": 0}
        figures = [report.number(ms[key]) for key in ("median", "min", "max")]
        share = report.number(report.ratio(ours, result["ms"]), 2)
        rows.append([name, *figures, ms["n"], result["failed"], share])
    report.print_table(
        f"Start to the first byte on both sides, port with port, {delay} (ms)",
        ["", "median", "min", "max", "runs", "failed", "ours / it"],
        rows,
    )
    for name, result in found.items():
        for side, parts in result["parts_ms"].items():
            if parts:
                print(f"  {name}, {side}: {line_of_parts(parts)}")


def line_of_parts(parts):
    """Their medians in the order of time."""
    ordered = sorted(parts.items(), key=lambda part: part[1]["median"])
    return ", ".join(f"{part} {spread['median']:.1f}" for part, spread in ordered)


def connect_targets(bench, found):
    near, far = (found[delay] for delay in connect.DELAYS)
    for rival in connect.PLAIN_RIVALS:
        share = report.ratio(near["ours"]["ms"], near[rival]["ms"])
        bench.target(f"connect, no delay: ours / {rival}", share, "at most", 0.5)
    median = far["ours"]["ms"]["median"] if far["ours"]["ms"] else None
    bench.target("connect, 40/30 ms: ours", median, "at most", 260, unit="ms")
    for rival in connect.PLAIN_RIVALS:
        share = report.ratio(far["ours"]["ms"], far[rival]["ms"])
        bench.target(f"connect, 40/30 ms: ours / {rival}", share, "at most", 1.2)


@contextlib.contextmanager
def pipe_entrants(bench):
    with broker(bench.folder) as address:
        ours = [throughput.Ours(bench.ours, bench.folder, address)] if bench.ours else []
        yield [*ours, throughput.Socat(bench.folder)]


def part_throughput(bench):
    rounds, total = (3, 300 * MB) if bench.quick else (5, 2000 * MB)
    found = {}
    with pipe_entrants(bench) as entrants:
        for way in throughput.WAYS:
            raw = throughput.measure(way, entrants, rounds, bench.program("pour"), total, bench.folder)
            found[way] = {name: throughput_summary(result) for name, result in raw.items()}
            for name, result in raw.items():
                bench.failed(f"throughput, {way}, {name}", result["failures"])
            print_throughput(way, total, found[way])
    bench.results["throughput"] = {"bytes": total, **found}
    if bench.ours:
        throughput_targets(bench, found)


def throughput_summary(result):
    figures = {figure: report.spread(result[figure]) for figure in ("gbit_s", "cpu_s_gb", "peak_kb")}
    return {**figures, "failed": len(result["failures"])}


def print_throughput(way, total, found):
    rows = []
    for name, result in found.items():
        cells = [name]
        for figure, digits in (("gbit_s", 2), ("cpu_s_gb", 2), ("peak_kb", 0)):
            spread = result[figure]
            cells.append(report.number(spread and spread["median"], digits))
            cells.append(f"{spread['min']:.{digits}f}-{spread['max']:.{digits}f}" if spread else "-")
        rows.append([*cells, result["failed"]])
    report.print_table(
        f"A pipe of {total / 1e9:g} GB over loopback, {way} (median, range)",
        ["", "Gbit/s", "", "CPU s/GB, both", "", "peak kB a side", "", "failed"],
        rows,
    )


def throughput_targets(bench, found):
    for way, entrants in found.items():
        ours, socat = entrants["ours"], entrants["socat"]
        speed = report.ratio(ours["gbit_s"], socat["gbit_s"])
        bench.target(f"throughput, {way}: ours / socat", speed, "at least", 1.2)
        cpu = ours["cpu_s_gb"] and ours["cpu_s_gb"]["median"]
        bench.target(f"throughput, {way}: CPU of both sides", cpu, "at most", 1.6, unit="s/GB")
        peak = ours["peak_kb"] and ours["peak_kb"]["max"] / 1024
        bench.target(f"throughput, {way}: resident, the larger side", peak, "at most", 24, unit="MiB")


def part_stop(bench):
    seconds, total = (3, 300 * MB) if bench.quick else (throughput.STOP_SECONDS, 1000 * MB)
    found = {}
    with pipe_entrants(bench) as entrants:
        for entrant in entrants:
            result = throughput.measure_stop(entrant, bench.program("pour"), total, bench.folder, seconds)
            found[entrant.name] = result
            bench.failed(f"stop, {entrant.name}", [result["failure"]] if result["failure"] else [])
    rows = [[n, f"{r['stood_s']:.1f}", r["lost_bytes"], r["grew_kb"], r["peak_kb"]] for n, r in found.items()]
    report.print_table(
        f"A reader that stops {seconds} s in mid-pipe", ["", "stood s", "lost bytes", "grew kB", "peak kB"], rows
    )
    bench.results["stop"] = found
    if bench.ours:
        ours = found["ours"]
        lost, grew, peak = (None if ours["failure"] else ours[key] for key in ("lost_bytes", "grew_kb", "peak_kb"))
        bench.target("stop: bytes lost or altered", lost, "at most", 0)
        bench.target("stop: growth while it stands", grew, "at most", GROWTH_KB, unit="kB")
        bench.target("stop: resident, the larger side", peak and peak / 1024, "at most", 24, unit="MiB")


GROWTH_KB = 256  # of noise: a timer's or an event's first allocation is not growth


def part_memory(bench):
    if not bench.ours:
        return
    with broker(bench.folder) as address:
        found = memory.measure(bench.ours, address, 4 if bench.quick else 16, bench.folder)
    head = ["", "alone kB", "connected kB", "peers", "kB a connection"]
    row = ["echo", found["alone_kb"], found["with_kb"], found["peers"], report.number(found["per_connection_kb"])]
    report.print_table("Memory of its own (RssAnon)", head, [row])
    bench.results["memory"] = found


def part_forward(bench):
    if not bench.ours:
        return
    rounds, seconds = (3, 2) if bench.quick else (5, 5)
    with broker(bench.folder) as address:
        raw = forwarding.measure(bench.ours, bench.folder, address, rounds, seconds)
    found = {way: {name: report.spread(figures) for name, figures in results.items()} for way, results in raw.items()}
    rows = []
    for way, results in found.items():
        for name, spread in results.items():
            rows.append([way, name, report.number(spread["median"], 2), f"{spread['min']:.2f}-{spread['max']:.2f}"])
        share = report.ratio(results["ours"], results["ssh -L"])
        bench.target(f"forward, {way}: ours / ssh -L", share, "at least", 0.8)
    report.print_table("iperf3 through a forwarded port over loopback", ["way", "", "Gbit/s", ""], rows)
    bench.results["forward"] = found


def part_rooms(bench):
    if not bench.ours:
        return
    crowd = os.path.join(bench.build, "bench", "crowd")
    if subprocess.run(["make", "-s", f"B={bench.build}", crowd], cwd=ROOT, check=False).returncode != 0:
        raise BenchError(f"{crowd} does not build")
    connected, present = {}, {}
    with broker(bench.folder) as address:
        for count in (2, 8) if bench.quick else (2, 8, 64):
            connected[count] = rooms.measure_connected(bench, address, count)
        for count in (10, 100) if bench.quick else (10, 100, 1000):
            present[count] = rooms.measure_present(bench, address, count)
    bench.results["rooms"] = {"connected": connected, "present": present}
    print_rooms(connected, present)
    for count, found in connected.items():
        messages = found["join"] + found["leave"]
        bench.target(f"rooms, {count} connected: messages a pair, come and gone", messages, "at most", 8)
    bench.target("rooms, 8 connected: until each has each", connected[8]["mesh_s"], "at most", 2, unit="s")
    most = max(present)
    bench.target(f"rooms, {most} present: resident", present[most]["rss_kb"] / 1024, "at most", 64, unit="MiB")
    bench.target(f"rooms, {most} present: of a core", present[most]["cpu"], "at most", 5, unit="%")


def print_rooms(connected, present):
    head = ["", "complete s", "own kB", "resident kB", "CPU s to come", "idle % of a core", "messages a pair", "to leave"]
    rows = []
    for count, found in connected.items():
        figures = [report.number(found["mesh_s"], 2), found["own_kb"], found["rss_kb"]]
        figures += [report.number(found[key], 2) for key in ("cpu_join_s", "cpu_idle", "join", "leave")]
        rows.append([count, *figures])
    report.print_table("Connected, each with each: a peer's costs (memory: the largest)", head, rows)
    for count, found in connected.items():
        pairs = count * (count - 1) / 2
        kinds = ", ".join(f"{kind} {number / pairs:.2f}" for kind, number in sorted(found["types"].items()))
        print(f"  {count} connected, messages a pair by kind: {kinds}")
    head = ["", "own kB", "resident kB", "% of a core", "hellos/s", "newcomer ms", "", "its messages", ""]
    rows = []
    for count, found in present.items():
        row = [count, found["own_kb"], found["rss_kb"], report.number(found["cpu"], 2), report.number(found["hellos_s"])]
        for key in ("join_ms", "join_messages"):
            spread = report.spread(found[key])
            row += [report.number(spread["median"], 0), f"{spread['min']}-{spread['max']}"]
        rows.append(row)
    report.print_table("Present: one among so many who all have places, and who comes", head, rows)


PARTS = {
    "connect": part_connect,
    "throughput": part_throughput,
    "stop": part_stop,
    "memory": part_memory,
    "forward": part_forward,
    "rooms": part_rooms,
    "messages": messages.part,
    "folder": files.part_folder,
    "scp": files.part_scp,
}


def selected(patterns):
    """The parts that any of PATTERNS selects, in their own order; all of them when there is none."""
    chosen = set()
    for pattern in patterns:
        names = [name for name in PARTS if pattern in name or fnmatch.fnmatch(name, pattern)]
        if not names:
            raise BenchError(f"{pattern} selects none of {', '.join(PARTS)}")
        chosen.update(names)
    return [name for name in PARTS if name in chosen or not patterns]


def machine():
    return {"system": platform.platform(), "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def write_results(bench, about):
    path = os.path.join(bench.build, "bench", "bench.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(
            {
                "machine": about,
                "quick": bench.quick,
                **bench.results,
                "targets": [target.as_json() for target in bench.targets],
                "failures": bench.failures,
            },
            file,
            indent=1,
        )
        file.write("\n")
    print(f"\n{path}")


def parse(arguments):
    parser = argparse.ArgumentParser(description="p2pconnect beside libnice and socat")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller pipes, about a minute")
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--command", help="the program to measure (default: p2pconnect in the build folder)")
    parser.add_argument("--without-ours", action="store_true", help="the rivals alone, to check the bench itself")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="the parts to measure (default: all)")
    options = parser.parse_args(arguments)
    options.command = os.path.abspath(options.command or os.path.join(options.build, "p2pconnect"))
    if not options.without_ours and not os.access(options.command, os.X_OK):
        parser.error(f"{options.command} is not built")
    return options


def main(arguments):
    options = parse(arguments)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="p2pconnect-bench-") as folder:
        bench = Bench(options, folder)
        for name in selected(options.patterns):
            try:
                PARTS[name](bench)
            except (BenchError, connect.LabError, subprocess.TimeoutExpired) as error:
                bench.failed(name, [str(error)])
    if bench.targets:
        report.print_targets(bench.targets)
    report.print_failures(bench.failures)
    write_results(bench, about)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as error:
        sys.exit(f"bench: {error}")
