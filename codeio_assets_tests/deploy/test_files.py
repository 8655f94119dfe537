"""What deploy/ ships: valid against published schemas, with names of variables where others write passwords."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from codeio_assets.project import INSTALLED_ROOT

DEPLOY = INSTALLED_ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SECRET = re.compile(r"(password|secret|api_?key|access_key|token)\w*$", re.IGNORECASE)
REFERENCE = re.compile(r"^(\$\{[A-Z_]+(:[-?].*)?\}|)$")
NO_SECRETS = {"env_secrets"}
"""Names of Secrets."""
INSTANCES = sorted(DEPLOY.glob("*/dagster.yaml"))
ISOLATING = {"procMount": "Unmasked", "seccompProfile": {"type": "Unconfined"}, "runAsNonRoot": True}
validated = pytest.mark.skipif(
    importlib.util.find_spec("kubernetes_validate") is None, reason="no kubernetes-validate here: make test-kubernetes"
)


def documents() -> Iterator[dict[str, Any]]:
    """Yield what the kustomization makes: as kubectl renders it, or file by file where there is none."""
    if shutil.which("kubectl"):
        done = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield from yaml.safe_load_all(done.stdout)
    else:
        for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]:
            yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of all that is no mapping or list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def checked(document: dict[str, Any]) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(document, "1.34", strict=True)


@validated
def test_what_the_kustomization_makes_is_valid() -> None:
    kinds = [document["kind"] for document in documents()]
    assert {"Deployment", "Role", "RoleBinding", "ServiceAccount", "PersistentVolumeClaim", "Namespace"} <= set(kinds)
    for document in documents():
        checked(document)


@validated
def test_the_jobs_of_the_job_set_and_the_pods_of_ray_are_valid() -> None:
    jobs = yaml.safe_load((KUBERNETES / "jobset.yaml").read_text())["spec"]["replicatedJobs"]
    for job in jobs:
        checked({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job["name"]}, **job["template"]})
    ray = yaml.safe_load((DEPLOY / "ray" / "raycluster.yaml").read_text())["spec"]
    for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"]):
        checked({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **group["template"]})


def test_the_job_set_starts_as_many_machines_and_gpus_as_the_launch_says() -> None:
    (job,) = yaml.safe_load((KUBERNETES / "jobset.yaml").read_text())["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    path = next(word.split("=")[1] for word in container["args"] if word.startswith("--config_file="))
    launch = yaml.safe_load((INSTALLED_ROOT / path.removeprefix("/opt/codeio/")).read_text())
    assert job["template"]["spec"]["completions"] == launch["num_machines"]
    gpus = int(container["resources"]["limits"]["nvidia.com/gpu"])
    assert gpus * launch["num_machines"] == launch["num_processes"]


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.parent.name)
def test_an_instance_has_names_of_variables_and_the_driver_that_works(path: Any) -> None:
    config = yaml.safe_load(path.read_text())
    database = config["storage"]["postgres"]["postgres_db"]
    assert database.pop("scheme") == "postgresql+psycopg2"
    assert all(set(value) == {"env"} for value in database.values())
    assert config["run_monitoring"]["free_slots_after_run_end_seconds"] == 10
    assert "env_vars" not in yaml.safe_dump(config.get("run_launcher", {}))


def test_no_file_has_a_secret() -> None:
    for path in [*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.env")]:
        if path.suffix == ".env":
            pairs = [(line.partition("=")[0], line.partition("=")[2]) for line in path.read_text().splitlines()]
        else:
            pairs = [pair for each in yaml.safe_load_all(path.read_text()) for pair in leaves(each)]
        for name, value in pairs:
            if SECRET.search(name) and name not in NO_SECRETS:
                assert REFERENCE.match(str(value)), f"{path}: {name}"


def test_whatever_runs_untrusted_code_may_isolate_and_checks_it_first() -> None:
    """Code location and runs by the image's entrypoint, Ray's workers by a container before."""
    (code,) = [
        each for each in documents() if each["kind"] == "Deployment" and each["metadata"]["name"] == "codeio-code"
    ]
    pod = code["spec"]["template"]["spec"]
    assert pod["hostUsers"] is False
    assert "command" not in pod["containers"][0], "it would replace the entrypoint"
    assert ISOLATING.items() <= pod["containers"][0]["securityContext"].items()
    launcher = yaml.safe_load((KUBERNETES / "dagster.yaml").read_text())["run_launcher"]["config"]["run_k8s_config"]
    assert launcher["pod_spec_config"]["host_users"] is False
    assert "command" not in launcher["container_config"]
    for group in yaml.safe_load((DEPLOY / "ray" / "raycluster.yaml").read_text())["spec"]["workerGroupSpecs"]:
        spec = group["template"]["spec"]
        (before,), (node,) = spec["initContainers"], spec["containers"]
        assert before["command"] == ["codeio", "check-isolation", "--required"]
        assert before["securityContext"] == node["securityContext"]
        assert ISOLATING.items() <= node["securityContext"].items()
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["isolated"]' in dockerfile
    assert "deploy/entrypoint.sh /usr/local/bin/isolated" in dockerfile


def test_ray_takes_jobs_of_those_who_know_its_token() -> None:
    ray = yaml.safe_load((DEPLOY / "ray" / "raycluster.yaml").read_text())["spec"]
    for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"]):
        (node,) = group["template"]["spec"]["containers"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in node["env"]
        assert {"secretRef": {"name": "codeio-secrets"}} in node["envFrom"]


def test_the_image_copies_only_what_is_there() -> None:
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for name in [word for word in line.split()[1:-1] if not word.startswith("--")]:
                assert (INSTALLED_ROOT / name).exists(), name
