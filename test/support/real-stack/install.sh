#!/usr/bin/env bash
# Puts FastAPI and uvicorn into a virtual environment below node_modules, where test/support/real-stack.ts looks for it.
# `npm ci` removes it; without it the tests that need it are skipped and say so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../../../node_modules/.cache/real-stack
python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
