"""pictures.py - what p2pconnect explain draws of a connection through two NATs: the picture of the README."""

import os
import re
import subprocess
import xml.etree.ElementTree

from trial import Scenario, Unmet, meet

SVG = "{http://www.w3.org/2000/svg}"


def explain(trial, *options):
    """What it draws of both sides' events, which have the laboratory's clock before each."""
    logs = [os.path.join(trial.logs, f"{name}.err") for name in ("left", "right")]
    drawn = subprocess.run([trial.program, "explain", *options, *logs], capture_output=True, encoding="utf-8",
                           env=os.environ | {"LC_ALL": "C.UTF-8"}, timeout=30, check=False)
    if drawn.returncode != 0:
        raise Unmet(f"explain ends with {drawn.returncode}: {drawn.stderr}")
    return drawn.stdout


def expect_words(what, text, words):
    at = 0
    for word in words:
        found = text.find(word, at)
        if found < 0:
            raise Unmet(f"{what} has no {word!r} after {text[max(0, at - 60):at]!r}")
        at = found


def ladder(trial):
    """Both sides' logs as one picture: the two NATs by their addresses, every message from when it left to when it
    came, and the path."""
    homes = trial.home("port"), trial.home("port")
    outcome = meet(trial, homes[0].machine, homes[1].machine, "direct", options=["-vv"])
    text, svg = explain(trial), explain(trial, "--svg")
    story = ["joins the room", "pake1", "pake2: offer", "pake3: answer", "direct", "connected: direct", "exit code 0"]
    expect_words("the text", text, [home.address for home in homes])
    expect_words("the text", text, story)
    picture = xml.etree.ElementTree.fromstring(svg)
    expect_words("the picture", " ".join(picture.itertext()), story)
    leaning = [line for line in picture.iter(SVG + "line")
               if line.get("x1") != line.get("x2") and line.get("y1") != line.get("y2")]
    if len(leaning) < 4 or not re.search(r"\brect x=", svg):
        raise Unmet(f"{len(leaning)} messages lean by their time on the way, or the path goes through no NAT")
    with open(os.path.join(trial.results, "ladder.svg"), "w", encoding="utf-8") as file:
        file.write(svg)
    return outcome


SCENARIOS = [Scenario("picture/port-port", ladder, quick=True)]
