use super::{Row, check, first, printed};
use crate::crash::cause::CauseKind;
use crate::crash::diagnose::{diagnose, port_of, ports_named};
use crate::model::{Exit, ProcName};

const fn row(
    (what, output): (&'static str, &'static str),
    kind: CauseKind,
    text: &'static str,
    next: Option<&'static str>,
) -> Row {
    Row { what, exit: Exit::Code(1), output, kind, text, shown: "", place: None, next }
}

const TAKEN: &[(&str, &str, u16)] = &[
    (
        "node",
        "node:events:497\n      throw er; // Unhandled 'error' event\n      ^\n\nError: listen EADDRINUSE: address already in use :::8081\n    at Server.setupListenHandle [as _listen2] (node:net:1817:16)\n    at listenInCluster (node:net:1865:12) {\n  code: 'EADDRINUSE',\n  errno: -98,\n  syscall: 'listen',\n  address: '::',\n  port: 8081\n}\n\nNode.js v20.11.1",
        8081,
    ),
    (
        "node 20, with all its frames",
        "node:events:502\n      throw er; // Unhandled 'error' event\n      ^\n\nError: listen EADDRINUSE: address already in use :::8081\n    at Server.setupListenHandle [as _listen2] (node:net:1908:16)\n    at listenInCluster (node:net:1965:12)\n    at Server.listen (node:net:2067:7)\n    at Server.<anonymous> (/srv/app/app.js:1:80)\n    at Object.onceWrapper (node:events:638:28)\n    at Server.emit (node:events:524:28)\n    at emitListeningNT (node:net:1951:10)\n    at process.processTicksAndRejections (node:internal/process/task_queues:81:21)\nEmitted 'error' event on Server instance at:\n    at emitErrorNT (node:net:1944:8)\n    at process.processTicksAndRejections (node:internal/process/task_queues:82:21) {\n  code: 'EADDRINUSE',\n  errno: -98,\n  syscall: 'listen',\n  address: '::',\n  port: 8081\n}\n\nNode.js v20.20.2",
        8081,
    ),
    ("node, an address", "Error: listen EADDRINUSE: address already in use 127.0.0.1:8081", 8081),
    (
        "python",
        "Traceback (most recent call last):\n  File \"/usr/lib/python3.11/socketserver.py\", line 472, in server_bind\n    self.socket.bind(self.server_address)\nOSError: [Errno 98] Address already in use",
        3000,
    ),
    ("python of a Mac", "OSError: [Errno 48] Address already in use", 3000),
    (
        "uvicorn",
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8081): address already in use",
        8081,
    ),
    ("django", "Error: That port is already in use.", 3000),
    (
        "flask",
        "Address already in use\nPort 8081 is in use by another program. Either identify and stop that program, or start the server with a different port.",
        8081,
    ),
    (
        "gunicorn",
        "[2026-01-02 03:04:05 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', 8081)\n[2026-01-02 03:04:05 +0000] [7] [ERROR] Retrying in 1 second.\n[2026-01-02 03:04:10 +0000] [7] [ERROR] Can't connect to ('127.0.0.1', 8081)",
        8081,
    ),
    (
        "ruby",
        "/srv/gems/puma-6.4/lib/puma/binder.rb:342:in `initialize': Address already in use - bind(2) for \"127.0.0.1\" port 8081 (Errno::EADDRINUSE)",
        8081,
    ),
    ("go", "2026/01/02 03:04:05 listen tcp :8081: bind: address already in use", 8081),
    (
        "go, panicking",
        "panic: listen tcp 0.0.0.0:8081: bind: address already in use\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/app/main.go:9 +0x65\nexit status 2",
        8081,
    ),
    (
        "java",
        "Exception in thread \"main\" java.net.BindException: Address already in use\n\tat java.base/sun.nio.ch.Net.bind0(Native Method)\n\tat java.base/sun.nio.ch.Net.bind(Net.java:555)",
        3000,
    ),
    (
        "spring",
        "***************************\nAPPLICATION FAILED TO START\n***************************\n\nDescription:\n\nWeb server failed to start. Port 8081 was already in use.\n\nAction:\n\nIdentify and stop the process that's listening on port 8081 or configure this application to listen on another port.",
        8081,
    ),
    ("rust", "Error: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }", 3000),
    (
        "rust, panicking",
        "thread 'main' panicked at src/main.rs:8:55:\ncalled `Result::unwrap()` on an `Err` value: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }",
        3000,
    ),
    (
        "nginx",
        "nginx: [emerg] bind() to 0.0.0.0:8081 failed (98: Address already in use)\nnginx: [emerg] still could not bind()",
        8081,
    ),
    (
        "postgres",
        "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\nHINT:  Is another postmaster already running on port 8081? If not, wait a few seconds and retry.\nWARNING:  could not create listen socket for \"localhost\"\nFATAL:  could not create any TCP/IP sockets",
        8081,
    ),
    (
        "redis",
        "1:M 02 Jan 2026 03:04:05.000 # Warning: Could not create server TCP listening socket *:8081: bind: Address already in use",
        8081,
    ),
    (
        "mysql",
        "[ERROR] [MY-010262] [Server] Can't start server: Bind on TCP/IP port: Address already in use\n[ERROR] [MY-010257] [Server] Do you already have another mysqld server running on port: 8081 ?",
        8081,
    ),
    (
        "vite",
        "error when starting dev server:\nError: Port 8081 is already in use\n    at Server.onError (file:///srv/app/node_modules/vite/dist/node/chunks/dep.js:45596:18)",
        8081,
    ),
    (
        "php",
        "[Fri Jan  2 03:04:05 2026] Failed to listen on localhost:8081 (reason: Address already in use)",
        8081,
    ),
];

