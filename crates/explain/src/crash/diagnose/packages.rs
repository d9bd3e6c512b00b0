//! Which package has a module, and which modules are in no package.

/// The package of a Python module, the first part of its name; `None` if none has it.
pub(super) fn of_python(top: &str) -> Option<&str> {
    match top {
        _ if top.starts_with('_') => None,
        // Modules of the standard library that programs import with a dot in the name, that a Python may be built
        // without, or that a later version has lost. The standard library has all of them, or nothing to install has.
        "abc" | "argparse" | "array" | "ast" | "asynchat" | "asyncio" | "asyncore" | "base64"
        | "binascii" | "bz2" | "cgi" | "cmd" | "code" | "codecs" | "collections" | "concurrent"
        | "configparser" | "contextlib" | "copy" | "crypt" | "csv" | "ctypes" | "curses"
        | "dataclasses" | "datetime" | "dbm" | "decimal" | "difflib" | "dis" | "email"
        | "encodings" | "enum" | "errno" | "fcntl" | "fileinput" | "fnmatch" | "fractions"
        | "ftplib" | "functools" | "gc" | "getpass" | "gettext" | "glob" | "grp" | "gzip"
        | "hashlib" | "heapq" | "hmac" | "html" | "http" | "idlelib" | "imaplib" | "imghdr"
        | "imp" | "importlib" | "inspect" | "io" | "ipaddress" | "itertools" | "json"
        | "lib2to3" | "linecache" | "locale" | "logging" | "lzma" | "mailbox" | "math"
        | "mimetypes" | "mmap" | "msvcrt" | "multiprocessing" | "numbers" | "operator"
        | "optparse" | "os" | "pathlib" | "pdb" | "pickle" | "pipes" | "pkgutil" | "platform"
        | "posixpath" | "pprint" | "pty" | "pwd" | "queue" | "random" | "re" | "readline"
        | "resource" | "sched" | "secrets" | "select" | "selectors" | "shelve" | "shlex"
        | "shutil" | "signal" | "site" | "smtpd" | "smtplib" | "socket" | "socketserver"
        | "sqlite3" | "ssl" | "stat" | "statistics" | "string" | "struct" | "subprocess"
        | "symtable" | "sys" | "sysconfig" | "syslog" | "tarfile" | "tempfile" | "termios"
        | "test" | "textwrap" | "threading" | "time" | "timeit" | "tkinter" | "token"
        | "tokenize" | "tomllib" | "trace" | "traceback" | "tty" | "turtle" | "types"
        | "typing" | "unicodedata" | "unittest" | "urllib" | "urllib2" | "urlparse" | "uuid"
        | "venv" | "warnings" | "wave" | "weakref" | "webbrowser" | "winreg" | "wsgiref"
        | "xml" | "xmlrpc" | "zipfile" | "zipimport" | "zlib" | "zoneinfo" => None,
        // These modules are in a package of another name.
        "Crypto" => Some("pycryptodome"),
        "MySQLdb" => Some("mysqlclient"),
        "OpenSSL" => Some("pyOpenSSL"),
        "PIL" => Some("Pillow"),
        "attr" => Some("attrs"),
        "bs4" => Some("beautifulsoup4"),
        "corsheaders" => Some("django-cors-headers"),
        "cv2" => Some("opencv-python"),
        "dateutil" => Some("python-dateutil"),
        "debug_toolbar" => Some("django-debug-toolbar"),
        "decouple" => Some("python-decouple"),
        "docx" => Some("python-docx"),
        "dotenv" => Some("python-dotenv"),
        "environ" => Some("django-environ"),
        "fitz" => Some("PyMuPDF"),
        "git" => Some("GitPython"),
        "jose" => Some("python-jose"),
        "jwt" => Some("PyJWT"),
        "magic" => Some("python-magic"),
        "multipart" => Some("python-multipart"),
        "rest_framework" => Some("djangorestframework"),
        "distutils" | "pkg_resources" => Some("setuptools"),
        "serial" => Some("pyserial"),
        "skimage" => Some("scikit-image"),
        "sklearn" => Some("scikit-learn"),
        "slugify" => Some("python-slugify"),
        "yaml" => Some("PyYAML"),
        "zmq" => Some("pyzmq"),
        _ => Some(top),
    }
}

/// The gem of a Ruby feature; `None` if none has it.
pub(super) fn of_ruby(feature: &str) -> Option<String> {
    let mut parts = feature.split('/');
    let top = parts.next().unwrap_or(feature);
    match (top, parts.next()) {
        // Ruby 3.1 has made gems of them.
        ("net", Some(protocol)) => Some(format!("net-{protocol}")),
        ("active_record" | "active_support" | "active_model", _) => Some(top.replace('_', "")),
        // Features of the standard library that are in no gem of their own or that a Ruby may be built without.
        (
            "bundler" | "etc" | "fiddle" | "io" | "mkmf" | "monitor" | "objspace" | "openssl"
            | "pty" | "rbconfig" | "readline" | "ripper" | "rubygems" | "socket" | "zlib",
            _,
        ) => None,
        _ => Some(top.split('.').next().unwrap_or(top).to_owned()),
    }
}
