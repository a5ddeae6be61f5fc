"""The displays under their public name: ``from skrnn.displays import TrainingCurveDisplay``."""

from skrnn.inspection import AttentionDisplay, EncodingDisplay, TokenImportanceDisplay, TrainingCurveDisplay

__all__ = ["AttentionDisplay", "EncodingDisplay", "TokenImportanceDisplay", "TrainingCurveDisplay"]
