"""The playground: what its page asks of the compiler, its files, and the server of `view`."""
