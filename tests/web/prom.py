"""prom.py - a strict reader of Prometheus' text format 0.0.4."""
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|})')
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
UNITS = ("seconds", "bytes", "ratio", "info", "total", "records")


class Bad(Exception):
    pass


def unescape(s):
    return re.sub(r'\\(.)', lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), s)


def read_sample(line):
    m = NAME.match(line)
    if not m:
        raise Bad("no name: " + line)
    rest, labels = line[m.end():], {}
    if rest.startswith("{"):
        rest = rest[1:]
        while True:
            label = LABEL.match(rest)
            if not label:
                raise Bad("labels: " + line)
            if label.group(1) in labels:
                raise Bad("a label twice: " + line)
            labels[label.group(1)] = unescape(label.group(2))
            rest = rest[label.end():]
            if label.group(3) == "}":
                break
    if not rest.startswith(" ") or not NUMBER.match(rest[1:]):
        raise Bad("no number: " + line)
    return m.group(0), labels, float(rest[1:])


def parse(text):
    """{name: [(labels, value)...]}; raises Bad at the first line that promtool would refuse or complain of."""
    families, types, seen, current = {}, {}, set(), None
    if not text.endswith("\n"):
        raise Bad("no newline at the end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current, help_ = line[7:].split(" ", 1)
            if current in families or not help_.strip():
                raise Bad("family twice, or without help: " + line)
            families[current] = []
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            if name != current or name in types or kind not in ("gauge", "counter") or families[name]:
                raise Bad("type: " + line)
            if (kind == "counter") != name.endswith("_total"):
                raise Bad("a counter ends in _total, and nothing else does: " + line)
            types[name] = kind
        else:
            name, labels, value = read_sample(line)
            if name != current or name not in types:
                raise Bad("sample outside its family: " + line)
            key = (name, tuple(sorted(labels.items())))
            if key in seen:
                raise Bad("a sample twice: " + line)
            if types[name] == "counter" and value < 0:
                raise Bad("a counter below 0: " + line)
            seen.add(key)
            families[name].append((labels, value))
    if set(types) != set(families):
        raise Bad("families without type: %r" % (set(families) - set(types)))
    return families
