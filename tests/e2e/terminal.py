"""A program on a pseudo-terminal, as a person has it before them: keys are typed, what appears is waited for."""
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    def __init__(self, *command, env=None, cwd=None, rows=24, columns=100):
        self.seen, self.master = b"", None
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns)) if hasattr(termios, "tcsetwinsize") else None
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("LC_", "LANG", "DURE_", "NO_COLOR"))}
        environment |= {"LC_ALL": "C.UTF-8", "TERM": "xterm", **(env or {})}
        # The child leads a session of its own whose terminal this is, so that Ctrl-C reaches it and nobody else.
        self.process = subprocess.Popen([str(item) for item in command], stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
                                        env=environment, start_new_session=True,
                                        preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    @property
    def text(self):
        """All that appeared, without what moves the cursor or colours."""
        return ESCAPES.sub(b"", self.seen).decode("utf-8", "replace")

    def _read(self, wait):
        ready, _, _ = select.select([self.master], [], [], wait)
        if not ready:
            return False
        try:
            part = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            part = b""
        self.seen += part
        return bool(part)

    def expect(self, wanted, timeout=60):
        """Waits until this text appears, behind what was expected before; returns what came up to it."""
        end = time.monotonic() + timeout
        while wanted not in self.text[self.mark:]:
            if time.monotonic() > end or not self._read(max(0.0, min(0.5, end - time.monotonic()))):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError(f"'{wanted}' did not appear after {self.text[self.mark:]!r}\nall: {self.text!r}")
        at = self.text.index(wanted, self.mark)
        before = self.text[self.mark:at]
        self.mark = at + len(wanted)
        return before

    mark = 0

    def type(self, keys):
        os.write(self.master, keys.encode())

    def line(self, text):
        self.type(text + "\r")

    def close(self, timeout=20):
        """Waits for the program's end; returns its exit status."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.1)
        if self.process.poll() is None:
            self.process.kill()
            raise AssertionError(f"the program did not end; it showed {self.text!r}")
        while self._read(0):
            pass
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
