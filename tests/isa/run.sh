#!/bin/sh
# Compares our instructions with another implementation's: run.py has the options.
exec python3 "$(dirname "$0")/run.py" "$@"
