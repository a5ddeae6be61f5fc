"""Measure how many texts come back unchanged after they are split into words and joined again.

    python benchmarks/bench_spacing.py DATA [--texts 3000] [--sets sms ag_news ...]

DATA has the folders ``multi30k_tok``, ``aeslc``, ``goemotions``, ``sms_spam``, ``ag_news`` and
``waimai_10k``, see `SETS`. The spacing is learned from one part of the texts and measured on
another. Texts are in lower case, and each run of white space is one space. ``waimai_10k`` is split
by a toy tokenizer of two characters, all others by the default words.

Share of 1,000 texts that are exactly the same, with 3,000 texts to learn from. "Before" is the version
with fewer rules and no learned spacing (commit 0dd2522). "Rules" is what models that only read use,
"learned" is what models that write use. The last column is the number of kinds of gaps that are saved.

============  ======  =====  =======  =====
set           before  rules  learned  kinds
============  ======  =====  =======  =====
multi30k en    0.051  0.051    0.999     23
multi30k de    0.020  0.020    0.999     35
multi30k fr    0.031  0.031    0.994     58
aeslc          0.823  0.834    0.928    350
goemotions     0.850  0.868    0.890    593
ag_news        0.425  0.456    0.854    812
sms            0.636  0.659    0.747  1,191
waimai         0.003  0.003    0.985    106
============  ======  =====  =======  =====
"""

import argparse
import re
from pathlib import Path

import pandas as pd

from skrnn.text import Tokens

SETS = {  # file to learn from, file to measure on (None: the same), column
    "multi30k en": ("multi30k_tok/train.tsv.gz", "multi30k_tok/test2016.tsv.gz", "en"),
    "multi30k de": ("multi30k_tok/train.tsv.gz", "multi30k_tok/test2016.tsv.gz", "de"),
    "multi30k fr": ("multi30k_tok/train.tsv.gz", "multi30k_tok/test2016.tsv.gz", "fr"),
    "aeslc": ("aeslc/train.tsv.gz", "aeslc/test.tsv.gz", "subject"),
    "goemotions": ("goemotions/train.tsv.gz", "goemotions/test.tsv.gz", "text"),
    "ag_news": ("ag_news/test.tsv.gz", None, "text"),
    "sms": ("sms_spam/all.tsv.gz", None, "text"),
    "waimai": ("waimai_10k/all.tsv.gz", None, "text"),
}


def texts_of(path, column):
    """Return the texts of a column in random order, each run of white space as one space."""
    table = pd.read_csv(path, sep="\t", keep_default_na=False, quoting=3)
    return [" ".join(text.lower().split()) for text in table[column].sample(frac=1, random_state=0)]


def cut(text):
    """Return runs of Latin letters or digits, signs, and other letters two at a time."""
    return re.findall(r"[a-z]+|\d+|\w\w?|[^\w\s]", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=3000, help="number of texts to learn from")
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    arguments = parser.parse_args()
    for name in arguments.sets:
        train, test, column = SETS[name]
        learned = texts_of(arguments.data / train, column)
        measured = texts_of(arguments.data / (test or train), column)[:1000]
        learned = learned[-arguments.texts :] if test is None else learned[: arguments.texts]
        tokenizer = cut if name == "waimai" else None
        # all words of both parts are in the vocabulary: only the spacing is measured
        tokens, _ = Tokens.fit(learned + measured, tokenizer=tokenizer, vocab_size=None, written=learned)
        by_rules, _ = Tokens.fit(learned + measured, tokenizer=tokenizer, vocab_size=None)
        sequences = tokens.encode(measured)
        shares = [
            sum(map(str.__eq__, one.decode(sequences), measured)) / len(measured)
            for one in (by_rules, tokens)
        ]
        print(
            f"{name:12} rules {shares[0]:.3f}  learned {shares[1]:.3f}  {len(tokens.spacing)} kinds",
            flush=True,
        )


if __name__ == "__main__":
    main()
