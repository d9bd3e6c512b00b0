//! The export for Kubernetes under `podman play kube`: its containers are the hosts of a fleet.

use crate::fleet::engines::{self, PATIENCE, PROCFILE, Podman};
use crate::harness::{World, eventually_within};
use crate::table::Table;

pub(crate) fn kube(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    if engines::are_missing("kube", times, &["podman", "runc", "catatonit", "ip", "nsenter"]) {
        return table;
    }
    let here = World::new(PROCFILE);
    here.write("Dockerfile", "FROM scratch\n");
    let podman = Podman::new(&here, "true");
    podman.import(&engines::image(&here), "localhost/shop:latest");
    let printed = here.ok(["export", "kubernetes", "--with-tmo", "-a", "shop", "-o", "deploy"]);
    let file = engines::next(&printed).strip_prefix("kubectl apply -f ").unwrap();
    let file = here.app().join(file).display().to_string();
    podman.ok(&["play", "kube", &file]);
    let script = &podman.script;
    here.write(
        "fleet.toml",
        &format!(
            "[hosts.shop]\n\
             list = [\"{script}\", \"ps\", \"--filter\", \"name=-pod-\", \"--format\", \"{{{{.Names}}}} {{{{.Names}}}}\"]\n\
             via = [\"{script}\", \"exec\", \"-i\", \"{{2}}\"]\ntty = [\"{script}\", \"exec\", \"-it\", \"{{2}}\"]\n"
        ),
    );
    here.ok(["fleet", "trust", "--yes"]);
    let [web, worker] = ["web", "worker"].map(|name| format!("shop-{name}-pod-0-{name}"));
    let all_run = || {
        let ps = here.run(["fleet", "ps", "@shop"]);
        (ps.code == 0 && ps.stdout.matches(" running ").count() == 2).then_some(())
    };
    eventually_within(PATIENCE, "both run", all_run);
    engines::verbs(&here, &web, &worker, &mut table);
    for (name, pod) in [(&web, "shop-web-pod-0"), (&worker, "shop-worker-pod-0")] {
        podman.ok(&["pod", "stop", pod]);
        // One that is killed after its grace ends with 137.
        let code = podman.ok(&["inspect", "--format", "{{.State.ExitCode}}", name]);
        table.must(format!("{name}: exit code when it is stopped"), code.trim(), "0");
        let log = podman.ok(&["logs", name]);
        table.must(format!("{name}: logs its end"), log.contains("Ended by"), true);
    }
    drop(podman);
    engines::remove_cgroups("libpod_parent");
    table
}