#[test]
fn ports_that_are_taken() {
    for &(what, output, port) in TAKEN {
        let evidence = printed(Exit::Code(1), output);
        let cause = diagnose(&evidence).remove(0);
        assert_eq!(cause.kind, CauseKind::PortTaken, "{what}: {cause:#?}");
        assert_eq!(ports_named(&evidence), [port], "{what}");
    }
}

#[test]
fn who_takes_another_port_has_not_failed_of_it() {
    let output = "Port 3000 is in use, trying 3001 instead.\nready on 3001\nError: no database";
    assert_eq!(first(Exit::Code(1), output).kind, CauseKind::LoggedError);
    assert_eq!(ports_named(&printed(Exit::Code(1), output)), [0_u16; 0]);
}

#[test]
fn connections_that_were_refused() {
    use CauseKind::ConnectionRefused as No;
    let pg = Some("nc -vz localhost 5432");
    check(&[
        row(("node", "Error: connect ECONNREFUSED 127.0.0.1:5432"), No, "port 5432, where Postgres usually is", pg),
        row(("node, IPv6", "Error: connect ECONNREFUSED ::1:5432"), No, "port 5432", pg),
        row(("node, ours", "Error: connect ECONNREFUSED 127.0.0.1:4000"), No, "port 4000, the port of api", Some("tmo logs api -n 100")),
        row(("psycopg", "psycopg2.OperationalError: connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused"), No, "5432", pg),
        row(("go", "panic: dial tcp 127.0.0.1:6379: connect: connection refused"), No, "port 6379, where Redis", None),
        row(("ruby", "app.rb:1:in `initialize': Connection refused - connect(2) for \"localhost\" port 6379 (Errno::ECONNREFUSED)"), No, "6379", None).with_place("app.rb:1"),
        row(("java", "org.postgresql.util.PSQLException: Connection to localhost:5432 refused. Check that the hostname and port are correct"), No, "5432", pg),
        row(("redis", "Could not connect to Redis at 127.0.0.1:6379: Connection refused"), No, "6379", None),
        row(("curl", "curl: (7) Failed to connect to localhost port 4000 after 0 ms: Couldn't connect to server"), No, "api", None),
        row(("no port", "ConnectionRefusedError: [Errno 111] Connection refused"), No, "where it wanted to connect", None),
        row(("rust", "Error: Connection refused (os error 111)"), No, "wanted to connect", None),
    ]);
}

