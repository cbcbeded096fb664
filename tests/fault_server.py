"""What the server of faults.py has imported before it forks: all that commands import late."""

import atexit
import gc
import os

import fault_jobs  # noqa: F401
import pyarrow.dataset  # noqa: F401
import torch._dynamo  # noqa: F401, the optimisers' first import, of seconds

from cmir_repro.data.css import render_3d  # noqa: F401
from cmir_repro.evaluation import average_precision  # noqa: F401
from cmir_repro.report import pages, yours  # noqa: F401
from data_scripts import own_folder  # noqa: F401

gc.freeze()  # what is here stays here, and is not copied into each process
atexit.register(os._exit, 0)  # libraries of compilers complain at length of leaks when they end
