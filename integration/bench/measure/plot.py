"""A curve as an SVG of two kilobytes: both axes logarithmic, readable on light and on dark."""

import math

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 560, 300, 64, 34, 16, 44
COLOURS = ["#2f7ed8", "#d8702f", "#3a9d5d"]
STYLE = ("text{font:12px sans-serif;fill:#333}.axis{stroke:#999}.grid{stroke:#9994}.expected{stroke:#888;"
         "stroke-dasharray:4 4;fill:none}@media(prefers-color-scheme:dark){text{fill:#ddd}}")


def power(value):
    return math.log10(value) if value > 0 else 0.0


def span(values):
    low, high = math.floor(min(map(power, values))), math.ceil(max(map(power, values)))
    return low, max(high, low + 1)


def short(exponent):
    if exponent < 0:
        return f"{10.0 ** exponent:.{-exponent}f}"
    return f"{10 ** (exponent % 3)}{['', 'k', 'M', 'G', 'T'][min(exponent // 3, 4)]}"


def svg(title, along, series, expected=None):
    """`series`: name to [(x, y)]; `expected`: an exponent, drawn dashed through the first point of the first."""
    points = [point for line in series.values() for point in line]
    positive = [y for _, y in points if y > 0] or [1]
    (x0, x1), (y0, y1) = span([max(x, 1) for x, _ in points]), span(positive)
    across = lambda x: LEFT + (power(max(x, 1)) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
    floor = 10 ** y0  # where zero is drawn, which has no place on such an axis
    up = lambda y: HEIGHT - BOTTOM - (power(max(y, floor)) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"><style>{STYLE}</style>',
             f'<text x="{LEFT}" y="16">{title}</text>',
             f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{along}</text>']
    for exponent in range(x0, x1 + 1):
        at = across(10 ** exponent)
        drawn.append(f'<path class="grid" d="M{at:.0f} {TOP}V{HEIGHT - BOTTOM}"/><text x="{at:.0f}" y="{HEIGHT - BOTTOM + 16}" '
                     f'text-anchor="middle">{short(exponent)}</text>')
    for exponent in range(y0, y1 + 1):
        at = up(10 ** exponent)
        drawn.append(f'<path class="grid" d="M{LEFT} {at:.0f}H{WIDTH - RIGHT}"/><text x="{LEFT - 6}" y="{at + 4:.0f}" '
                     f'text-anchor="end">{short(exponent)}</text>')
    if expected is not None:
        (x, y), last = next(iter(series.values()))[0], max(x for x, _ in points)
        x, y = max(x, 1), max(y, floor)
        end = min(y * (last / x) ** expected, 10 ** y1)
        reach = last if expected == 0 else x * (end / y) ** (1 / expected)
        drawn.append(f'<path class="expected" d="M{across(x):.1f} {up(y):.1f}L{across(reach):.1f} {up(end):.1f}"/>')
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in line)
        dots = "".join(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>' for x, y in line)
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
                     f'<text x="{LEFT + 8}" y="{TOP + 14 + 15 * number}" style="fill:{colour}">{name}</text>')
    return "\n".join(drawn) + "\n</svg>\n"
