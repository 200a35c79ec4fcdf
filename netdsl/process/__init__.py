"""The process: its signals, its standard streams, its memory, and the child that does the work."""
