"""The worker: does one job after the other. Two kinds of jobs are too much for it."""

import sys
import time

from queue_client import Queue

with Queue() as queue:
    print("waiting for jobs", flush=True)
    try:
        while True:
            job = queue.take()
            if job is None:
                time.sleep(0.1)
            elif job == "crash":
                raise ValueError("can't do the job `crash`")
            elif job == "hang":
                # It runs on and does nothing: only its output tells.
                print("job queue is stuck", flush=True)
                time.sleep(3600)
            else:
                print(f"done: {job}", flush=True)
    except KeyboardInterrupt:
        sys.exit(0)
