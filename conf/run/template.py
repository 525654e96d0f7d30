"""template.py - configuration files out of templates.

In a template @NAME@ stands for a value, and lines between "@if NAME" and "@end"
are left out when that value is empty.  A name that nobody gives is an error.
"""

import os
import re


def fill(text, values):
    out, keep = [], True
    for line in text.splitlines(keepends=True):
        if line.startswith('@if '):
            keep = bool(values[line.split()[1]])
        elif line.startswith('@end'):
            keep = True
        elif keep:
            out.append(re.sub(r'@([A-Z0-9_]+)@', lambda m: str(values[m[1]]), line))
    return ''.join(out)


def write(path, text, mode=0o644):
    """Puts text into a file that appears whole or not at all."""
    new = f'{path}.new'
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'w', encoding='utf-8') as f:
        f.write(text)
    os.rename(new, path)


def make(source, path, values, mode=0o644):
    """Fills the template source into path, unless that stands already; was it made?"""
    if os.path.exists(path):
        return False
    with open(source, encoding='utf-8') as f:
        write(path, fill(f.read(), values), mode)
    return True
