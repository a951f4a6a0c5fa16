"""Bars of CPU time per request by gateway, from what load.py printed: one picture for each table that has nginx in it.
usage: plot.py OUTPUT FOLDER; run.sh does it, and deploy/ gets cpu-cached.svg and cpu-miss.svg"""

import html
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


def main():
    text, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    ran = text.split("\n", 1)[0]
    for title, rows in tables(text):
        if "nginx" in dict(rows):
            (folder / f"cpu-{title.split(':')[0]}.svg").write_text(svg(title, rows, ran))


main()
