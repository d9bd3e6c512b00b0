import os
import sys
import time

queue = os.environ["QUEUE_DIR"]
while True:
    for name in os.listdir(os.path.join(queue, "todo")):
        try:
            os.rename(os.path.join(queue, "todo", name), os.path.join(queue, "done", name))
            print("did", name)
        except FileNotFoundError:
            pass
    time.sleep(float(sys.argv[2]))
