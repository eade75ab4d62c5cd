"""The results of bench.py for people: the table with its marks, and the plots."""

import shutil
import subprocess

PLOT_PACKAGE = "gnuplot-nox"

# figure of a subject -> heading, whether it is a ratio to the floor, what is to be reached, and on which side
FIGURES = (
    ("round_trip_us", "round trip, us", True, 2.0, "most"),
    ("echo_8", "echoes/s, 8 in flight", True, 0.5, "least"),
    ("echo_32", "echoes/s, 32 in flight", True, 0.4, "least"),
    ("transmit", "transmit/s", True, 0.4, "least"),
    ("receive", "receive/s at <= 1 % loss", True, 0.35, "least"),
    ("flood_part", "flood, of own best", False, 0.9, "least"),
    ("doorbells", "doorbells/echo, 32 in flight", False, 0.1, "most"),
    ("interrupts", "interrupts/echo, 32 in flight", False, 0.1, "most"),
)


def reached(value, mark, side):
    return value <= mark if side == "most" else value >= mark


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def name_of(subject):
    if subject["floor"]:
        return f"{subject['nic']} floor"
    return f"{subject['nic']} {subject['mode']} -smp {subject['smp']}"


def floor_of(results, subject):
    return next(other for other in results["subjects"] if other["floor"] and other["nic"] == subject["nic"])


def cell(results, subject, figure):
    """(text, reached or None) of one figure of one subject."""
    key, _, relative, mark, side = figure
    value = subject[key]
    if subject["floor"]:
        return number(value), None
    compared = value / (floor_of(results, subject)[key] or 1) if relative else value
    ok = reached(compared, mark, side)
    text = f"{number(value)} ({compared:.2f})" if relative else number(value)
    return text + ("" if ok else " *"), ok


def other_rows(results):
    """(text, value, mark, reached) of what is measured once."""
    counts = results["counts"]
    eight = counts["by_size"][64]
    rows = [("instructions per echo, 8 in flight", eight["instructions"], 1500, "most"),
            ("  of the floor", counts["floor"][64]["instructions"], None, None),
            ("copies of the payload, both ways", counts["copies"], 2.25, "most"),
            ("TLB-flushing operations per echo", eight["tlb_flushes"], 0.01, "most"),
            ("100 sockets, 1,000 ARP entries: instructions against one", counts["crowd"],
             1.05, "most"),
            ("boot to the prompt, s", results["boot_s"], 0.5, "most"),
            ("kernel image, KiB", results["image_bytes"] / 1024, 256, "most"),
            ("shell's answer during a flood, ms", results["shell_ms"] or float("inf"), 1000, "most")]
    for nic, rates in results["harts"].items():
        if len(rates) == 2:
            rows.append((f"{nic}: echoes/s of -smp 3 against -smp 1", rates[3] / rates[1], 0.95, "least"))
    return rows


def columns(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                      for i, (text, width) in enumerate(zip(row, widths))) for row in rows]


def table(results):
    """Subjects are rows. In brackets: the ratio to the floor; *: the mark is missed."""
    missed = 0
    headings = [heading for _, heading, *_ in FIGURES]
    rows = [["64 bytes; (ratio to the floor); * mark missed", *headings, "wrong, lost"],
            ["to reach"] + [f"{'<=' if side == 'most' else '>='} {mark}" for *_, mark, side in FIGURES] + ["0"]]
    for subject in results["subjects"]:
        cells = [cell(results, subject, figure) for figure in FIGURES]
        missed += sum(ok is False for _, ok in cells)
        rows.append([name_of(subject)] + [text for text, _ in cells]
                    + [f"{subject['wrong']:.0f}, {subject['echo_32_loss'] * 100:.1f} %"])
    lines = columns(rows) + [f"{nic}: {reason}" for nic, reason in results["skipped"].items()] + [""]
    rows = []
    for heading, value, mark, side in other_rows(results):
        ok = mark is None or reached(value, mark, side)
        missed += not ok
        rows.append([heading, number(value), "" if mark is None else f"{'<=' if side == 'most' else '>='} {mark}",
                     "" if ok else "*"])
    lines += columns(rows)
    return "\n".join(lines + ["", f"{missed} marks missed" if missed else "every mark reached"])


# --- plots ---

LOAD_PLOT = """set terminal svg size 800,500 background rgb 'white'
set output 'load.svg'
set title 'One-way receive: delivered to a user program against offered (64 bytes)'
set xlabel 'offered, datagrams/s'
set ylabel 'delivered, datagrams/s'
set key left top
set grid
set logscale xy
plot x notitle with lines dashtype 2 linecolor rgb 'gray', {}
"""
SIZE_PLOT = """set terminal svg size 800,500 background rgb 'white'
set output 'size.svg'
set title 'Instructions of one echo against the size of its payload (8 in flight, virtio-mmio)'
set xlabel 'payload, bytes'
set ylabel 'guest instructions an echo'
set yrange [0:*]
set key left top
set grid
plot 'size.dat' using 1:2 title 'rvnet' with linespoints, '' using 1:3 title 'floor' with linespoints
"""


def write_data(results, folder):
    """The files that gnuplot reads; the clauses of the load plot."""
    clauses = []
    shown = [subject for subject in results["subjects"] if subject["mode"] == "interrupt" and subject["smp"] == 1]
    for index, subject in enumerate(shown):
        points = sorted((point["offered"], point["delivered"]) for point in subject["sweep"] if point["delivered"])
        (folder / f"load-{index}.dat").write_text("".join(f"{x:.0f} {y:.0f}\n" for x, y in points))
        clauses.append(f"'load-{index}.dat' title '{name_of(subject)}' with linespoints")
    counts = results["counts"]
    (folder / "size.dat").write_text("".join(
        f"{size} {counts['by_size'][size]['instructions']:.0f} {counts['floor'][size]['instructions']:.0f}\n"
        for size in counts["by_size"]))
    return clauses


def plot(results, folder):
    """Draws load.svg and size.svg; a text that says so, or what is missing."""
    clauses = write_data(results, folder)
    (folder / "load.gp").write_text(LOAD_PLOT.format(", ".join(clauses)))
    (folder / "size.gp").write_text(SIZE_PLOT)
    if not shutil.which("gnuplot"):
        return f"; no plots: gnuplot is missing (Debian package {PLOT_PACKAGE})"
    for script in ("load.gp", "size.gp"):
        done = subprocess.run(["gnuplot", script], cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode:
            return f"; no plots: gnuplot: {done.stderr.strip()}"
    return "; plots: load.svg, size.svg"
