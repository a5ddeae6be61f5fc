"""Public module of the displays: ``from skrnn.displays import TrainingCurveDisplay``."""

from skrnn.inspection import AttentionDisplay, EncodingDisplay, TokenImportanceDisplay, TrainingCurveDisplay

__all__ = ["AttentionDisplay", "EncodingDisplay", "TokenImportanceDisplay", "TrainingCurveDisplay"]
