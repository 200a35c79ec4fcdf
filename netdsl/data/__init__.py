"""Datasets of labelled images, and accuracy over them. Imports no torch."""
