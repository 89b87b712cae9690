#!/usr/bin/env python3
"""networks.py - what `sim --record` noted of random pairs of networks: a table, networks.json and networks.svg.

networks.py FOLDER RECORDS...: reads the records, writes both files into the folder; silent when nothing was noted.
"""

import collections
import html
import json
import os
import sys

CLASSES = {
    "open": "public address, or only a firewall",
    "easy": "one port for all destinations",
    "counts": "a port each, counted",
    "block": "a port each, of a block of 256 to 2,048",
    "random": "a port each, at random",
    "blocked": "no UDP passes",
}
CELL_WIDTH, CELL_HEIGHT = 122, 62
LEFT, TOP = 330, 92
ALL_DIRECT, NONE_DIRECT, FAILED = (0xCF, 0xE3, 0xF5), (0xFB, 0xE3, 0xC0), "#e9a7c0"
NEAR = 10  # a pair that became direct so many times at least has a 95 % of its own


def read(paths):
    records = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            records += [json.loads(line) for line in file]
    return sorted(records, key=lambda record: record["seed"])


def times(values):
    """Median and 95 %."""
    ordered = sorted(values)
    if not ordered:
        return {"median": None, "most": None}
    return {"median": ordered[len(ordered) // 2], "most": ordered[(len(ordered) * 95 - 1) // 100]}


def summary(records):
    """What the runs of one pair have in common; shares of 1, times in seconds from the second peer's start."""
    kinds = collections.Counter(record["kind"] for record in records)
    direct = [record["direct"] for record in records if record["direct"]]
    bytes_at = [record["first_byte"] for record in records if record["first_byte"]]
    return {
        "runs": len(records),
        "failed": [record["seed"] for record in records if not record["ok"]],
        "connected": len(bytes_at) / len(records),
        "direct": len(direct) / len(records),
        "broker": kinds["broker"] / len(records),
        "turn": kinds["turn"] / len(records),
        "first_byte_s": times(bytes_at),
        "direct_s": times(direct),
    }


def group(record):
    order = list(CLASSES)
    if record["one_carrier"]:
        return ("one carrier", "hairpin" if record["hairpin"] else "no hairpin")
    return tuple(sorted(record["networks"], key=order.index))


def groups(records):
    """{pair: summary}: the pairs of classes, then those behind one carrier's gateway."""
    found = collections.defaultdict(list)
    for record in records:
        found[group(record)].append(record)
    order = [*CLASSES, "one carrier", "hairpin", "no hairpin"]
    return {
        pair: summary(found[pair]) for pair in sorted(found, key=lambda pair: [order.index(name) for name in pair])
    }


def percent(share):
    """Never rounded up to all, or down to none."""
    rounded = round(share * 100)
    if (rounded == 100) != (share == 1) or (rounded == 0) != (share == 0):
        return f"{min(max(share * 100, 0.1), 99.9):.1f} %"
    return f"{rounded} %"


def span(found):
    return f"{found['median']:.2f} / {found['most']:.2f} s" if found["median"] is not None else "-"


def table(pairs, everything):
    rows = [("pair", "runs", "connected", "direct", "broker", "first byte", "direct after")]
    for pair, cell in [*pairs.items(), (("all",), everything)]:
        shares = [percent(cell[name]) for name in ("connected", "direct", "broker")]
        rows.append((" - ".join(pair), str(cell["runs"]), *shares, span(cell["first_byte_s"]), span(cell["direct_s"])))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        for row in rows
    )


def text(x, y, content, size=13, anchor="start", weight="normal", fill="#222"):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{html.escape(content)}</text>'
    )


def box(x, y, width, height, fill):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" stroke="#fff" stroke-width="2" rx="4"/>'


