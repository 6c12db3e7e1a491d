"""The last line of every test stage, which test.sh adds up: `N passed, N failed, N skipped`."""


class Summary:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def print(self):
        """Returns the exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed else 0
