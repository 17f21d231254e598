"""Leaves a result that must not be read: a link, a FIFO, a hard link or too much."""

import os
import sys

path = os.environ["PRAISONRUN_RESULT_PATH"]
match sys.argv[1]:
    case "link":
        os.symlink("/etc/passwd", path)
    case "fifo":
        os.mkfifo(path)
    case "hard":
        with open(path + "2", "w") as file:
            file.write("{}")
        os.link(path + "2", path)
    case "directory":
        os.mkdir(path)
    case "large":
        with open(path, "w") as file:
            file.write("x" * 2000)
