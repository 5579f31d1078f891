# Imported by Python before anything else, for experiments alone: holds what would be another thing in
# each run, so that a difference which goes away tells where it came from.
import os
import sys


def hold_clock(now):
    import datetime
    import time

    def moment(given):
        return now if given is None else given

    real = {name: getattr(time, name) for name in ("localtime", "gmtime", "strftime", "asctime")}
    time.time = lambda: now
    time.time_ns = lambda: int(now) * 10**9
    time.localtime = lambda seconds=None: real["localtime"](moment(seconds))
    time.gmtime = lambda seconds=None: real["gmtime"](moment(seconds))
    time.ctime = lambda seconds=None: real["asctime"](real["localtime"](moment(seconds)))
    time.asctime = lambda given=None: real["asctime"](given or real["localtime"](now))
    time.strftime = lambda form, given=None: real["strftime"](form, given or real["localtime"](now))

    class Same(type):
        def __instancecheck__(cls, other):
            return isinstance(other, cls.__mro__[1])

        def __subclasscheck__(cls, other):
            return issubclass(other, cls.__mro__[1])

    plain_date, plain = datetime.date, datetime.datetime

    class date(plain_date, metaclass=Same):
        @classmethod
        def today(cls):
            return plain_date.fromtimestamp(now)

    class moments(plain, metaclass=Same):
        @classmethod
        def now(cls, tz=None):
            return plain.fromtimestamp(now, tz)

        @classmethod
        def utcnow(cls):
            return plain.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None)

        @classmethod
        def today(cls):
            return plain.fromtimestamp(now)

    date.__name__ = date.__qualname__ = "date"
    moments.__name__ = moments.__qualname__ = "datetime"
    datetime.date, datetime.datetime = date, moments


def hold_randomness(stream):
    import hashlib

    drawn = [0]

    def urandom(count):
        out = b""
        while len(out) < count:
            drawn[0] += 1
            out += hashlib.blake2b(f"{stream} {drawn[0]}".encode()).digest()
        return out[:count]

    os.urandom = urandom
    if hasattr(os, "getrandom"):
        os.getrandom = lambda count, flags=0: urandom(count)
    import random

    plain = random.Random.seed

    def seed(self, a=None, version=2):
        plain(self, int.from_bytes(urandom(32), "little") if a is None else a, version)

    random._urandom = urandom
    random.Random.seed = seed
    random.seed = random._inst.seed
    random.seed()


def hold_listings(backwards):
    listdir, scandir = os.listdir, os.scandir

    class Entries:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = iter(sorted(entries, key=lambda one: one.name, reverse=backwards))

        def __iter__(self):
            return self

        def __next__(self):
            return next(self.entries)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def close(self):
            self.entries = iter(())

    os.listdir = lambda path=".": sorted(listdir(path), reverse=backwards)
    os.scandir = lambda path=".": Entries(path)


for what, value in HELD:
    globals()["hold_" + what](value)