def fill(share):
    mixed = (round(none + (all_ - none) * share) for none, all_ in zip(NONE_DIRECT, ALL_DIRECT))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def drawn_cell(x, y, cell):
    middle = x + CELL_WIDTH / 2
    parts = [box(x, y, CELL_WIDTH, CELL_HEIGHT, FAILED if cell["failed"] else fill(cell["direct"]))]
    parts.append(text(middle, y + 20, f"{percent(cell['direct'])} direct", 14, "middle", "bold"))
    parts.append(text(middle, y + 37, f"first byte {cell['first_byte_s']['median']:.2f} s", 11, "middle"))
    if cell["direct"]:
        most = f", {cell['direct_s']['most']:.1f} s" if cell["direct"] * cell["runs"] >= NEAR else ""
        parts.append(text(middle, y + 53, f"direct {cell['direct_s']['median']:.2f}{most or ' s'}", 11, "middle"))
    else:
        parts.append(text(middle, y + 53, "the broker relays", 11, "middle"))
    return parts


def legend(y, everything, pairs):
    carrier = {name: pairs.get(("one carrier", name)) for name in ("hairpin", "no hairpin")}
    lines = [
        "first byte: median from the second peer's start, by whatever path; the session then moves to the direct path",
        "direct: median and 95 % of those that become direct. What does not stays with the broker: there is no TURN server here",
        f"all: {percent(everything['connected'])} connected, {percent(everything['direct'])} direct; every class of network equally "
        "likely, which is not how common they are",
    ]
    if all(carrier.values()):
        lines.append(
            f"two homes of one carrier: {percent(carrier['hairpin']['direct'])} direct where its gateway hairpins, "
            f"{percent(carrier['no hairpin']['direct'])} where not"
        )
    return [text(20, y + 20 * number, line, 13, fill="#444") for number, line in enumerate(lines)]


def picture(pairs, everything):
    """The lower triangle: a pair is the same from both ends."""
    names = list(CLASSES)
    width = LEFT + CELL_WIDTH * len(names) + 20
    height = TOP + CELL_HEIGHT * len(names) + 130
    title = f"{everything['runs']:,} random pairs of networks"
    weather = "Simulated, the real machines in virtual time: 5 to 150 ms one way, 0 to 5 % of packets lost"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        text(20, 36, title, 20, weight="bold"),
        text(20, 60, weather, 13, fill="#444"),
    ]
    for row, left in enumerate(names):
        y = TOP + row * CELL_HEIGHT
        parts.append(text(20, y + 36, left, 14, weight="bold"))
        parts.append(text(90, y + 36, CLASSES[left], 12, fill="#444"))
        for column, right in enumerate(names[: row + 1]):
            if (right, left) in pairs:
                parts += drawn_cell(LEFT + column * CELL_WIDTH, y, pairs[right, left])
    y = TOP + len(names) * CELL_HEIGHT
    for column, name in enumerate(names):
        parts.append(text(LEFT + (column + 0.5) * CELL_WIDTH, y + 20, name, 14, "middle", "bold"))
    return "\n".join([*parts, *legend(y + 52, everything, pairs), "</svg>"]) + "\n"


def main():
    folder, records = sys.argv[1], read(sys.argv[2:])
    if not records:
        return
    pairs, everything = groups(records), summary(records)
    delicate = [record for record in records if record["delicate"]]
    found = {
        "seeds": [records[0]["seed"], records[-1]["seed"]],
        "all": everything,
        "pairs": [{"pair": pair} | cell for pair, cell in pairs.items()],
        "delicate": summary(delicate) if delicate else None,
    }
    for name, content in (("json", json.dumps(found, indent=1) + "\n"), ("svg", picture(pairs, everything))):
        with open(os.path.join(folder, f"networks.{name}"), "w", encoding="utf-8") as file:
            file.write(content)
    print(f"random pairs of networks, seeds {found['seeds'][0]} to {found['seeds'][1]} (median / 95 %):")
    print(table(pairs, everything))
    if delicate:
        print(f"easy with a gateway that remembers strangers' packets: {len(delicate)} runs, "
              f"{percent(found['delicate']['direct'])} direct")
    for seed in everything["failed"]:
        print(f"FAILED - networks: seed {seed}")


main()
