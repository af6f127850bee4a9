"""Work for engines under test: each task says what happens to its worker."""

import os
import signal
import time
from pathlib import Path

from ttsbench.engine.worker import failure_reason


class Unpicklable(Exception):
    """An exception that cannot be rebuilt in another process."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def toy_work(run, call, progress):
    """Carry out ``call.task["do"]``; a file marks that a task was attempted before."""
    marker = Path(run.folder, f"{call.job.id}-{call.index}.attempted")
    again = marker.exists()
    marker.touch()
    match call.task["do"]:
        case "die":
            print("about to die", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once" if not again:
            progress(0.5)
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang" if not again:
            time.sleep(600)
        case "raise":
            return failure_reason(Unpicklable("this", "that"))
        case "print":
            print("a plug-in \x1b[31mprints", flush=True)
        case "wait":
            time.sleep(0.3)
        case "wait long":
            time.sleep(3)
    Path(run.folder, f"{call.job.id}-{call.index}.done").touch()
    return None