#[test]
fn a_refused_connection_names_the_host_unless_it_is_this_machine() {
    use CauseKind::ConnectionRefused as No;
    check(&[
        row(
            ("node", "Error: connect ECONNREFUSED smtp.example.com:587"),
            No,
            "nothing listens on port 587 of smtp.example.com",
            Some("nc -vz smtp.example.com 587"),
        ),
        row(
            ("node, an address", "Error: connect ECONNREFUSED 10.0.0.5:4000"),
            No,
            "nothing listens on port 4000 of 10.0.0.5",
            Some("nc -vz 10.0.0.5 4000"),
        ),
        row(
            ("go, IPv6", "panic: dial tcp [2001:db8::7]:4000: connect: connection refused"),
            No,
            "nothing listens on port 4000 of 2001:db8::7",
            Some("nc -vz 2001:db8::7 4000"),
        ),
        row(
            ("another name of this machine", "Error: connect ECONNREFUSED api.localhost:4000"),
            No,
            "nothing listens on port 4000, the port of api",
            Some("tmo logs api -n 100"),
        ),
    ]);
}

#[test]
fn the_host_that_refuses_a_connection_is_found_in_every_notation() {
    let text = "nothing listens on port 5432 of db.lan, where Postgres usually is";
    for output in [
        "psycopg2.OperationalError: connection to server at \"db.lan\" (10.0.0.5), port 5432 failed: Connection refused",
        "org.postgresql.util.PSQLException: Connection to db.lan:5432 refused. Check that the hostname and port are correct",
        "Connection refused - connect(2) for \"db.lan\" port 5432 (Errno::ECONNREFUSED)",
        "curl: (7) Failed to connect to db.lan port 5432 after 0 ms: Couldn't connect to server",
        "urllib3.exceptions.MaxRetryError: HTTPConnectionPool(host='db.lan', port=5432): Max retries exceeded (Caused by NewConnectionError: [Errno 111] Connection refused)",
        "reqwest::Error: http://db.lan:5432/x: Connection refused",
    ] {
        let cause = first(Exit::Code(1), output);
        assert_eq!(
            (&*cause.text, cause.next.as_deref()),
            (text, Some("nc -vz db.lan 5432")),
            "{output}"
        );
    }
}

#[test]
fn modules_that_there_are_not() {
    use CauseKind::MissingModule as No;
    check(&[
        row(("node", "Error: Cannot find module 'express'\nRequire stack:\n- /srv/app/server.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1144:15)\n    at Object.<anonymous> (/srv/app/server.js:1:17) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/srv/app/server.js' ]\n}"), No, "no module express", Some("npm install express")).with_place("server.js:1"),
        row(("node, a file", "Error: Cannot find module '/srv/app/serve.js'"), No, "no module serve.js", Some("ls .")),
        row(("node, ESM", "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'koa' imported from /srv/app/index.mjs"), No, "no module koa", Some("npm install koa")),
        row(("python", "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 1, in <module>\n    import flask.views\nModuleNotFoundError: No module named 'flask.views'"), No, "no module flask.views; if it is in a package: `pip install flask`", Some("${EDITOR:-vi} +1 main.py")).with_place("main.py:1"),
        row(("python -m", "/usr/bin/python3: No module named uvicorn"), No, "uvicorn; if it is in a package: `pip install uvicorn`", Some("tmo logs web -n 100")),
        row(("ruby", "<internal:/usr/lib/ruby/vendor_ruby/rubygems/core_ext/kernel_require.rb>:136:in `require': cannot load such file -- sinatra (LoadError)\n\tfrom app.rb:1:in `<main>'"), No, "no module sinatra", Some("bundle add sinatra")).with_place("app.rb:1"),
        row(("bundler", "Could not find rack-3.0.8 in locally installed gems (Bundler::GemNotFound)"), No, "no gem rack-3.0.8", Some("bundle install")),
        row(("java", "Error: Could not find or load main class com.app.Main"), No, "no class com.app.Main", None),
        row(("go", "main.go:4:2: no required module provides package github.com/x/y; to add it:"), No, "github.com/x/y", Some("go mod tidy")).with_place("main.go:4"),
        row(("perl", "Can't locate Nope/Module.pm in @INC (you may need to install the Nope::Module module) (@INC contains: /etc/perl /usr/share/perl5) at app.pl line 1.\nBEGIN failed--compilation aborted at app.pl line 1."), No, "no module Nope::Module", Some("cpan Nope::Module")).with_place("app.pl:1"),
    ]);
}

