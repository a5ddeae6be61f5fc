"""How the site is built: ``python -m sphinx -W docs docs/_build`` from the root of a clone."""

import os
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

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
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"__init__",
    "within_subsection_order": "ExampleTitleSortKey",
    "show_memory": False,
    "remove_config_comments": True,
    "reset_modules": ("matplotlib",),
    "reset_argv": "conf.no_arguments",
}
warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")

html_theme = "pydata_sphinx_theme"
html_title = "skrnn"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"index": []}


def no_arguments(gallery_conf, script_vars):
    """Run each example as it is."""
    return []
