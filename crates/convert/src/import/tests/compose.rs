//! What a compose file with its Dockerfiles and env files becomes.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pretty_assertions::assert_eq;

use crate::config::toml;
use crate::import::{
    ImportError, ImportOptions, Imported, LocalServices, SourceFiles, SourceFormat, import,
};

/// The result of importing the first of these files, with all that is built here run here.
fn try_project(files: &[(&str, &str)], output: Option<&str>) -> Result<Imported, ImportError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = output.map(|output| dir.path().join(output));
    let options = ImportOptions { local: LocalServices::Built, output, ..ImportOptions::default() };
    let mut files = SourceFiles::new(&dir.path().join(files[0].0));
    import(SourceFormat::Compose, &mut files, &options)
}

/// The `tmo.toml` of these files, which must be a valid one.
fn project(files: &[(&str, &str)]) -> String {
    let imported = try_project(files, None).unwrap();
    let mut written = imported.write(None);
    toml::parse(&written.toml, "tmo.toml").unwrap();
    for file in written.secrets {
        written.toml.extend(["--- ", &file.name, "\n", &file.text]);
    }
    written.toml
}

#[track_caller]
fn assert_has(text: &str, all: &[&str]) {
    for expected in all {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[track_caller]
fn assert_lacks(text: &str, all: &[&str]) {
    for unexpected in all {
        assert!(!text.contains(unexpected), "{unexpected} in\n{text}");
    }
}

/// Containers with ports on this machine.
const CONTAINERS: &str = "
  db: {image: x, ports: [\"127.0.0.1:15432:5432\"], networks: {a: {aliases: [pg]}}}
  cache: {image: x, ports: [\"6379:6379\"], container_name: shop-cache}
  k1: {image: x, ports: [\"19090-19093:9090-9093\"]}
  k2: {image: x, ports: [{target: 9092, published: 29092}]}
  mail: {image: x}
";

#[test]
fn hosts_of_other_services_are_found_wherever_they_stand() {
    let text = format!(
        "services:{CONTAINERS}
  api: {{build: ., command: x}}
  web:
    build: .
    command: [run, --db-host, db, --upstream=http://api:4000, \"a=cache:6379,b=k1:9092\"]
    healthcheck: {{test: wait db:5432}}
    environment:
      DB_HOST: ${{HOST:-db}}
      DB_PORT: ${{P:-5432}}
      PGHOST: pg
      PGPORT: 5432
      KAFKA: k1:9092,k1:9093,k2:9092
      TWO: amqp://u@db:5432/x,http://db:5432/y
      URLS: http://api:4000 redis://cache redis://shop-cache:6379
      DSN: host=db port=5432
      BARE: postgres://db/x
      JAVA_OPTS: -Ddb=jdbc:postgresql://db:5432/x -Dh=host.docker.internal:9
      GO_DSN: u:p@tcp(db:5432)/x
      MAIL_HOST: mail
      SELF_IMAGE: cache:7
      DB_CONNECTION: db
      QUEUE: cache
      FEATURES: a,db,c
      PATH_LIKE: db/migrate
      spring.jpa.show-sql: yes
      WIDE: \"\u{a0}db:5432\u{a0}db:5432\"
"
    );
    let text = project(&[("compose.yaml", &text)]);
    assert_has(
        &text,
        &[
            r#""--db-host", "localhost", "--upstream=http://localhost:4000", "a=localhost:6379,b=localhost:19092"]"#,
            "exec = \"wait localhost:15432\"",
            "DB_HOST = \"localhost\"",
            "DB_PORT = \"15432\"",
            "PGPORT = \"15432\"",
            "KAFKA = \"localhost:19092,localhost:19093,localhost:29092\"",
            "http://localhost:15432/y\"",
            "URLS = \"http://localhost:4000 redis://localhost redis://localhost:6379\"",
            "DSN=\"host=localhost port=5432\"",
            "DSN: port 5432 of db is 15432 on this machine",
            "BARE = \"postgres://localhost:15432/x\"",
            "-Ddb=jdbc:postgresql://localhost:15432/x -Dh=localhost:9\"",
            "tcp(localhost:15432)/x",
            "MAIL_HOST: mail does not publish a port",
            "SELF_IMAGE = \"cache:7\"",
            "DB_CONNECTION = \"db\"",
            "services are called so: QUEUE (as a host: localhost)",
            "FEATURES = \"a,db,c\"",
            "PATH_LIKE = \"db/migrate\"",
            "WIDE = \"\u{a0}localhost:15432\u{a0}localhost:15432\"",
            "\"spring.jpa.show-sql\" = \"yes\"",
        ],
    );
    // Where the others look for it is where it listens.
    let parsed = toml::parse(text.split("---").next().unwrap(), "tmo.toml").unwrap();
    assert!(parsed.table("api").unwrap().port.is_some(), "{text}");
}

#[test]
fn a_service_that_stays_in_its_container_is_reached_at_its_published_port() {
    let text = "services:
  web: {build: ., command: x, environment: {API: \"http://api:80\"}}
  api: {build: none, ports: [\"8080:80\"]}
  proxy: {image: nginx, environment: {UPSTREAM: \"http://web:3000\"}}
  cron: {image: x, depends_on: [web]}
";
    let text = project(&[("compose.yaml", text)]);
    assert_has(
        &text,
        &[
            "up --no-deps --no-log-prefix --exit-code-from api api",
            "API = \"http://localhost:8080\"",
            "environment.UPSTREAM: web runs here, which containers reach as host.docker.internal",
            "depends_on.web: web runs here",
        ],
    );
}

#[test]
fn what_a_service_reads_from_env_files_works_here() {
    let compose = "services:
  db: {image: x, ports: [\"15432:5432\"]}
  web:
    build: .
    command: x
    env_file: [good.env, bad.env, good.env, {path: raw.env, format: raw}, \"${NONE}.env\"]
    environment: {MINE: 1}
";
    let files = [
        ("compose.yaml", compose),
        ("good.env", "A=1\nDB_HOST=db\nDB_PORT=5432\nMINE=2\n"),
        ("bad.env", "# comment\nB=2\nno value here\nDEBUG\nC=3\n"),
        ("raw.env", "R=Chat $HOME \"x\"\n"),
    ];
    let text = project(&files);
    assert_has(
        &text,
        &[
            "env_file = [\"good.env\"]",
            "# good.env:2",
            "DB_PORT = \"15432\"",
            "B = \"2\"",
            "C = \"3\"",
            "(bad.env:3)",
            "`DEBUG` has no `=` (bad.env:4): tmo reads no env file with such a line",
            "R = 'Chat $HOME \"x\"'",
            "# env_file: raw.env is copied: ",
            "MINE = \"1\"",
            "env_file: ${NONE}.env: this variable has no value here",
        ],
    );
    assert_lacks(&text, &["\nA = "]);
}

#[test]
fn a_bad_line_of_the_env_file_spoils_no_other() {
    let compose = "services:
  web: {build: ., command: x, environment: {A: \"${GOOD}/x\", B: \"${LATER:-no}\", c: \"${lower}\"}}
";
    let text = project(&[("compose.yaml", compose), (".env", "GOOD=g\nnot a line\nLATER=l\n")]);
    assert_has(
        &text,
        &[
            "unexpected 'a' in a variable name: tmo reads no env file with such a line",
            "(.env:2)",
            "[defaults]\n",
            "env_file = [\".env.imported\"]",
            "--- .env.imported\nGOOD=\"g\"\nLATER=\"l\"\n",
            "A=\"${GOOD}/x\"",
            "B=\"${LATER}\"",
            "environment.c: $lower has no value here",
        ],
    );
}

#[test]
fn the_files_and_profiles_that_the_env_file_chooses_are_taken() {
    let env = "COMPOSE_FILE=a.yml:sub/b.yml\nCOMPOSE_PROFILES=one, two\n";
    let files = [
        (
            "a.yml",
            "services: {web: {build: ., command: a, profiles: [two]}, db: {image: x, profiles: [three]}}",
        ),
        ("sub/b.yml", "services: {web: {command: b}}"),
        ("a.override.yml", "services: {web: {command: c}}"),
        (".env", env),
    ];
    let text = project(&files);
    assert_has(
        &text,
        &["command = \"b\"", "\"docker compose up", "autostart = false", "groups = [\"two\"]"],
    );
    assert_eq!(text.matches("autostart").count(), 1, "{text}");
    let text = project(&[("compose.yaml", files[0].1), (".env", env)]);
    assert_has(
        &text,
        &["docker compose -f compose.yaml up", "compose.yaml is read alone: COMPOSE_FILE"],
    );
    let missing = [("a.yml", files[0].1), (".env", env)];
    let error = try_project(&missing, None).unwrap_err().to_string();
    assert!(error.contains("COMPOSE_FILE in .env names sub/b.yml"), "{error}");
}

#[test]
fn a_build_context_may_be_above_and_the_result_elsewhere() {
    let compose = "services:
  web: {build: {context: .., dockerfile: docker/Dockerfile}}
  api: {build: ../api, command: x, env_file: ../api.env}
  db: {image: x, environment: {A: \"${A}\"}}
";
    let files = [
        ("docker/compose.yaml", compose),
        ("docker/.env", "A=1\n"),
        ("docker/Dockerfile", "FROM x\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"web/main.js\"]\n"),
        ("api/x", ""),
    ];
    let text = project(&files);
    assert_has(
        &text,
        &[
            "command = \"node web/main.js\"",
            "cwd = \"..\"",
            "cwd = \"../api\"",
            "env_file = [\"../api.env\"]",
        ],
    );
    let text = try_project(&files, Some("tmo.toml")).unwrap().write(None).toml;
    assert_has(
        &text,
        &[
            "cwd = \"docker\"\n",
            "cwd = \".\" ",
            "cwd = \"api\"",
            "env_file = [\"docker/.env\"]",
            "env_file = [\"api.env\"]",
        ],
    );
}

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
ARG MODE=production
FROM node:20 AS base
ENV OF_BASE=1
CMD ["not", "this"]

FROM base AS dev
CMD ["npm", "run", "dev"]
from --platform=x base as last
WORKDIR /srv/app
ENV PATH=/opt/bin LANG=C.UTF-8
ENV OLD form of it
ARG MODE
ENV MODE=${MODE} \
    # a comment
    CACHE=/var/cache/app \
    URL="http://localhost:4000/" OWN=x
RUN <<END
CMD ["nor", "this"]
END
RUN echo $((1<<2))
COPY . .
EXPOSE 4000/tcp
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=7s CMD curl -f http://localhost:4000/ || exit 1
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["main.js", \
     "--conf=/srv/app/conf/a.json", "$HOME"]
"#;

#[test]
fn a_dockerfile_gives_the_command_and_literal_variables_of_its_stage() {
    let compose = "services:
  last: {build: {context: web, args: {MODE: test}}}
  dev: {build: {context: web, target: DEV}}
  own: {build: web, command: [x.js], environment: {MODE: mine, OWN: y}}
  bare: {build: web, entrypoint: [], command: [node, x.js]}
";
    let text = project(&[("compose.yaml", compose), ("web/Dockerfile", DOCKERFILE)]);
    let of = |name: &str| {
        let tables: Vec<&str> = text.split("\n[process.").collect();
        let is_of = |table: &&&str| {
            table.starts_with(&[name, "]"].concat()) || table.starts_with(&[name, "."].concat())
        };
        tables.iter().filter(is_of).copied().collect::<Vec<_>>().join("\n")
    };
    assert_has(
        &of("last"),
        &[
            r#"command = ["node", "--enable-source-maps", "main.js", "--conf=/srv/app/conf/a.json", "$HOME"]"#,
            "cwd = \"web\"",
            "LANG = \"C.UTF-8\"",
            "OLD = \"form of it\"",
            "URL = \"http://localhost:4000/\"",
            "OWN = \"x\"",
            "# ENV MODE: its value is not literal (web/Dockerfile:14)",
            "ENV PATH (web/Dockerfile:11), ENV CACHE (web/Dockerfile:14): a path in its image",
        ],
    );
    // The rest is of the image.
    assert_lacks(&of("last"), &["MODE = ", "OF_BASE", "port", "curl", "QUIT"]);
    assert_has(&of("dev"), &["command = \"npm run dev\""]);
    assert_lacks(&of("dev"), &["LANG", "OF_BASE"]);
    assert_has(
        &of("own"),
        &["command = \"node --enable-source-maps x.js\"", "MODE = \"mine\"", "OWN = \"y\""],
    );
    assert_lacks(&of("own"), &["ENV MODE"]);
    assert_has(&of("bare"), &["command = \"node x.js\""]);
}

#[test]
fn a_program_that_only_the_image_has_is_left_out_or_named() {
    let dockerfile = |entry: &str| {
        format!("FROM x\nWORKDIR /app\nCOPY bin/entry.sh /usr/local/bin/\nCOPY . /app\n{entry}\n")
    };
    for (entry, expected) in [
        (
            "ENTRYPOINT [\"docker-entrypoint.sh\"]\nCMD exec node x.js",
            "command = \"exec node x.js\"",
        ),
        (
            "ENTRYPOINT [\"docker-entrypoint.sh\"]\nCMD [\"node\"]",
            "# entrypoint: docker-entrypoint.sh: only its image has it",
        ),
        (
            "ENTRYPOINT [\"entry.sh\", \"-x\"]\nCMD [\"node\"]",
            "# entrypoint: entry.sh -x: only its image has it",
        ),
        ("CMD [\"/app/start.sh\"]", "# command: /app/start.sh is only in its image"),
        ("ENTRYPOINT [\"./bin/entry.sh\"]\nCMD [\"node\"]", "command = \"./bin/entry.sh node\""),
        (
            "ENTRYPOINT [\"/usr/bin/tini\", \"-g\", \"--\"]\nCMD [\"node\", \"x\"]",
            "command = \"node x\"",
        ),
        (
            "ENTRYPOINT [\"dockerize\", \"-wait=tcp://a:1\", \"--\", \"java\", \"-jar\", \"x\"]",
            "command = \"java -jar x\"",
        ),
        ("ENTRYPOINT [\"gosu\", \"app\"]\nCMD [\"node\"]", "command = \"node\""),
        (
            "ENTRYPOINT [\"/gateway\"]\nCMD [\"-listen\", \":80\"]",
            "# command: /gateway is only in its image, so it stays in its container",
        ),
        ("CMD /app/built --x", "# command: /app/built is only in its image"),
        ("ENTRYPOINT [\"./start.sh\"]", "command = \"./start.sh\""),
        ("ENTRYPOINT top -b\nCMD [\"x\"]", "command = \"top -b\""),
        ("CMD [\"a\"]\nENTRYPOINT [\"b\"]", "command = \"b a\""),
    ] {
        let files = [
            ("compose.yaml", "services: {web: {build: .}}"),
            ("Dockerfile", &dockerfile(entry)),
            ("bin/entry.sh", ""),
            ("start.sh", ""),
        ];
        let text = project(&files);
        assert!(text.contains(expected), "{entry}: {expected} in\n{text}");
    }
    let check =
        "services: {web: {build: ., command: x, healthcheck: {test: [CMD, /bin/none_such, -a]}}}";
    let text = project(&[("compose.yaml", check)]);
    assert_has(&text, &["# healthcheck.test: /bin/none_such is only in its image"]);
}

#[test]
fn a_service_runs_in_its_build_context_and_paths_of_its_container_stay() {
    let compose = "services:
  web:
    build: web
    command: [node, /app/main.js]
    working_dir: /app/src/
    volumes: [\"./:/app\", {type: bind, source: conf, target: /conf}, \"named:/data\", {source: other, target: /x}]
    environment: {INDEX: /app/words.txt}
  sub: {build: web, command: x, working_dir: src}
  tool: {command: x, working_dir: /app}
  kept: {build: web, working_dir: /app}
";
    let text = project(&[("compose.yaml", compose), ("web/x", "")]);
    let tables: Vec<_> = text.split("\n[process.").collect();
    let [_, web, of_web, sub, tool, kept] = tables[..] else { panic!("{text}") };
    assert_has(of_web, &["INDEX = \"/app/words.txt\""]);
    assert_has(
        web,
        &[
            "command = \"node /app/main.js\"",
            "cwd = \"web\"",
            "# working_dir: a directory in its container; here it runs in its build context",
            "# volumes: named, other: ",
        ],
    );
    assert_has(sub, &["cwd = \"web/src\""]);
    assert_lacks(sub, &["# working_dir"]);
    assert_has(tool, &["# working_dir: a directory in its container; here it runs beside"]);
    assert_lacks(tool, &["cwd"]);
    assert_has(kept, &["docker compose up"]);
    assert_lacks(kept, &["working_dir"]);
}

#[test]
fn without_names_what_is_built_or_has_no_image_runs_here() {
    let compose = "services:
  built: {build: ., image: registry/x, command: a}
  tool: {command: b}
  db: {image: x, command: c}
  cache: {image: x}
";
    let imported = try_project(&[("compose.yaml", compose)], None).unwrap();
    assert_eq!(imported.local, ["built", "tool"]);
    assert_eq!(imported.contained, ["db", "cache"]);
    let remark =
        "in containers, as before: db, cache; `--local=NAME` names the services that run here";
    assert_eq!(imported.remarks, [remark]);
}

#[test]
fn variables_are_replaced_in_every_value() {
    let compose = "services:
  web:
    build: {context: \"${DIR:-web}\", target: \"${STAGE:-}\"}
    command: serve --port ${PORT:-18550} --name ${NAME:-x} --shell ${SHELL_NAME:-y}
    restart: ${RESTART:-on-failure:5}
    env_file: ${FILE:-web.env}
    ports: [\"${P:-18550}:${P:-18550}\"]
    stop_grace_period: ${GRACE:-3s}
    environment: {NAME: mine}
    healthcheck: {test: \"curl localhost:${PORT:-18550}\", interval: \"${EVERY:-9s}\", retries: \"${N:-4}\"}
";
    let text = project(&[("compose.yaml", compose)]);
    assert_has(
        &text,
        &[
            "command = 'serve --port 18550 --name x --shell \"${SHELL_NAME:-y}\"'",
            "cwd = \"web\"",
            "restart = { policy = \"on-failure\", max_failures = 6 }",
            "env_file = [\"web.env\"]",
            "port = 18550",
            "timeout = \"3s\"",
            "exec = \"curl localhost:18550\"",
            "every = \"9s\", failures = 4",
        ],
    );
}

#[test]
fn an_included_file_has_its_own_variables_and_may_be_changed() {
    let files = [
        (
            "compose.yaml",
            "include: [{path: sub/compose.yaml, env_file: sub/own.env}]\n\
             services: {web: {environment: {LOG: high}}}",
        ),
        (
            "sub/compose.yaml",
            "services: {web: {build: \"${BUILD:-.}\", command: \"run ${OWN} $$HOME\", \
             environment: {A: \"${OWN:?}\", B: \"${TOP}\"}}}",
        ),
        ("sub/own.env", "OWN=o$\nTOP=not\n"),
        (".env", "TOP=t\n"),
    ];
    let text = project(&files);
    assert_has(
        &text,
        &[
            "command = [\"run\", \"o$\", \"$HOME\"]",
            "A = \"o$\"",
            "B=\"${TOP}\"",
            "LOG = \"high\"",
            "cwd = \"sub\"",
        ],
    );
}

#[test]
fn every_file_is_answered_soon() {
    let answer = |what: &str, files: &[(&str, &str)], expected: &str| {
        // The time of a processor: tests run beside each other.
        let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let begun = used();
        let result = try_project(files, None);
        let time = used().saturating_sub(begun);
        // Tests run unoptimized.
        assert!(time < Duration::from_secs(10), "{what}: {time:?}");
        let told = result.err().map_or_else(String::new, |error| error.to_string());
        assert!(told.starts_with(expected), "{what}: {told}");
    };
    let built = |more: &str| format!("services: {{a: {{build: ., command: x, {more}}}}}");
    let many = (0..10_000).map(|n| format!("  s{n}: {{image: x}}\n")).collect::<Vec<_>>().concat();
    let many = format!("services:\n{many}");
    answer("many services", &[("c.yaml", &many)], "c.yaml has nothing to run: more than 2000");
    let long = format!("A={}\n", "A".repeat(400_000));
    let uses = built(&format!("environment: {{B: \"{}\"}}", "$A ".repeat(100_000)));
    answer("large variables", &[("c.yaml", &uses), (".env", &long)], "");
    let stages = "FROM x AS y\nENV A=$A$A\n".repeat(10_000);
    let web = "services: {a: {build: .}}";
    let dockerfile = format!("{stages}CMD x\n");
    answer("many stages", &[("c.yaml", web), ("Dockerfile", &dockerfile)], "");
    let heredocs = format!("FROM x\n{}CMD x\n", "RUN <<EOF cat\n".repeat(50_000));
    answer("open heredocs", &[("c.yaml", web), ("Dockerfile", &heredocs)], "");
    let ranges = "\"1-65535:1-65535\",".repeat(20_000);
    let ranges = format!("services: {{a: {{image: x, ports: [{ranges}]}}}}");
    answer("ranges", &[("c.yaml", &ranges)], "");
    let names = built(&format!("environment: {{H: \"{}\"}}", "a=".repeat(200_000)));
    answer("hosts", &[("c.yaml", &names)], "");
    answer("tabs", &[("c.yaml", "services:\n\tweb: {image: x}\n")], "c.yaml:");
    answer("CRLF and a BOM", &[("c.yaml", "\u{feff}services:\r\n  web: {image: x}\r\n")], "");
    for (text, line) in [
        ("services: [a]", 1),
        ("services:\n  a: {build: [x]}", 2),
        ("services:\n  a:\n    build: .\n    ports: {a: b}", 4),
        ("services:\n  a:\n    build: .\n    command: x\n    volumes: [[x]]", 5),
        ("services:\n  a:\n    build: .\n    command: x\n    environment: 3", 5),
        ("services:\n  a:\n    image: x\n    depends_on: {b: 3}", 4),
        ("services:\n  a:\n    image: x\n    healthcheck: 3", 4),
        ("services:\n  a:\n    image: x\n    networks: {n: 3}", 4),
        ("include:\n  - {path: [{}]}\nservices: {a: {image: x}}", 2),
    ] {
        answer(text, &[("c.yaml", text)], &format!("c.yaml:{line}: "));
    }
}
