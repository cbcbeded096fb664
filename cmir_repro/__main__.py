"""`python -m cmir_repro` is the command `cmir`."""

from cmir_repro.cli import main

main()
