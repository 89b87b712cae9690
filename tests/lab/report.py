"""report.py - what the trials gave: a line a trial in results.jsonl, and the matrix of pairs as text, JSON and SVG."""

import html
import json
import os
import statistics

import nat
from trial import NO_PATH

FOUND = {"direct": "#cfe3f5", "lan": "#cdeadd", "host": "#cdeadd"}  # light fills that all colour blindness tells apart
REFUSED, FAILED, NOT_RUN = "#fbe3c0", "#e9a7c0", "#f4f4f4"
CELL_WIDTH, CELL_HEIGHT = 84, 44
LEFT, TOP = 280, 92
SHORT = {
    "open": "public address",
    "fw": "public, stateful firewall",
    "full": "full cone",
    "addr": "address-restricted cone",
    "port": "port-restricted cone",
    "portrej": "port, refuses by ICMP",
    "syms": "symmetric, ports in sequence",
    "symr": "symmetric, ports at random",
    "tcponly": "no UDP passes",
}


class Results:
    """The file of all trials. A record: scenario, order, run, ok, kind, seconds, exits, errors, note, seed, program."""

    def __init__(self, path, forget):
        """Goes on with the file at `path`, but without the scenarios named in `forget`; what failed is tried again."""
        self.path = path
        self.records = []
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.records = [json.loads(line) for line in file if line.endswith("\n")]
        self.records = [record for record in self.records if record["ok"] and record["scenario"] not in forget]
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in self.records)
        os.replace(f"{path}.new", path)

    def add(self, record):
        self.records.append(record)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def of(self, scenario, program):
        return [r for r in self.records if r["scenario"] == scenario and r["program"] == program]

    def last_seed(self):
        return self.records[-1]["seed"] if self.records else None


def line(name, records):
    """A scenario in one line."""
    bad = [r for r in records if not r["ok"]]
    if bad:
        first = bad[0]
        where = f"{first['order']} first, run {first['run']}"
        return f"FAILED - {name} {len(bad)} of {len(records)}: {first['note']} ({where}; logs in {first['logs']})"
    if all(r.get("skipped") for r in records):
        return f"skipped - {name}: {records[0]['note']}"
    cell = summary(records)
    seconds = f" {cell['seconds']:.2f} s" if cell["seconds"] is not None else ""
    slowest = f", slowest {cell['slowest']:.2f} s" if len(records) > 1 and cell["seconds"] is not None else ""
    runs = f" ({len(records)} runs{slowest})" if len(records) > 1 else ""
    notes = sorted({r["note"] for r in records if r["note"]})
    note = f" - {notes[0]}" if notes else ""
    kind = f" {cell['kind']}" if cell["kind"] else ""
    return f"ok - {name}{kind}{seconds}{runs}{note}"


def summary(records):
    """One cell: what the runs of one pair have in common."""
    times = [r["seconds"] for r in records if r["seconds"] is not None]
    kinds = [r["kind"] for r in records if r["ok"]]
    return {
        "runs": len(records),
        "failed": sum(not r["ok"] for r in records),
        "kind": max(set(kinds), key=kinds.count) if kinds else None,
        "seconds": statistics.median(times) if times else None,
        "slowest": max(times) if times else None,
        "error": next((e for r in records for e in r["errors"] if e), None),
    }


def matrix(records):
    """{(left, right): summary} of the pairs that were run, left before right in nat.KINDS."""
    cells = {}
    for record in records:
        if record["scenario"].startswith("pair/"):
            pair = tuple(record["scenario"].removeprefix("pair/").split("-"))
            cells.setdefault(pair, []).append(record)
    return {pair: summary(found) for pair, found in cells.items()}


def cell_text(cell):
    if cell is None:
        return "", ""
    if cell["failed"]:
        return "FAILED", f"{cell['failed']} of {cell['runs']}"
    if cell["kind"] == NO_PATH:
        return NO_PATH, "exit 5"
    return cell["kind"] or "?", f"{cell['seconds']:.2f} s" if cell["seconds"] is not None else ""


