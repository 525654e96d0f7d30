"""journal_read.py - a journal, read by what linkwatch-journal(5) says and nothing else.

Written from the manual, without the product's code, so that the manual can be held to its
word: segments, records, checksums, the chain of hashes, the tip, cursors, and the
messages and the samples in short inside.  Also the counter of the power-cut harness.
"""

import hashlib
import os
import re
import struct

SEGMENT_HEADER, RECORD_HEADER, RECORD_MAX = 64, 76, 4 * 1024 * 1024
BATCH, SESSION, PLAN, REFUSED, COLLECTOR, PLAN_RESULT, SPOOL = 1, 2, 3, 4, 5, 6, 16


class Damage(Exception):
    """Where and what: file, offset, number of the record."""

    def __init__(self, file, offset, seq, what):
        super().__init__(f'{file}, offset {offset}: record {seq}: {what}')
        self.file, self.offset, self.seq = file, offset, seq


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _table()


def crc32c(data, seed=0):
    """CRC-32C (Castagnoli), reflected, that goes on from seed."""
    crc = ~seed & 0xffffffff
    for b in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ b) & 255]
    return ~crc & 0xffffffff


class Record:
    def __init__(self, file, offset, kind, seq, wall_ns, durable, digest, data):
        self.file, self.offset, self.kind, self.seq = file, offset, kind, seq
        self.wall_ns, self.durable, self.hash, self.data = wall_ns, durable, digest, data


def segments(directory):
    """Names of the segments, by number."""
    return sorted(n for n in os.listdir(directory) if re.fullmatch(r'\d{20}\.seg', n))


def tip(directory):
    """What is published: (first number that is not, segment, offset there), or None."""
    try:
        with open(os.path.join(directory, 'tip'), 'rb') as f:
            data = f.read()
    except FileNotFoundError:
        return None
    if len(data) < 40 or data[:8] != b'LWTIP001' or crc32c(data[:36]) != struct.unpack('<I', data[36:40])[0]:
        return None
    return struct.unpack('<3Q', data[8:32])


def cursor(directory, name):
    """The first record that a reader has not done with."""
    with open(os.path.join(directory, f'cursor.{name}'), encoding='ascii') as f:
        m = re.fullmatch(r'(next (\d+)) crc ([0-9a-f]{8})\n', f.read())
    assert m and crc32c(m[1].encode()) == int(m[3], 16), 'cursor is damaged'
    return int(m[2])


def records(directory, crc=True, published=True):
    """The records in order; raises Damage.

    published: up to the tip, as a reader goes while somebody writes.  Else up to the last whole one, as
    a writer goes on after a power cut, when the tip may be old; what it says must stand all the same.
    crc=False leaves the checksums out (they are slow here); the chain covers the same bytes.
    """
    names, end = segments(directory), tip(directory)
    expect = previous = None
    for name in names:
        last = name == names[-1]
        with open(os.path.join(directory, name), 'rb') as f:
            data = f.read()
        number = int(name[:20])
        head = data[:SEGMENT_HEADER]
        if last and len(data) <= SEGMENT_HEADER and (end is None or end[0] <= number) and \
                (len(head) < 64 or crc32c(head[:60]) != struct.unpack('<I', head[60:])[0]):
            return                      # its creation was cut short
        if len(head) < SEGMENT_HEADER or head[:8] != b'LWJRNL01':
            raise Damage(name, 0, number, 'no header')
        first, = struct.unpack_from('<Q', head, 8)
        seed, = struct.unpack_from('<I', head, 60)
        if crc32c(head[:60]) != seed or first != number:
            raise Damage(name, 0, number, 'header')
        if expect is not None and (first != expect or head[16:48] != previous):
            raise Damage(name, 0, expect, 'does not continue the segment before')
        expect, previous = first, head[16:48]
        at = SEGMENT_HEADER
        stop = published and end is not None and end[1] == first
        limit = end[2] if stop else len(data)
        while at < limit:
            record = _record(data, at, seed, name, crc)
            chain = record and hashlib.sha256(previous + data[at + 8:at + 40] + record.data).digest()
            if record is not None and chain != record.hash and _record(data, at, seed, name, True) is None:
                record = None           # nothing sound: perhaps torn, as the checksums would have said at once
            if record is None:
                if not last or end is not None and expect < end[0]:
                    raise Damage(name, at, expect, 'no sound record')
                break
            if record.seq != expect:
                raise Damage(name, at, expect, f'record {record.seq} stands here')
            if chain != record.hash:
                raise Damage(name, at, expect, 'breaks the chain')
            yield record
            previous, expect = record.hash, expect + 1
            at += RECORD_HEADER + len(record.data)
        if stop:
            break
    if end is not None and names and expect < end[0]:
        raise Damage(names[-1], 0, expect, f'the end; {end[0] - 1} was published')


def _record(data, at, seed, file, crc):
    """The record at `at`, or None: there is no sound one."""
    head = data[at:at + RECORD_HEADER]
    if len(head) < RECORD_HEADER or head[:4] != b'LWRC':
        return None
    check, length, kind, zero, seq, wall, durable = struct.unpack_from('<IIHHQqQ', head, 4)
    body = data[at + RECORD_HEADER:at + RECORD_HEADER + length]
    if length > RECORD_MAX or zero != 0 or len(body) < length:
        return None
    if crc and (crc32c(head[8:], seed) != check or crc32c(body, seed) != struct.unpack_from('<I', head, 72)[0]):
        return None
    return Record(file, at, kind, seq, wall, durable, head[40:72], body)


