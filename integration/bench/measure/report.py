"""The table for people, a JSON line for each daemon, and the tables of the README."""

import json

from . import targets
from .place import HERE, machine

RESULTS = HERE / "results"


def shown(value):
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3f}" if abs(value) < 1 else f"{value:.1f}"


def rows(found, names):
    """Scenario, key, what each daemon has, and the verdict."""
    for scenario, daemons in found.items():
        keys = dict.fromkeys(key for name in names for key in daemons.get(name, {}))
        for key in keys:
            row = {name: daemons.get(name, {}).get(key) for name in names}
            if not any(isinstance(value, list) for value in row.values()):
                yield scenario, key, row, targets.judge(scenario, key, row)


def table(found, names):
    if not found:
        return
    width = max(len(f"{scenario} {key}") for scenario, key, _, _ in rows(found, names))
    print(f"\n{'':{width}}" + "".join(f"{name:>13}" for name in names) + "  target of watchd")
    for scenario, key, row, verdict in rows(found, names):
        print(f"{scenario + ' ' + key:{width}}" + "".join(f"{shown(row[name]):>13}" for name in names) + f"  {verdict}")
    print()


def lines(found, names, options, skipped):
    """One JSON object for each daemon; one that says why for each that could not be built."""
    common = {"runs": options.runs, "quiet_ms": 500, **machine()}
    made = [{"daemon": name, **common, **{s: daemons[name] for s, daemons in found.items() if name in daemons}}
            for name in names]
    return made + [{"not run": name, "why": why} for name, why in skipped.items()]


def keep(made):
    """Adds to what was kept before: a scenario that was not run keeps its numbers."""
    RESULTS.mkdir(exist_ok=True)
    for line in (line for line in made if "daemon" in line):
        file = RESULTS / f"{line['daemon']}.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(before | line, indent=1) + "\n")


def kept():
    names = ["watchd", "fsnotify", "watchdog", "chokidar", "inotifywait"]
    files = {name: RESULTS / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def markdown():
    """The tables of the README, from what is kept."""
    of = kept()
    names = list(of)
    scenarios = dict.fromkeys(key for line in of.values() for key, value in line.items() if isinstance(value, dict))
    found = {s: {name: of[name][s] for name in names if s in of[name]} for s in scenarios}
    first = of.get("watchd", {})
    text = [f"{first.get('cpus')} CPUs ({first.get('model')}), Linux {first.get('kernel')}, journal on {first.get('disk')}, "
            f"load before {first.get('load')}, watchd {first.get('commit')}, medians of {first.get('runs')} runs.", "",
            f"| | {' | '.join(names)} | target |", f"|---|{'---:|' * len(names)}---|"]
    text += [f"| {s}: {key.replace('_', ' ')} | {' | '.join(shown(row[name]) for name in names)} | {verdict} |"
             for s, key, row, verdict in rows(found, names)]
    return "\n".join(text)


def into_readme(mark, text):
    """Between `<!-- MARK -->` and `<!-- end of MARK -->`."""
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- end of {mark} -->")
    if not end:
        raise SystemExit(f"README.md has no marks for {mark}")
    readme.write_text(f"{before}<!-- {mark} -->\n{text}\n{end}{after}")
