#!/usr/bin/python3
"""nameserver.py - a small name server: nameserver.py ADDRESS ZONE.

Answers A and AAAA over UDP by the lines "NAME TTL ADDRESS" of the file ZONE, which it
reads for each question; a line "! MOOD" makes it silent or let it fail (servfail).
Says "ready" when it listens, and then each question, as NAME TYPE.
"""

import ipaddress
import socket
import struct
import sys

VERSIONS = {1: 4, 28: 6}                # of IP, by the type of a question


def parse(query):
    """Name, type and the question itself."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return '.'.join(labels).lower(), struct.unpack('>H', query[at + 1:at + 3])[0], query[12:at + 5]


def read(zone):
    """The mood, and the records as (name, ttl, address)."""
    mood, records = None, []
    with open(zone, encoding='utf-8') as f:
        for fields in map(str.split, f):
            if fields[0] == '!':
                mood = fields[1]
            else:
                records.append((fields[0], int(fields[1]), ipaddress.ip_address(fields[2])))
    return mood, records


def answer(query, zone):
    """The reply, or None."""
    name, kind, question = parse(query)
    print(name, kind, flush=True)
    mood, records = read(zone)
    if mood == 'silent':
        return None
    mine = [r for r in records if r[0] == name and mood is None]
    rcode = 2 if mood == 'servfail' else 0 if mine else 3
    body, n = b'', 0
    for _, ttl, address in mine:
        if address.version == VERSIONS.get(kind):
            body += b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, ttl, len(address.packed)) + address.packed
            n += 1
    return query[:2] + struct.pack('>HHHHH', 0x8180 | rcode, 1, n, 0, 0) + question + body


def main():
    """Serves until it is killed."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((sys.argv[1], 53))
    print('ready', flush=True)
    while True:
        query, peer = sock.recvfrom(4096)
        reply = answer(query, sys.argv[2])
        if reply is not None:
            sock.sendto(reply, peer)


if __name__ == '__main__':
    main()