#[test]
fn nothing_is_installed_that_no_package_has() {
    let python = |name: &str| format!("ModuleNotFoundError: No module named '{name}'");
    let ruby = |name: &str| format!("app.rb:1: cannot load such file -- {name} (LoadError)");
    let node = |name: &str| format!("Error: Cannot find module '{name}'");
    let log = Some("tmo logs web -n 100");
    for (output, next) in [
        (python("http.servr"), log),
        (python("xml.nope"), log),
        (python("_ctypes"), log),
        (python("distutils.core"), Some("pip install setuptools")),
        (python("cv2"), Some("pip install opencv-python")),
        (python("yaml"), Some("pip install PyYAML")),
        (python("PIL"), Some("pip install Pillow")),
        (python("sklearn.svm"), Some("pip install scikit-learn")),
        (python("shop.models"), Some("ls shop")),
        (python("settings"), Some("ls src/settings.py")),
        (ruby("openssl"), log),
        (ruby("net/smtp"), Some("bundle add net-smtp")),
        (ruby("active_record/base"), Some("bundle add activerecord")),
        (ruby("shop/cart"), Some("ls shop")),
        (ruby("shop"), Some("bundle add shop")),
        (node("node:sqlite3"), log),
        (node("@/cart"), log),
        (node("shop/cart"), Some("ls shop")),
        (node("@scope/x/sub"), Some("npm install @scope/x")),
        (node("lodash/fp"), Some("npm install lodash")),
        (node("koa/lib/context"), Some("npm install")),
        (python("helpers"), log),
        (python("my_lib.x"), Some("pip install my_lib")),
    ] {
        let mut evidence = printed(Exit::Code(1), &output);
        let own = ["/srv/app/shop", "/srv/app/src/settings.py"];
        evidence.facts.own_files = own.map(str::to_owned).to_vec();
        evidence.facts.manifests =
            "{\"dependencies\": {\"koa\": \"^2\"}}dependencies = [\"my-lib>=1\"]".to_owned();
        let causes = diagnose(&evidence);
        assert_eq!(causes[0].next.as_deref(), next, "{output}");
    }
}

#[test]
fn variables_that_are_not_set() {
    use CauseKind::MissingVariable as No;
    let set = Some("${EDITOR:-vi} .env");
    check(&[
        row(("python", "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 2, in <module>\n    url = os.environ[\"DATABASE_URL\"]\n  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'DATABASE_URL'"), No, "DATABASE_URL is not set", set).with_place("main.py:2"),
        row(("ruby", "app.rb:2:in `fetch': key not found: \"DATABASE_URL\" (KeyError)"), No, "DATABASE_URL", set).with_place("app.rb:2"),
        row(("dash", "sh: 1: DATABASE_URL: parameter not set"), No, "DATABASE_URL", set),
        row(("bash", "bash: line 1: DATABASE_URL: unbound variable"), No, "DATABASE_URL", set),
        row(("node", "Error: Missing required environment variable: DATABASE_URL"), No, "DATABASE_URL", set),
        row(("go", "2026/01/02 03:04:05 DATABASE_URL is not set"), No, "DATABASE_URL", set),
        row(("rust", "thread 'main' panicked at src/main.rs:3:41:\ncalled `Result::unwrap()` on an `Err` value: NotPresent"), No, "a variable", Some("tmo run env")).with_place("src/main.rs:3"),
        row(("spring", "java.lang.IllegalArgumentException: Could not resolve placeholder 'DATABASE_URL' in value \"${DATABASE_URL}\""), No, "DATABASE_URL", None),
    ]);
}

