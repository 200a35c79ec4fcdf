"""Reads nets of Caffe."""
