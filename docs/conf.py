"""How the site is built: ``python -m sphinx -W docs docs/_build`` from the root of a clone."""

import os
import sys
import warnings
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # the gallery looks its names up
from sphinx_gallery.sorting import FunctionSortKey

import skrnn

project = "skrnn"
author = copyright = "skrnn developers"
version = release = skrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
    "gallery/**/*.zip",
    "gallery/**/*.json",
]
suppress_warnings = ["config.cache"]  # the order of the gallery is a function
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
copybutton_line_continuation_character = "\\"
copybutton_prompt_text = (
    "$ "  # of the page on the command line, whose output is not copied
)

# Without a network, an empty inventory takes the place of those of other sites, and names stay without links.
EMPTY = Path(__file__).parent / "_build" / "empty.inv"
EMPTY.parent.mkdir(exist_ok=True)
EMPTY.write_bytes(
    b"# Sphinx inventory version 2\n# Project: none\n# Version: 0\n# zlib\n"
    + zlib.compress(b"")
)
intersphinx_timeout = 5  # seconds
intersphinx_mapping = {
    name: (address, (None, str(EMPTY)))
    for name, address in {
        "python": "https://docs.python.org/3",
        "numpy": "https://numpy.org/doc/stable",
        "sklearn": "https://scikit-learn.org/stable",
        "pandas": "https://pandas.pydata.org/docs",
        "matplotlib": "https://matplotlib.org/stable",
    }.items()
}

autosummary_generate = True
autodoc_typehints = "none"
default_role = "literal"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

_ORDER = [  # first the five stages, then the applications, then tools around an estimator
    "quickstart.py",
    "plot_tutorial_listing.py",
    "plot_pretraining.py",
    "plot_near_duplicates.py",
    "plot_clusters.py",
    "plot_drift.py",
    "plot_few_labels.py",
    "plot_numbers_and_labels.py",
    "plot_translation.py",
    "plot_summarisation.py",
    "plot_displays.py",
    "plot_pipeline.py",
    "tune_with_optuna.py",
    "search_on_dask.py",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py",  # every example runs, so that each page shows its output
    "ignore_pattern": r"__init__",
    "doc_module": "skrnn",
    "reference_url": {"skrnn": None},
    "backreferences_dir": "generated/backreferences",  # the examples of a class, on its page
    "within_subsection_order": FunctionSortKey(_ORDER.index, "_ORDER"),
    "show_memory": False,
    "remove_config_comments": True,
    "capture_repr": (),
    "reset_modules": ("matplotlib",),
}
warnings.filterwarnings(
    "ignore", message="__array__ implementation doesn't accept a copy keyword"
)

html_theme = "pydata_sphinx_theme"
html_title = "skrnn"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "skrnn", "alt_text": "skrnn, home"},
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "header_links_before_dropdown": 5,
}
html_sidebars = {
    "**": []
}  # the whole width is for text and code; the header has all pages

# What inherited docstrings of scikit-learn refer to is on its own site.
OF_SCIKIT_LEARN = {
    "accuracy_score", "df_output_transform", "meta-estimator", "metadata_routing", "r2_score",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
}  # fmt: skip


def leave_as_text(app, env, node, contnode):
    """Return the text of a reference to scikit-learn's site in place of a link."""
    return contnode if node.get("reftarget") in OF_SCIKIT_LEARN else None


def setup(app):
    """Register what is done to references that lead nowhere here."""
    app.connect("missing-reference", leave_as_text)
