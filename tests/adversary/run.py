#!/usr/bin/env python3
"""run.py - the real command against brokers, peers and strangers that mean it ill:
run.py --build DIR [--quick] [--list] [PATTERN]

Scenes are as those of tests/cli, and what runs them is shared with it. Those that measure run alone, after the others.
--quick shortens what is slow, and leaves out what cannot be short.
"""

import argparse
import concurrent.futures
import importlib.util
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[1:1] = [os.path.join(TESTS, "cli"), os.path.join(TESTS, "lab")]

from harness import Broker, Scene  # noqa: E402

SPEC = importlib.util.spec_from_file_location("cli_run", os.path.join(TESTS, "cli", "run.py"))
cli_run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cli_run)


def collect():
    scenes = []
    for name in sorted(os.listdir(HERE)):
        if name.startswith("scenes_") and name.endswith(".py"):
            spec = importlib.util.spec_from_file_location("adversary_" + name[:-3], os.path.join(HERE, name))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            scenes += [f for f in vars(module).values() if callable(f) and getattr(f, "is_scene", False)]
    return scenes


def options():
    parser = argparse.ArgumentParser(description="scenes with adversaries")
    parser.add_argument("--build", default="build", help="where p2pconnect has been built")
    parser.add_argument("--quick", action="store_true", help="at most a minute in all")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("pattern", nargs="?", default="")
    return parser.parse_args()


def play_all(scenes, counts):
    def count(done):
        verdict, line = done.result()
        counts[verdict] += 1
        print(line, flush=True)

    for jobs, group in ((3, [s for s in scenes if not s.alone]), (1, [s for s in scenes if s.alone])):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            ordered = sorted(group, key=lambda s: -s.seconds)
            for done in concurrent.futures.as_completed([pool.submit(cli_run.play, s) for s in ordered]):
                count(done)


def main():
    chosen = options()
    scenes = [s for s in collect() if re.search(chosen.pattern, s.__name__ + " " + cli_run.sentence(s))]
    scenes = [s for s in scenes if not (chosen.quick and s.slow)]
    if chosen.list:
        print("\n".join(f"{s.__name__}: {cli_run.sentence(s)}" for s in scenes))
        return 0
    Scene.build = os.path.abspath(chosen.build)
    Scene.quick = chosen.quick
    if not os.access(os.path.join(Scene.build, "p2pconnect"), os.X_OK):
        print(f"FAILED - {Scene.build}/p2pconnect is not built\n0 passed, 1 failed, 0 skipped")
        return 1
    folder = tempfile.mkdtemp(prefix="p2pconnect-adversary-")
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    try:
        Scene.shared_broker = Broker(folder)
        play_all(scenes, counts)
    finally:
        if Scene.shared_broker:
            Scene.shared_broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
