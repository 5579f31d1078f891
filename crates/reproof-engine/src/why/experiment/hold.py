# Imported by Python before anything else, for experiments alone: holds what would be another thing in
# each run, so that a difference which goes away tells where it came from.
import os
import sys


def hold_clock(now):
    import datetime
    import time

    def moment(given):
        return now if given is None else given

    hold_file_times(now, time.time() - 1)
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


def hold_file_times(now, since):
    # What the step itself wrote has the time of the run: archives note it.
    times = ("st_atime", "st_mtime", "st_ctime")
    more = ("st_blksize", "st_blocks", "st_rdev")

    def held(plain):
        def stat(*arguments, **named):
            found = plain(*arguments, **named)
            if found.st_mtime < since:
                return found
            fields = {name: now for name in times}
            fields.update({name + "_ns": int(now * 10**9) for name in times})
            fields.update({name: getattr(found, name) for name in more if hasattr(found, name)})
            return os.stat_result(tuple(found)[:7] + (int(now),) * 3, fields)

        return stat

    for name in ("stat", "lstat", "fstat"):
        plain = getattr(os, name)
        setattr(os, name, held(plain))
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if plain in able:
                able.add(getattr(os, name))


def hold_randomness(stream):
    import builtins
    import hashlib
    import io

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
    opens = io.open

    class Device(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, room):
            room[:] = urandom(len(room))
            return len(room)

    def opened(file, mode="r", *arguments, **named):
        if str(file) in ("/dev/random", "/dev/urandom") and "b" in mode:
            return Device()
        return opens(file, mode, *arguments, **named)

    builtins.open = io.open = opened
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


def hold_scheduling(patience):
    # One after the other, in the order in which they were begun: pools have one worker, and whoever starts
    # a thread or a process waits for its end. In all that takes no longer than so many seconds: what waits
    # for what its starter does later has to go on.
    import concurrent.futures
    import functools
    import itertools
    import multiprocessing.pool
    import multiprocessing.process
    import subprocess
    import threading
    import time

    until = time.monotonic() + patience

    def left():
        return max(0.0, until - time.monotonic())

    def one_worker(kind, name):
        plain = kind.__init__

        @functools.wraps(plain)
        def begin(self, *arguments, **named):
            if arguments:
                arguments = (1, *arguments[1:])
            else:
                named[name] = 1
            plain(self, *arguments, **named)

        kind.__init__ = begin

    def is_own(one):
        # The workers of pools, and other threads of libraries, end only after whoever waits for them.
        target = getattr(one, "_target", None) or type(one).run
        while isinstance(target, functools.partial):
            target = target.func
        code = getattr(getattr(target, "__func__", target), "__code__", None)
        return code is not None and not code.co_filename.startswith((sys.base_prefix, "<frozen"))

    def joined(kind):
        plain = kind.start

        @functools.wraps(plain)
        def start(self):
            own = is_own(self)
            plain(self)
            if own:
                self.join(left())

        kind.start = start

    def waited(kind):
        plain = kind.__init__

        @functools.wraps(plain)
        def begin(self, *arguments, **named):
            plain(self, *arguments, **named)
            if self.stdin is None:
                try:
                    self.wait(left())
                except subprocess.TimeoutExpired:
                    pass

        kind.__init__ = begin

    def numbered(kind):
        plain, numbers = kind.__init__, itertools.count()

        def begin(self):
            plain(self)
            self.number = next(numbers)

        kind.__init__ = begin

    one_worker(concurrent.futures.ThreadPoolExecutor, "max_workers")
    one_worker(concurrent.futures.ProcessPoolExecutor, "max_workers")
    one_worker(multiprocessing.pool.Pool, "processes")
    joined(threading.Thread)
    joined(multiprocessing.process.BaseProcess)
    waited(subprocess.Popen)
    numbered(concurrent.futures.Future)

    def as_completed(futures, timeout=None):
        for future in sorted(set(futures), key=lambda one: one.number):
            concurrent.futures.wait([future], timeout)
            yield future

    concurrent.futures.as_completed = as_completed


def hold_letters(language):
    # As the locales of most languages sort: by letters first, whatever their case and accents. No closure
    # has another locale than C.UTF-8, which sorts by code points.
    import locale
    import unicodedata

    def key(text):
        plain = unicodedata.normalize("NFKD", text).casefold()
        return "".join(letter for letter in plain if not unicodedata.combining(letter)) + "\0" + text.swapcase()

    def compare(one, other):
        one, other = key(one), key(other)
        return (one > other) - (one < other)

    locale.strxfrm, locale.strcoll = key, compare


for what, value in HELD:
    globals()["hold_" + what](value)
