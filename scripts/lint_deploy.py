"""What no ready-made linter sees of deploy/: the dashboard's expressions, and what its files say of each other.

`rules` prints the dashboard's expressions as recording rules, for promtool; `files` checks the rest.
"""

import json
import pathlib
import sys

import yaml

DEPLOY = pathlib.Path(__file__).parent.parent / "deploy"
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def rules():
    dashboard = json.loads((DEPLOY / "observability/dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    concrete = [text.replace("$__rate_interval", "5m").replace("$provider", ".*") for text in expressions]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]), "two panels have one id"
    named = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(concrete)]
    print(json.dumps({"groups": [{"name": "dashboard", "rules": named}]}))


def compose():
    """Everything that is named is there, and nothing is there that nobody names."""
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = found["services"]
    used = {name for service in services.values() for name in service.get("secrets", [])}
    assert used == set(found["secrets"]), f"secrets: {used ^ set(found['secrets'])}"
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_there = (DEPLOY / source).exists() if source.startswith(".") else source in found["volumes"]
            assert is_there, f"{name}: {source} is not there"
        for other in service.get("depends_on", []):
            assert other in services, f"{name} waits for {other}, which is not there"
        lasting = service.get("restart") == "unless-stopped"
        ours = str(service.get("image", "")).startswith("switchboard:")
        if lasting and ours and "profiles" not in service:
            assert service["healthcheck"]["test"][1:3] == ["/usr/bin/switchboard", "health"], f"{name}: no health check"
        if ours:
            assert service["read_only"] and service["cap_drop"] == ["ALL"], f"{name} may do too much"


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def kubernetes():
    """Every pod is restricted, and mounts only what there is."""
    base = DEPLOY / "kubernetes/base"
    kustomization = yaml.safe_load((base / "kustomization.yaml").read_text())
    resources = {name for name in kustomization["resources"] if not name.startswith("..")}
    files = {path.name for path in base.glob("*.yaml")} - {"kustomization.yaml"}
    assert resources == files, f"kustomization.yaml and its folder: {resources ^ files}"
    documents = [document for name in sorted(files) for document in yaml.safe_load_all((base / name).read_text())]
    accounts = {document["metadata"]["name"] for document in documents if document["kind"] == "ServiceAccount"}
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    covered = {policy["podSelector"]["matchLabels"].get("app.kubernetes.io/component") for policy in policies}
    for document in documents:
        if document["kind"] not in ("Deployment", "Job"):
            continue
        name, pod = document["metadata"]["name"], document["spec"]["template"]["spec"]
        component = document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        assert component in covered, f"{name}: no network policy"
        assert pod["serviceAccountName"] in accounts and pod["automountServiceAccountToken"] is False, name
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
        assert volumes == mounted, f"{name}: {volumes ^ mounted}"
        for container in containers(pod):
            assert container["securityContext"] == RESTRICTED, f"{name}: {container['name']} is not restricted"
            assert "limits" in container["resources"], f"{name}: {container['name']} has no limits"
            if document["kind"] == "Deployment":
                probes = {"startupProbe", "livenessProbe", "readinessProbe"} - set(container)
                assert not probes, f"{name}: {probes} missing"


if __name__ == "__main__":
    if sys.argv[1] == "rules":
        rules()
    else:
        compose()
        kubernetes()
        print("sound")
