"""Datasets of labelled images, and metrics over them. Imports no torch."""
