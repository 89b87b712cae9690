#!/usr/bin/env python3
"""run.py - the real command in real scenes: run.py --build DIR [--quick] [--list] [PATTERN]

Four scenes at a time, since they mostly wait; the long ones begin first. --quick leaves those out that are slow or about
speed: for the builds with sanitizers. A scene is a function in scenes_*.py whose docstring says what must hold.
"""

import argparse
import concurrent.futures
import importlib
import os
import re
import signal
import sys
import tempfile
import shutil
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness import Broker, Failure, Scene, Skip  # noqa: E402


def collect():
    scenes = []
    for name in sorted(os.listdir(HERE)):
        if name.startswith("scenes_") and name.endswith(".py"):
            module = importlib.import_module(name[:-3])
            scenes += [f for f in vars(module).values() if callable(f) and getattr(f, "is_scene", False)]
    return scenes


def sentence(scene):
    return " ".join(scene.__doc__.split()).rstrip(".")


def play(scene):
    """Returns the verdict and the line that says it."""
    begun = time.monotonic()
    try:
        with Scene() as world:
            scene(world)
        verdict, why = "ok", ""
    except Skip as skip:
        verdict, why = "skipped", f": {skip}"
    except Failure as failure:
        verdict, why = "FAILED", f"\n    {scene.__name__}: " + str(failure).replace("\n", "\n    ")
    except Exception:  # a mistake in the scene itself counts as a failure too
        verdict, why = "FAILED", f"\n    {scene.__name__}: " + traceback.format_exc().replace("\n", "\n    ")
    return verdict, f"{verdict} - {sentence(scene)}{why}  [{time.monotonic() - begun:.1f} s]"


def arguments(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--build", default="build", help="where p2pconnect has been built")
    parser.add_argument("--quick", action="store_true", help="leave out, or shorten, what is slow")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--beside", action="store_true", help="leave out the scenes that measure and so run alone")
    which.add_argument("--alone", action="store_true", help="only those")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("pattern", nargs="?", default="")
    return parser.parse_args()


def play_all(scenes, jobs):
    """Plays so many at a time, the long ones first, then one by one those that measure; returns the verdicts' counts."""
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for workers, alone in ((jobs, False), (1, True)):
        group = sorted((s for s in scenes if s.alone == alone), key=lambda s: -s.seconds)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for done in concurrent.futures.as_completed([pool.submit(play, s) for s in group]):
                verdict, line = done.result()
                counts[verdict] += 1
                print(line, flush=True)
    return counts


def run(scenes, chosen, jobs):
    """Plays those of the scenes that are chosen; returns the exit code."""
    scenes = [s for s in scenes if re.search(chosen.pattern, s.__name__ + " " + sentence(s))]
    scenes = [s for s in scenes if not (chosen.quick and s.slow)]
    scenes = [s for s in scenes if not (chosen.beside and s.alone or chosen.alone and not s.alone)]
    if chosen.list:
        print("\n".join(f"{s.__name__}: {sentence(s)}" for s in scenes))
        return 0
    Scene.build = os.path.abspath(chosen.build)
    Scene.quick = chosen.quick
    if not os.access(os.path.join(Scene.build, "p2pconnect"), os.X_OK):
        print(f"FAILED - {Scene.build}/p2pconnect is not built\n0 passed, 1 failed, 0 skipped")
        return 1
    folder = tempfile.mkdtemp(prefix="p2pconnect-scenes-")
    try:
        Scene.shared_broker = Broker(folder)
        counts = play_all(scenes, jobs)
    finally:
        if Scene.shared_broker:
            Scene.shared_broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or not counts["ok"] else 0


def main():
    # Whoever runs us in the background may have had SIGINT ignored, and our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run(collect(), arguments("scenes with the real command"), jobs=4)


if __name__ == "__main__":
    sys.exit(main())
