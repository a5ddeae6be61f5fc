"""How the site is built: ``python -m sphinx -W docs docs/_build`` from the root of a clone."""

import os
import sys
import warnings
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
    "numpydoc",
    "myst_parser",
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
    "filename_pattern": r"plot_",
    "ignore_pattern": r"__init__",
    "within_subsection_order": FunctionSortKey(_ORDER.index, "_ORDER"),
    "show_memory": False,
    "remove_config_comments": True,
    "capture_repr": (),
    "reset_modules": ("matplotlib",),
}
warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")

html_theme = "pydata_sphinx_theme"
html_title = "skrnn"
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 4,
}
_ALONE = [
    "index",
    "guide",
    "coming_from",
    "any_text",
    "recipes",
    "command_line",
    "serving",
    "scaling",
    "promises",
    "how_it_is_built",
]  # pages without a sidebar
html_sidebars = {page: [] for page in _ALONE}

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