def matrix_text(cells):
    kinds = list(nat.KINDS)
    rows = ["        " + "".join(f"{kind:>15}" for kind in kinds)]
    for row, left in enumerate(kinds):
        texts = [" ".join(cell_text(cells.get((right, left)))).strip() for right in kinds[: row + 1]]
        rows.append(f"{left:<8}" + "".join(f"{text or '-':>15}" for text in texts))
    return "\n".join(rows)


def matrix_json(cells):
    ordered = sorted(cells.items(), key=lambda item: [list(nat.KINDS).index(kind) for kind in item[0]])
    return json.dumps({"kinds": nat.KINDS, "pairs": [{"pair": pair} | cell for pair, cell in ordered]}, indent=1)


def text(x, y, content, size=13, anchor="start", weight="normal", fill="#222"):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{html.escape(content)}</text>'
    )


def box(x, y, width, height, fill):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" stroke="#fff" stroke-width="2" rx="4"/>'


def cell_fill(cell):
    if cell is None:
        return NOT_RUN
    if cell["failed"]:
        return FAILED
    return FOUND.get(cell["kind"], REFUSED)


def matrix_cell(x, y, cell):
    first, second = cell_text(cell)
    middle = x + CELL_WIDTH / 2
    parts = [box(x, y, CELL_WIDTH, CELL_HEIGHT, cell_fill(cell))]
    if cell and cell["kind"] in FOUND and not cell["failed"]:
        parts.append(text(middle, y + 19, second, 15, "middle", "bold"))
        parts.append(text(middle, y + 34, first, 11, "middle", fill="#444"))
    elif cell:
        parts.append(text(middle, y + 19, first, 13, "middle", "bold"))
        parts.append(text(middle, y + 34, second, 11, "middle", fill="#444"))
    return parts


def legend(x, y, cells):
    runs = max((cell["runs"] for cell in cells.values()), default=0)
    used = [("direct", f"straight path; seconds from the second peer's start to the first byte, median of {runs}")]
    used.append((NO_PATH, "no direct path between these two: both sides end with exit code 5 and say why"))
    if any(cell["failed"] for cell in cells.values()):
        used.append(("failed", "not as promised in some of the runs"))
    parts = []
    for number, (kind, meaning) in enumerate(used):
        fill = {"direct": FOUND["direct"], NO_PATH: REFUSED, "failed": FAILED}[kind]
        parts.append(box(x, y + number * 24, 30, 18, fill))
        parts.append(text(x + 40, y + 14 + number * 24, meaning, 13))
    return parts


def matrix_svg(cells):
    """The lower triangle: a pair is the same from both ends."""
    kinds = list(nat.KINDS)
    width = LEFT + CELL_WIDTH * len(kinds) + 20
    height = TOP + CELL_HEIGHT * len(kinds) + 110
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" role="img">',
        "<title>Which NATs reach each other, and how fast</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        text(20, 36, "Which NATs reach each other, and how fast", 20, weight="bold"),
        text(20, 60, "Linux NATs in network namespaces, a broker and STUN only, no relay", 13, fill="#444"),
    ]
    for row, left in enumerate(kinds):
        y = TOP + row * CELL_HEIGHT
        parts.append(text(20, y + 27, left, 14, weight="bold"))
        parts.append(text(84, y + 27, SHORT[left], 12, fill="#444"))
        for column, right in enumerate(kinds[: row + 1]):
            parts += matrix_cell(LEFT + column * CELL_WIDTH, y, cells.get((right, left)))
    y = TOP + len(kinds) * CELL_HEIGHT
    for column, kind in enumerate(kinds):
        parts.append(text(LEFT + (column + 0.5) * CELL_WIDTH, y + 20, kind, 14, "middle", "bold"))
    return "\n".join([*parts, *legend(20, y + 42, cells), "</svg>"]) + "\n"


def write_matrix(directory, cells):
    for name, content in (("matrix.json", matrix_json(cells) + "\n"), ("matrix.svg", matrix_svg(cells))):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content)
