//! The names of Python's standard library.

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// How a name relates to the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    /// Not part of it.
    No,
    /// Part of it in some version from 3.9 to 3.14, not in all.
    Sometimes,
    /// Part of it in every version from 3.9 to 3.14.
    Always,
}

/// Whether this top-level module is part of the standard library. Python's own tests (`test`) are
/// not: an environment's closure leaves them out.
pub(crate) fn standard(name: &str) -> Standard {
    static SETS: OnceLock<[BTreeSet<&str>; 2]> = OnceLock::new();
    let [always, sometimes] =
        SETS.get_or_init(|| [ALWAYS, SOMETIMES].map(|names| names.split(' ').collect()));
    if always.contains(name) {
        Standard::Always
    } else if sometimes.contains(name) {
        Standard::Sometimes
    } else {
        Standard::No
    }
}

/// In `sys.stdlib_module_names` of every version from 3.9 to 3.14.
const ALWAYS: &str = "__future__ __main__ _abc _aix_support _ast _codecs _collections _collections_abc \
     _compat_pickle _functools _hashlib _imp _io _locale _lsprof _markupbase _operator \
     _osx_support _posixsubprocess _py_abc _pydecimal _pyio _random _signal _sitebuiltins \
     _socket _sre _ssl _stat _string _strptime _symtable _thread _threading_local \
     _tracemalloc _uuid _warnings _weakref _weakrefset abc antigravity argparse array ast \
     asyncio atexit base64 bdb binascii bisect builtins bz2 cProfile calendar cmath cmd code \
     codecs codeop collections colorsys compileall concurrent configparser contextlib \
     contextvars copy copyreg csv ctypes curses dataclasses datetime dbm decimal difflib dis \
     doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput \
     fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib \
     grp gzip hashlib heapq hmac html http idlelib imaplib importlib inspect io ipaddress \
     itertools json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap \
     modulefinder msvcrt multiprocessing netrc ntpath nturl2path numbers opcode operator \
     optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix \
     posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data queue quopri \
     random re readline reprlib resource rlcompleter runpy sched secrets select selectors \
     shelve shlex shutil signal site smtplib socket socketserver sqlite3 sre_compile \
     sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable \
     sys sysconfig syslog tabnanny tarfile tempfile termios textwrap this threading time \
     timeit tkinter token tokenize trace traceback tracemalloc tty turtle turtledemo types \
     typing unicodedata unittest urllib uuid venv warnings wave weakref webbrowser winreg \
     winsound wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

/// In that of some version from 3.9 to 3.14.
const SOMETIMES: &str = "_android_support _apple_support _ast_unparse _asyncio _bisect _blake2 _bootlocale \
     _bootsubprocess _bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr \
     _codecs_tw _colorize _compression _contextvars _crypt _csv _ctypes _curses _curses_panel \
     _datetime _dbm _decimal _elementtree _frozen_importlib _frozen_importlib_external _gdbm \
     _heapq _hmac _interpchannels _interpqueues _interpreters _ios_support _json _lzma _md5 \
     _msi _multibytecodec _multiprocessing _opcode _opcode_metadata _overlapped _peg_parser \
     _pickle _posixshmem _py_warnings _pydatetime _pylong _pyrepl _queue _remote_debugging \
     _scproxy _sha1 _sha2 _sha256 _sha3 _sha512 _sqlite3 _statistics _struct _suggestions \
     _sysconfig _tkinter _tokenize _types _typing _winapi _wmi _zoneinfo _zstd aifc \
     annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt \
     distutils formatter imghdr imp lib2to3 mailcap msilib nis nntplib nt ossaudiodev parser \
     pipes pyexpat smtpd sndhdr spwd sunau symbol telnetlib tomllib uu xdrlib xxsubtype";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_version() {
        for name in [
            "os",
            "sys",
            "__future__",
            "typing",
            "zoneinfo",
            "json",
            "_ast",
        ] {
            assert_eq!(standard(name), Standard::Always, "{name}");
        }
        for name in [
            "parser",
            "distutils",
            "tomllib",
            "compression",
            "imp",
            "binhex",
        ] {
            assert_eq!(standard(name), Standard::Sometimes, "{name}");
        }
        for name in ["numpy", "test", "src", "", "os.path"] {
            assert_eq!(standard(name), Standard::No, "{name}");
        }
    }
}
