"""The commands, one file each; `netdsl.cli` imports the one that is called."""
