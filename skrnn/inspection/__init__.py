"""Displays of fitted estimators, and the importance of single tokens."""

from skrnn.inspection.attention import AttentionDisplay
from skrnn.inspection.encoding import EncodingDisplay
from skrnn.inspection.occlusion import occlude
from skrnn.inspection.token_importance import TokenImportanceDisplay
from skrnn.inspection.training_curve import TrainingCurveDisplay

__all__ = [
    "AttentionDisplay",
    "EncodingDisplay",
    "TokenImportanceDisplay",
    "TrainingCurveDisplay",
    "occlude",
]
