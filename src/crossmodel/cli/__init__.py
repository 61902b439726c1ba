"""The command line: one small file per command group. Parse, call, print, exit code."""