# ------------------------------------------------------------------- messages


def varint(data, at):
    n = shift = 0
    while True:
        b = data[at]
        at += 1
        n |= (b & 127) << shift
        shift += 7
        if b < 128:
            return n, at


def fields(data):
    """A protobuf message as {number: [values]}; numbers as int, the rest as bytes."""
    out, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = data[at:at + 8], at + 8
        elif tag & 7 == 5:
            value, at = data[at:at + 4], at + 4
        else:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        out.setdefault(tag >> 3, []).append(value)
    return out


def packed(message, number):
    """A repeated number, packed or not."""
    out = []
    for value in message.get(number, []):
        if isinstance(value, int):
            out.append(value)
            continue
        at = 0
        while at < len(value):
            n, at = varint(value, at)
            out.append(n)
    return out


def doubles(message, number):
    raw = b''.join(message.get(number, []))
    return list(struct.unpack(f'<{len(raw) // 8}d', raw))


def text(message, number):
    return message.get(number, [b''])[-1].decode()


def number_of(message, number, default=0):
    return message.get(number, [default])[-1]


def unzigzag(n):
    return n >> 1 ^ -(n & 1)


class Bits:
    """A stream of bits, the most significant first."""

    def __init__(self, data):
        self.n, self.left = int.from_bytes(data, 'big'), 8 * len(data)

    def take(self, k):
        self.left -= k
        assert self.left >= 0, 'the stream ends too soon'
        return self.n >> self.left & ((1 << k) - 1)

    def number(self, k):
        """A number of order k: z zeros, then z + 1 + k bits, which are 2^k more than the number."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
        return (1 << zeros + k | self.take(zeros + k)) - (1 << k)


SYMBOLS = '-0123456789abcdefghijklmnopqrstuvwxyz'


def _id(bits, before):
    """A new id: what it shares with the one before it, then three symbols in 16 bits each time."""
    name = before[:bits.take(6)]
    while True:
        n = bits.take(16)
        for s in (n // 38 ** 2, n // 38 % 38, n % 38):
            if s == 0:
                return name
            name += SYMBOLS[s - 1]


def samples_in_short(data, base_ns):
    """The samples of a stream (field 21 of a Batch)."""
    bits, links, out = Bits(data), [], []
    at_ns, step_ms, sent, flags = base_ns, 0, 0, 0
    for i in range(bits.number(4)):
        if bits.take(1):
            links.append(_id(bits, links[-1] if links else ''))
            link = links[-1]
        else:
            link = links[bits.take((len(links) - 1).bit_length())]
        if i > 0:
            at_ns += unzigzag(bits.number(14)) * 1000
        if i == 0 or not bits.take(1):
            step_ms, sent, flags = bits.number(13), bits.number(4), bits.number(0)
        count = sent if bits.take(1) else bits.number(4)
        rtt = []
        if count > 0:
            least = bits.number(12) + 1
            k = bits.take(5) if count > 1 else None
            rtt = [least + bits.number(k) for _ in range(count)] if count > 1 else [least]
        out.append({'link': link, 'start_ns': at_ns, 'step_ms': step_ms, 'sent': sent, 'flags': flags,
                    'rtt_ns': [100 * r for r in rtt], 'causes': {}, 'values': {}, 'raw': {}})
    return out


def samples_plain(batch, base_ns):
    """The samples of the columns 4 to 11 of a Batch."""
    links = [l.decode() for l in batch.get(4, [])]
    index, dt, step, sent, count, flags, rtt = (packed(batch, n) for n in range(5, 12))
    out, at, at_ns = [], 0, base_ns
    for i, l in enumerate(index):
        at_ns += unzigzag(dt[i]) * 1000
        out.append({'link': links[l], 'start_ns': at_ns, 'step_ms': step[i], 'sent': sent[i], 'flags': flags[i],
                    'rtt_ns': [100 * r for r in rtt[at:at + count[i]]], 'causes': {}, 'values': {}, 'raw': {}})
        at += count[i]
    return out


def samples(batch):
    """The samples of a Batch (fields() of it)."""
    base_ns = number_of(batch, 3)
    if 21 in batch:
        out = samples_in_short(batch[21][-1], base_ns)
    else:
        out = samples_plain(batch, base_ns)
    for i, cause, count in zip(packed(batch, 12), packed(batch, 13), packed(batch, 14)):
        out[i]['causes'][cause] = count
    for i, role, value, raw in zip(packed(batch, 15), packed(batch, 16), doubles(batch, 17), packed(batch, 18)):
        out[i]['values'][role] = value
        if raw:
            out[i]['raw'][role] = raw
    return out


class Stored:
    """What a BATCH record holds."""

    def __init__(self, record):
        stored = fields(record.data)
        self.agent, self.received_ns = text(stored, 1), number_of(stored, 2)
        self.bytes = stored[3][-1]
        self.batch = fields(self.bytes)
        self.boot, self.seq = self.batch[1][-1], number_of(self.batch, 2)

    def samples(self):
        return samples(self.batch)
