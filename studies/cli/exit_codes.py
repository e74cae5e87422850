"""Exit codes of `walkbench` beside 0 (success), 1 (failure) and 2 (bad usage or bad input).

>>> INTERRUPTED
130
"""

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C
CLOSED = 141  # and for one whose reader went away, as with `| head`
TERMINATED = 143  # and for one that SIGTERM ended
