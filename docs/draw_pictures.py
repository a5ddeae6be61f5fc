"""Draw the pictures of the README and of the page on benchmarks.

    python docs/draw_pictures.py

The figures come from the tables of benchmarks/README.md, so run this script after a change of these tables.
It writes SVG files to docs/_static and needs matplotlib (the extra `plot`).
"""

import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

STATIC = Path(__file__).parent / "_static"
TABLES = (Path(__file__).parents[1] / "benchmarks" / "README.md").read_text(
    "utf-8"
)
OWN, OTHER = "#2b6cb0", "#dd6b20"
TEXTS = {  # what the texts of a data set are
    "sst2": "film sentences",
    "trec": "questions",
    "rt_polarity": "film opinions",
    "subj": "opinion or plot",
    "ag_news": "news",
    "imdb": "long reviews",
    "sms_spam": "SMS, spam or not",
    "names": "names",
    "waimai_10k": "Chinese reviews",
}
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: small files that can be searched and read aloud
    "svg.hashsalt": "skrnn",
    "figure.facecolor": "white",  # also on a dark page
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def table(first_column, *columns):
    """Return the rows of the first table of the benchmarks that has these columns, as tuples of cells."""
    for block in re.findall(r"(?:^\|.*\n)+", TABLES, re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in block.splitlines()
        ]
        if header[0] == first_column and set(columns) <= set(header):
            places = [
                header.index(column) for column in (first_column, *columns)
            ]
            return [tuple(row[place] for place in places) for row in rows]
    raise ValueError(
        f"benchmarks/README.md has no table with the columns {columns}"
    )


def number(cell):
    """Return the first number of a cell."""
    return float(re.search(r"\d+(?:\.\d+)?", cell.replace(",", "")).group())


def save(figure, name):
    """Write a picture to docs/_static."""
    figure.savefig(STATIC / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def draw_pairs(axes, rows, unit, higher_is_better=True):
    """Draw a dot for each side of each row, with its number on the outer side."""
    for y, (name, own, other) in enumerate(rows):
        axes.plot([own, other], [y, y], color="#cbd5e0", linewidth=3, zorder=1)
        for value, colour, marker in ((other, OTHER, "s"), (own, OWN, "o")):
            axes.plot(value, y, marker, color=colour, markersize=8)
            is_left = value < own or (value == own and own < other)
            axes.annotate(
                f"{value:.1f}",
                (value, y),
                (-8 if is_left else 8, 0),
                textcoords="offset points",
                ha="right" if is_left else "left",
                va="center",
                color=colour,
                fontsize=9,
            )
        axes.text(
            -0.02,
            y,
            name,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
        )
    better = "higher" if higher_is_better else "lower"
    axes.set(
        xlabel=f"{unit}; {better} is better",
        yticks=[],
        ylim=(len(rows) - 0.5, -0.5),
    )
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#edf2f7")
    axes.set_axisbelow(True)
    sides = [
        (OWN, "o", "skrnn, defaults"),
        (OTHER, "s", "TF-IDF + logistic regression"),
    ]
    handles = [
        plt.Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            ls="",
            markersize=8,
            label=label,
        )
        for colour, marker, label in sides
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )


def names_of(row):
    """Return what the texts of a row are, and the name of its data set."""
    name = re.match(r"\w+", row[0]).group()
    return f"{TEXTS.get(name, name)}\n({name})"


def draw_accuracy():
    """Draw the accuracy on each data set, the largest gain first."""
    rows = [
        (names_of(row), 100 * number(row[1]), 100 * number(row[2]))
        for row in table("data set", "skrnn", "TF-IDF + LR")
    ]
    rows.sort(key=lambda row: row[2] - row[1])
    figure, axes = plt.subplots(figsize=(5.2, 5.4), layout="constrained")
    draw_pairs(axes, rows, "accuracy on test texts, %")
    low = min(min(own, other) for _, own, other in rows)
    axes.set_xlim(low - 4, 102)
    save(figure, "accuracy")


def draw_calibration():
    """Draw the calibration error on each data set."""
    rows = [
        (names_of(row), 100 * number(row[1]), 100 * number(row[2]))
        for row in table("data set", "ECE of skrnn", "ECE of TF-IDF + LR")
    ]
    rows.sort(key=lambda row: row[1] - row[2])
    figure, axes = plt.subplots(figsize=(5.2, 5.4), layout="constrained")
    draw_pairs(axes, rows, "calibration error, % (ECE)", higher_is_better=False)
    axes.set_xlim(-0.6, max(max(row[1:]) for row in rows) + 0.8)
    save(figure, "calibration")


def draw_learning_curve():
    """Draw the mean accuracy against the number of training texts."""
    rows = table("training texts", "skrnn", "TF-IDF + LR")
    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    lines = [
        (1, "skrnn, defaults", OWN, "o-"),
        (2, "TF-IDF + logistic regression", OTHER, "s--"),
    ]
    for column, label, colour, style in lines:
        values = [100 * number(row[column]) for row in rows]
        axes.plot(range(len(rows)), values, style, color=colour, label=label)
    axes.set_xticks(range(len(rows)), [row[0] for row in rows])
    axes.set(
        xlabel="training texts", ylabel="accuracy, %, mean of six data sets"
    )
    axes.grid(axis="y", color="#edf2f7")
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    save(figure, "learning_curve")


SPEED = {  # rows of the table of ratios
    ("predict one text of 50 words", "`model_.predict`"): "one text\nvs Keras",
    ("transform, LSTM", "batches of 256"): "many texts\nvs Keras",
    ("fit, LSTM, batches of 32", "`keras.Model.fit`"): "training\nvs Keras",
    ("transform from ids, LSTM", "PyTorch"): "many texts\nvs PyTorch",
    ("start a process", "`import tensorflow`"): "new process\nvs TensorFlow",
    ("transform, GRU", "`TfidfVectorizer.transform`"): "many texts\nvs TF-IDF",
    ("predict one text of 50 words", "TF-IDF + LR"): "one text\nvs TF-IDF",
}


def draw_speed():
    """Draw how many times as fast skrnn is as other libraries."""
    rows = table("skrnn", "compared with", "ratio")
    figure, axes = plt.subplots(figsize=(5.2, 4), layout="constrained")
    for y, (own, other) in enumerate(SPEED):
        (ratio, *_) = [
            number(cell)
            for a, b, cell in rows
            if a.startswith(own) and other in b
        ]
        axes.barh(
            y, ratio - 1, left=1, color=OWN if ratio >= 1 else OTHER, height=0.6
        )
        axes.annotate(
            f"{ratio:g}",
            (ratio, y),
            (5 if ratio >= 1 else -5, 0),
            textcoords="offset points",
            ha="left" if ratio >= 1 else "right",
            va="center",
        )
    axes.axvline(1, color="#4a5568", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(0.2, 100)
    axes.set_xticks(
        [0.25, 0.5, 1, 2, 5, 10, 20, 50],
        ["¼", "½", "1", "2", "5", "10", "20", "50"],
    )
    axes.minorticks_off()
    axes.set_yticks(range(len(SPEED)), SPEED.values())
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()
    axes.set_xlabel(
        "times as fast as the other library; log scale\nblue: skrnn is faster; orange: slower"
    )
    save(figure, "speed")


def draw():
    """Draw all pictures."""
    with matplotlib.rc_context(STYLE):
        draw_accuracy()
        draw_calibration()
        draw_learning_curve()
        draw_speed()


if __name__ == "__main__":
    matplotlib.use("Agg")
    draw()
