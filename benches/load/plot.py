"""CPU time per request from what load.py printed: bars by gateway, one picture for each table that has nginx in it, and lines for
its growth. usage: plot.py OUTPUT FOLDER; run.sh does it, and docs/ gets cpu-cached.svg, cpu-miss.svg and cpu-growth.svg"""

import html
import math
import pathlib
import re
import sys

WIDTH, LEFT, BAR, GAP = 720, 210, 22, 10


def tables(text):
    """Title and (gateway, CPU µs a request) of each table of gateways."""
    for title, body in re.findall(r"^(\w[^\n|]*)\n\n\| gateway \| CPU[^\n]*\n\|[-:|]+\n((?:\|[^\n]*\n)+)", text, re.M):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
        yield title, [(row[0], float(row[1])) for row in rows]


def svg(title, rows, ran):
    longest = max(micros for _, micros in rows)
    nginx = dict(rows)["nginx"]
    height = 70 + len(rows) * (BAR + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="15">CPU time per request, µs (÷ nginx): {html.escape(title)}</text>',
        f'<text x="10" y="40" fill="#666">{html.escape(ran)}</text>',
    ]
    for i, (name, micros) in enumerate(rows):
        y = 55 + i * (BAR + GAP)
        length = micros / longest * (WIDTH - LEFT - 130)
        fill = "#2a6f97" if name.startswith("introgate") else "#b0b7bd"
        out.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{fill}"/>')
        out.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 16}">{micros:.1f} ({micros / nginx:.2f})</text>')
    return "\n".join(out + ["</svg>", ""])


def growths(text):
    """What grows, and (how many, CPU µs a request) of each table of growth."""
    for title, body in re.findall(r"^growth with (\w+)\n\n\|[^\n]*\n\|[-:|]+\n((?:\|[^\n]*\n)+)", text, re.M):
        rows = [[cell.strip().replace(",", "") for cell in line.strip("|").split("|")] for line in body.splitlines()]
        yield title, [(int(row[0]), float(row[1])) for row in rows]


def lines(series, ran):
    height, bottom, top = 320, 270, 60
    most = max(count for _, points in series for count, _ in points)
    highest = max(micros for _, points in series for _, micros in points) * 1.2
    x = lambda count: 60 + math.log10(count) / math.log10(most) * (WIDTH - 200)
    y = lambda micros: bottom - micros / highest * (bottom - top)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="22" font-size="15">CPU time per request, µs, as routes and cached tokens become more</text>',
        f'<text x="10" y="40" fill="#666">{html.escape(ran)}</text>',
        f'<line x1="60" y1="{bottom}" x2="{WIDTH - 130}" y2="{bottom}" stroke="#666"/>',
        f'<line x1="60" y1="{top}" x2="60" y2="{bottom}" stroke="#666"/>',
    ]
    for power in range(int(math.log10(most)) + 1):
        out.append(f'<text x="{x(10**power):.1f}" y="{bottom + 20}" text-anchor="middle">{10**power:,}</text>')
    for micros in range(0, int(highest) + 1, 5):
        out.append(f'<text x="52" y="{y(micros) + 4:.1f}" text-anchor="end">{micros}</text>')
    for (title, points), colour in zip(series, ["#2a6f97", "#c1666b"]):
        path = " ".join(f"{x(count):.1f},{y(micros):.1f}" for count, micros in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(count):.1f}" cy="{y(micros):.1f}" r="3" fill="{colour}"/>' for count, micros in points]
        end_count, end_micros = points[-1]
        out.append(f'<text x="{x(end_count) + 8:.1f}" y="{y(end_micros) + 4:.1f}" fill="{colour}">{title}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    text, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    ran = text.split("\n", 1)[0]
    for title, rows in tables(text):
        if title.split(":")[0] in ("cached", "miss"):
            (folder / f"cpu-{title.split(':')[0]}.svg").write_text(svg(title, rows, ran))
    series = list(growths(text))
    if series:
        (folder / "cpu-growth.svg").write_text(lines(series, ran))


main()
