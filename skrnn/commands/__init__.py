"""What the command line needs besides the estimators: tables, targets and scores."""

from skrnn.commands.scores import fit_baseline, report
from skrnn.commands.tables import column_of, read_table, write_table
from skrnn.commands.targets import Targets

__all__ = ["Targets", "column_of", "fit_baseline", "read_table", "report", "write_table"]