#[test]
fn files_that_there_are_not() {
    use CauseKind::MissingFile as No;
    let look = Some("ls -l conf");
    check(&[
        row(("node", "Error: ENOENT: no such file or directory, open '/srv/app/conf/app.yml'\n    at Object.openSync (node:fs:573:18)\n    at Object.<anonymous> (/srv/app/server.js:3:12)"), No, "no file conf/app.yml", look).with_place("server.js:3"),
        row(("python", "FileNotFoundError: [Errno 2] No such file or directory: 'conf/app.yml'"), No, "conf/app.yml", look),
        row(("python, its program", "python3: can't open file '/srv/app/serve.py': [Errno 2] No such file or directory"), No, "serve.py", Some("ls -l .")),
        row(("ruby", "app.rb:1:in `read': No such file or directory @ rb_sysopen - conf/app.yml (Errno::ENOENT)"), No, "conf/app.yml", look).with_place("app.rb:1"),
        row(("go", "2026/01/02 03:04:05 open conf/app.yml: no such file or directory"), No, "conf/app.yml", look),
        row(("java", "java.io.FileNotFoundException: conf/app.yml (No such file or directory)"), No, "conf/app.yml", look),
        row(("cat", "cat: conf/app.yml: No such file or directory"), No, "conf/app.yml", look),
        row(("dash", "sh: 0: cannot open conf/app.yml: No such file"), No, "conf/app.yml", look),
        row(("java -jar", "Error: Unable to access jarfile conf/app.yml"), No, "conf/app.yml", look),
        row(("dash, a directory", "/usr/bin/sh: 1: cd: can't cd to conf"), No, "no directory conf", Some("ls -l .")),
        row(("bash, a directory", "bash: line 1: cd: conf: No such file or directory"), No, "no directory conf", Some("ls -l .")),
        row(("rust", "Error: No such file or directory (os error 2)"), No, "a file that it needs does not exist", None),
    ]);
}

#[test]
fn what_tools_report_of_themselves() {
    let npm = "npm error Missing script: \"dve\"\nnpm error\nnpm error Did you mean this?\n\
        npm error   npm run dev # run the \"dev\" package script\nnpm error\n\
        npm error To see a list of scripts, run:\nnpm error   npm run\n\
        npm error A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log";
    let docker = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
        daemon running?";
    let rails = "=> Booting Puma\nA server is already running (pid: 4711, file: \
        /srv/app/tmp/pids/server.pid).\nExiting";
    check(&[
        row(("npm", npm), CauseKind::CommandNotFound, "Missing script dve", Some("npm run")),
        row(
            ("pnpm", " ERR_PNPM_NO_SCRIPT  Missing script: dve"),
            CauseKind::CommandNotFound,
            "Missing script dve",
            Some("npm run"),
        ),
        row(
            ("yarn", "error Command \"dve\" not found.\ninfo Visit https://yarnpkg.com/x"),
            CauseKind::CommandNotFound,
            "Missing script dve",
            Some("npm run"),
        ),
        row(
            ("rails", rails),
            CauseKind::LoggedError,
            "a server is already running, says tmp/pids/server.pid",
            Some("ps -p 4711 || rm /srv/app/tmp/pids/server.pid"),
        ),
        row(
            ("docker", docker),
            CauseKind::ConnectionRefused,
            "the Docker daemon does not run",
            Some("docker info"),
        ),
        row(
            ("ruby", "Your Ruby version is 3.1.2, but your Gemfile specified 3.3.0"),
            CauseKind::LoggedError,
            "Your Ruby version is 3.1.2",
            Some("ruby -v"),
        ),
        row(
            (
                "next",
                "You are using Node.js 16.20.0. For Next.js, Node.js version >= 18 is required.",
            ),
            CauseKind::LoggedError,
            "Node.js 16.20.0",
            Some("node -v"),
        ),
    ]);
}

