"""Write the tables and pictures of docs/benchmarks.md from what was measured.

    python benchmarks/pages.py [--check]

Reads docs/data/benchmarks.json (`engines.py`) and docs/data/growth.json (`growth.py`); rewrites what stands between the
markers of the page, and docs/images/benchmarks.svg and growth.svg. With ``--check`` nothing is written, and the exit
code is 1 where the page is not what the numbers say.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import altair as alt
import vl_convert

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
TITLES = {"M1": "`mlp-256`, BCE (M1)", "M2": "`mlp-64x3`, CE (M2)", "cnn": "`cnn`, CE"}
OURS = ("scantrial, reference engine", "scantrial, fused engine")
NOTEBOOK = "notebook"
WHOLE = 30
"""Turns of so many epochs are whole trainings; shorter ones give the seconds of an epoch."""
AXES = {
    "images": "training images (256x256)",
    "side": "image side in pixels (1,600 images)",
    "hidden": "hidden units",
    "runs": "runs of a small study, two workers",
}

KINDS = {"arrays28": "28x28, arrays", "arrays256": "256x256, arrays", "files28": "28x28, PNG files"}
STEPS = {
    "list": "listing",
    "decode": "decoding, cache empty",
    "open": "opening",
    "split": "splitting",
    "audit": "audit",
    "train": "training, two workers",
}


def read(name):
    """Return a record of measurements, empty where nothing was measured."""
    path = DOCS / "data" / name
    return json.loads(path.read_text()) if path.exists() else []


def spread(values, digits=2):
    """Return the median, and the range where there is one."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def by_loop(turns, network, *, whole):
    """Return each loop's measurements over the turns of one kind."""
    found = defaultdict(list)
    for turn in turns:
        if turn["network"] == network and (turn["epochs"] >= WHOLE) == whole:
            for name, loop in turn["loops"].items():
                found[name].append(loop)
    return dict(found)


def epoch_ratios(turns, network, *, whole):
    """Return, by loop, notebook / loop within each turn: seconds an epoch, or of the whole process."""

    def seconds(loop):
        return loop["whole_s"] if whole else statistics.median(loop["epoch_s"][1:])

    ratios = defaultdict(list)
    for turn in turns:
        if turn["network"] == network and (turn["epochs"] >= WHOLE) == whole and NOTEBOOK in turn["loops"]:
            base = seconds(turn["loops"][NOTEBOOK])
            for name, loop in turn["loops"].items():
                ratios[name].append(base / seconds(loop))
    return ratios


