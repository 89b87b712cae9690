#!/usr/bin/env python3
"""run.py - the real command against brokers, peers and strangers that mean it ill:
run.py --build DIR [--quick] [--beside | --alone] [--list] [PATTERN]

Scenes are as those of tests/cli, and what runs them is shared with it. Those that measure run alone, after the others.
--quick shortens what is slow, and leaves out what cannot be short.
"""

import importlib.util
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[1:1] = [os.path.join(TESTS, "cli"), os.path.join(TESTS, "lab")]

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


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
    return cli_run.run(collect(), cli_run.arguments("scenes with adversaries"), jobs=3)


if __name__ == "__main__":
    sys.exit(main())
