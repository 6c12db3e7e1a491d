"""The last line of every test stage, which test.sh adds up: `N passed, N failed, N skipped`."""
import threading


class Summary:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def add(self, passed=0, failed=0, skipped=0):
        """From any thread."""
        with self.lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped

    def print(self):
        """Returns the exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed else 0