def engines_table(turns):
    """Return the tables of all networks as Markdown."""
    lines = []
    for network, title in TITLES.items():
        short, whole = (by_loop(turns, network, whole=flag) for flag in (False, True))
        if not short:
            continue
        ratios = {flag: epoch_ratios(turns, network, whole=flag) for flag in (False, True)}
        lines += ["", f"### {title}", ""]
        lines += ["| loop | s an epoch | notebook / it | 30 epochs, s | notebook / it | peak MiB |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for name in dict.fromkeys([*short, *whole]):
            epochs = [s for loop in short.get(name, []) for s in loop["epoch_s"][1:]]
            wholes = [loop["whole_s"] for loop in whole.get(name, [])]
            peaks = [loop["peak_mib"] for loop in [*short.get(name, []), *whole.get(name, [])]]
            cells = [spread(epochs) if epochs else "–", spread(ratios[False][name], 1) if epochs else "–"]
            cells += [spread(wholes, 0) if wholes else "–", spread(ratios[True][name], 1) if wholes else "–"]
            lines += [f"| {name} | {' | '.join(cells)} | {max(peaks):,.0f} |"]
        lines += ["", *limit_words(turns, network), *versus_peers(ratios)]
    return lines


def limit_words(turns, network):
    """Say what the machine can do at best, and how near the fused engine comes."""
    limits = [(turn["limit"], turn["loops"].get(OURS[1])) for turn in turns if turn["network"] == network]
    limits = [(limit, loop) for limit, loop in limits if limit and loop and len(loop["epoch_s"]) < WHOLE]
    if not limits:
        return []
    times = [statistics.median(loop["epoch_s"][1:]) / limit["limit_s"] for limit, loop in limits]
    memory, arithmetic = ([limit[key] for limit, _ in limits] for key in ("memory_s", "arithmetic_s"))
    rate, flop = ([limit[key] for limit, _ in limits] for key in ("gb_per_s", "gflop_per_s"))
    return [
        f"The hardware's limit, measured in the same turns: at {spread(rate, 0)} GB/s, one pass over weights and "
        f"moments takes {spread(memory)} s per epoch; at {spread(flop, 0)} GFLOP/s, the first layer's arithmetic takes "
        f"{spread(arithmetic)} s. An epoch of the fused engine, including validation, takes {spread(times, 1)} times "
        "the larger of the two.",
        "",
    ]


def versus_peers(ratios):
    """Set the engine that `auto` takes beside the fastest loop of others."""
    lines = []
    for whole, what in ((False, "an epoch"), (True, "30 epochs")):
        middle = {name: statistics.median(values) for name, values in ratios[whole].items()}
        ours = [name for name in reversed(OURS) if name in middle]
        others = {name: value for name, value in middle.items() if name not in OURS}
        if ours and others:
            best = max(others, key=others.__getitem__)
            lines += [
                f"Over {what}, {ours[0].removeprefix('scantrial, ')}: {middle[ours[0]]:.1f} times as fast as the "
                f"notebook, {middle[ours[0]] / others[best]:.1f} times the fastest other loop ({best})."
            ]
    return lines


def growth_table(record):
    """Return a table of how cost grows, with the exponent between the last two points."""
    values = defaultdict(lambda: defaultdict(list))
    for item in record:
        if item["what"] in AXES:
            values[item["what"], item["loop"]][item["value"]].append(item["seconds"])
    lines = [
        "| grows | loop | seconds at each point | power over all, over the last step |",
        "| --- | --- | --- | --- |",
    ]
    for (what, loop), points in values.items():
        middle = {value: statistics.median(seconds) for value, seconds in points.items()}
        first, *_, before, last = middle
        powers = [power(middle, first, last), power(middle, before, last)]
        told = ", ".join(f"{value:,}: {seconds:.2f}" for value, seconds in middle.items())
        lines += [f"| {AXES[what]} | {loop} | {told} | {powers[0]:.2f}, {powers[1]:.2f} |"]
    return lines if values else ["Not measured yet."]


def scans_table(record):
    """Return a table of what listing, decoding, splitting, auditing and training take on many scans."""
    values = defaultdict(dict)
    for item in record:
        if item["what"] == "scans":
            values[item["loop"]][item["value"]] = item
    lines = [
        "| scans | step | CPU s | ms a further scan | own memory, MB | KB a further scan | one worker, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for loop, points in values.items():
        kind, step = loop.split()
        cells = [KINDS[kind], STEPS[step]]
        for key, unit, digits in (("seconds", 1e3, 2), ("own_mb", 1024, 0)):
            told = [f"{n:,}: {item[key]:,.{digits}f}" for n, item in points.items()]
            cells += [", ".join(told), ", ".join(f"{cost:.2f}" for cost in further(points, key, unit))]
        workers = [f"{item['worker_mb']:,.0f}" for item in points.values() if step == "train"]
        lines.append(f"| {' | '.join(cells)} | {', '.join(workers)} |")
    return lines if values else ["Not measured yet."]


def further(points, key, unit):
    """Return what a further scan costs from each number of scans to the next."""
    numbers = list(points)
    pairs = itertools.pairwise(numbers)
    return [unit * (points[more][key] - points[less][key]) / (more - less) for less, more in pairs]


def power(middle, first, last):
    """Return p of seconds ~ value^p between two points."""
    logs = [math.log(middle[value]) for value in (first, last)]
    return (logs[1] - logs[0]) / (math.log(last) - math.log(first))


def engines_picture(turns):
    """Draw the seconds an epoch of every loop, a panel for each network."""
    panels = []
    for network, title in TITLES.items():
        short = by_loop(turns, network, whole=False)
        rows = [
            {"loop": name, "s": statistics.median([s for loop in found for s in loop["epoch_s"][1:]])}
            for name, found in short.items()
        ]
        if not rows:
            continue
        for row in rows:
            row["whose"] = "scantrial" if row["loop"] in OURS else "others"
        base = alt.Chart(alt.InlineData(values=rows)).encode(
            y=alt.Y("loop:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X("s:Q", title="seconds an epoch"),
        )
        colour = alt.Color(
            "whose:N", legend=None, scale=alt.Scale(domain=["scantrial", "others"], range=["#0072b2", "#b9c0c7"])
        )
        bars = base.mark_bar(height=14).encode(color=colour)
        words = base.mark_text(align="left", dx=4).encode(text=alt.Text("s:Q", format=".2f"))
        panels.append((bars + words).properties(width=420, height=24 * len(rows), title=title.replace("`", "")))
    return alt.vconcat(*panels) if panels else None


def growth_picture(record):
    """Draw seconds against size, both on logarithmic axes."""
    panels = []
    for what, axis in AXES.items():
        values = defaultdict(list)
        for item in record:
            if item["what"] == what:
                values[item["loop"], item["value"]].append(item["seconds"])
        rows = [{"loop": loop, "at": at, "s": statistics.median(found)} for (loop, at), found in values.items()]
        if rows:
            panels.append(
                alt.Chart(alt.InlineData(values=rows))
                .mark_line(point=True)
                .encode(
                    x=alt.X("at:Q", scale=alt.Scale(type="log"), title=axis),
                    y=alt.Y("s:Q", scale=alt.Scale(type="log"), title="seconds"),
                    color=alt.Color("loop:N", title=None, scale=alt.Scale(range=["#0072b2", "#d55e00"])),
                )
                .properties(width=240, height=180)
            )
    return alt.concat(*panels, columns=2).resolve_scale(color="independent") if panels else None


def svg(chart):
    """Draw a chart."""
    return vl_convert.vegalite_to_svg(chart.to_dict(validate=False), vl_version="6.4", allowed_base_urls=[])


def replaced(page, name, lines):
    """Return the page with new lines between the markers of a part."""
    begin, end = f"<!-- {name}: written by benchmarks/pages.py -->", f"<!-- {name}: end -->"
    body = "\n".join(lines).strip("\n")
    return re.sub(rf"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{body}\n{end}", page, flags=re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    turns, record = read("benchmarks.json"), read("growth.json")
    before = PAGE.read_text(encoding="utf-8")
    page = replaced(before, "engines", engines_table(turns))
    page = replaced(page, "growth", growth_table(record))
    page = replaced(page, "scans", scans_table(record))
    if check:
        sys.exit(int(page != before))
    PAGE.write_text(page, encoding="utf-8")
    for name, chart in (("benchmarks", engines_picture(turns)), ("growth", growth_picture(record))):
        if chart is not None:
            (DOCS / "images" / f"{name}.svg").write_text(svg(chart), encoding="utf-8")


if __name__ == "__main__":
    main()
