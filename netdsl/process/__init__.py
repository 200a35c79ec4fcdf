"""The process: signals, standard streams, memory, and the child process that does the work."""