#[test]
fn the_line_to_complete_in_tmo_toml_is_valid_as_it_stands() {
    let mut evidence = printed(Exit::Code(1), "KeyError: 'DATABASE_URL'");
    evidence.assigned = vec![(ProcName::new("db").unwrap(), 5000)];
    let text = diagnose(&evidence).remove(0).text;
    let toml: toml::Table = text.split('`').nth(1).unwrap().parse().unwrap();
    let url = toml["defaults"]["env"]["DATABASE_URL"].as_str().unwrap();
    assert_eq!(url, "postgresql://localhost:{db.port}/…");
    assert!(text.ends_with("`tmo start` reads it, or `tmo reload` during the run"), "{text}");
}

#[test]
fn a_connection_that_was_lost_is_a_refused_one_only_if_something_is_gone() {
    let output = "pg8000.exceptions.InterfaceError: network error";
    let mut evidence = printed(Exit::Code(1), output);
    assert_ne!(diagnose(&evidence)[0].kind, CauseKind::ConnectionRefused);
    evidence.facts.gone = Some((ProcName::new("db").unwrap(), None));
    let cause = diagnose(&evidence).remove(0);
    assert_eq!(cause.text, "db, which it needs, was stopped");
    assert_eq!(cause.next.as_deref(), Some("tmo start db"));
    let output = "pg8000.exceptions.InterfaceError: Can't create a connection to host db.lan and port \
        5432 (timeout is None and source_address is None).";
    let cause = first(Exit::Code(1), output);
    assert!(cause.text.starts_with("nothing listens on port 5432 of db.lan"), "{cause:#?}");
}

#[test]
fn variables_that_validators_miss() {
    let pydantic = "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\n\
        1 validation error for Settings\ndatabase_url\n  Field required [type=missing, \
        input_value={}, input_type=dict]\n    For further information visit https://errors.pydantic.dev";
    let zod = "ZodError: [\n  {\n    \"code\": \"invalid_type\",\n    \"path\": [\n      \
        \"DATABASE_URL\"\n    ],\n    \"message\": \"Required\"\n  }\n]";
    for (what, output) in [
        ("prisma", "error: Environment variable not found: DATABASE_URL."),
        ("pydantic", pydantic),
        ("zod", zod),
        ("t3-env", "❌ Invalid environment variables: {\n  DATABASE_URL: [ 'Required' ]\n}"),
        ("zod 4", "✖ Invalid input: expected string, received undefined\n  → at DATABASE_URL"),
    ] {
        let text = "the variable DATABASE_URL is not set";
        let next = Some("${EDITOR:-vi} .env");
        check(&[row((what, output), CauseKind::MissingVariable, text, next)]);
    }
}

#[test]
fn the_port_of_a_server_is_known_by_its_command() {
    for (command, port) in [
        ("postgres -D data", Some(5432)),
        ("exec /usr/lib/postgresql/16/bin/postgres -D data -p 5433", Some(5433)),
        ("docker run --rm -p 127.0.0.1:6380:6379 redis", Some(6380)),
        ("redis-server --port=6400", Some(6400)),
        ("python3 -m http.server 8000", Some(8000)),
        ("python manage.py runserver 0.0.0.0:8001", Some(8001)),
        // These connect to it.
        ("psql -h localhost -p 5432", None),
        ("DATABASE_URL=postgres://localhost:5432/shop uvicorn app:app", None),
        ("mkdir -p 80x && node web.js", None),
    ] {
        assert_eq!(port_of(command), port, "{command}");
    }
}

#[test]
fn a_place_in_a_source_file_is_no_port() {
    for output in [
        "thread 'main' (17758) panicked at src/main.rs:168:68:\ncalled `Result::unwrap()` on an `Err` value: Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }",
        "java.net.ConnectException: Connection refused\n\tat com.shop.Main.main(Main.java:1031)",
    ] {
        let cause = first(Exit::Code(1), output);
        assert_eq!(cause.text, "nothing listens where it wanted to connect", "{output}");
    }
}
