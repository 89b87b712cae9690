"""report.py - medians, targets and the table on the terminal."""

import statistics


def spread(values):
    """{"median", "min", "max", "n"}; None of no values."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


class Target:
    """A promise with its figure. `bound` is "at most" or "at least"; a figure that could not be had is missed."""

    def __init__(self, name, value, bound, limit, unit=""):
        self.name = name
        self.value = value
        self.bound = bound
        self.limit = limit
        self.unit = unit

    @property
    def percent(self):
        """Of the limit; below 100 is better for "at most", above for "at least"."""
        return None if self.value is None or not self.limit else 100 * self.value / self.limit

    @property
    def met(self):
        if self.value is None:
            return False
        return self.value <= self.limit if self.bound == "at most" else self.value >= self.limit

    def as_json(self):
        return {
            "name": self.name,
            "value": self.value,
            "bound": self.bound,
            "limit": self.limit,
            "unit": self.unit,
            "percent": self.percent,
            "met": self.met,
        }


def ratio(value, base):
    return value["median"] / base["median"] if value and base and base["median"] else None


def number(value, digits=1):
    return "-" if value is None else f"{value:.{digits}f}"


def print_table(title, head, rows):
    """The first column is left-justified, the others to the right."""
    rows = [list(map(str, row)) for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def print_targets(targets):
    rows = []
    for target in targets:
        percent = "-" if target.percent is None else f"{target.percent:.0f} %"
        limit = f"{target.bound} {number(target.limit, 2)} {target.unit}".rstrip()
        rows.append([target.name, number(target.value, 2), limit, percent, "met" if target.met else "missed"])
    print_table("Targets", ["", "figure", "target", "of it", ""], rows)


def print_failures(failures):
    """{who: [sentences]}"""
    for who, sentences in failures.items():
        for sentence in sentences:
            print(f"  failed: {who}: {' '.join(sentence.split())}")
