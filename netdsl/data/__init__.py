"""Datasets of labelled images, and accuracy over them. Imports no torch."""

from netdsl.data.catalog import DATASETS, open_dataset
from netdsl.data.dataset import Dataset, Split, check_classes, check_shape
from netdsl.data.evaluate import METRICS, Accuracy, evaluate, predict

__all__ = [
    "DATASETS",
    "METRICS",
    "Accuracy",
    "Dataset",
    "Split",
    "check_classes",
    "check_shape",
    "evaluate",
    "open_dataset",
    "predict",
]
