"""Displays of fitted estimators, and the importance of single tokens."""

from skrnn.inspection.token_importance import (
    AttentionDisplay,
    EncodingDisplay,
    TokenImportanceDisplay,
    TrainingCurveDisplay,
)
from skrnn.inspection.occlusion import occlude

__all__ = [
    "AttentionDisplay",
    "EncodingDisplay",
    "TokenImportanceDisplay",
    "TrainingCurveDisplay",
    "occlude",
]
