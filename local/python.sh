#!/bin/sh
# Prints the path of a Python 3.13 that runs and can make environments, or says how to get one.
works() {
    "$1" -c 'import ensurepip, ssl, sqlite3, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null
}
for python in "$PYTHON" python3.13 python3 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python \
    /opt/homebrew/bin/python3.13 /usr/local/bin/python3.13 /usr/bin/python3.13 \
    "$(uv python find 3.13 2>/dev/null)"; do
    if [ -n "$python" ] && works "$python"; then
        "$python" -c 'import sys; print(sys.executable)'
        exit
    fi
done
cat >&2 <<'END'
CryptoPulse needs Python 3.13, with venv, and found none that runs. Any of these brings it:
    uv python install 3.13
    pyenv install 3.13
    brew install python@3.13                      (macOS)
    apt install python3.13 python3.13-venv        (Debian 13, Ubuntu 25.04 and later)
Or name it: make PYTHON=/path/to/python3.13
END
exit 1
