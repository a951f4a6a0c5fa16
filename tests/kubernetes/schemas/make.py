"""Makes `schemas.json`: the JSON Schemas of the Kubernetes objects that `deploy/` has, and of what these refer to.

The sources are the OpenAPI document of Kubernetes itself and the custom resource definitions of Gateway API and the
Prometheus operator, all from the Go module proxy. Needs Go and PyYAML:

    python3 tests/kubernetes/schemas/make.py

As an API server with strict field validation does, the schemas refuse unknown members. Descriptions are left out.
"""

import json
import pathlib
import subprocess
import zipfile

import yaml

KUBERNETES = ("k8s.io/kubernetes", "v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=")
GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.7.0", "h1:duVnm7nO6oXfMMUWfcDoBph47CYR/ME3NGxccOVglaY=")
OPERATOR = (
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
KINDS = {
    "v1": ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}
CUSTOM = [
    (GATEWAY_API, "config/crd/experimental/gateway.networking.k8s.io_httproutes.yaml", "v1"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml", "v1"),
]
# members of JSON Schema that are kept; everything else is documentation or for the API server alone
KEPT = {
    "$ref", "additionalProperties", "allOf", "anyOf", "enum", "items", "maximum", "maxItems", "maxLength",
    "maxProperties", "minimum", "minItems", "minLength", "minProperties", "not", "oneOf", "pattern", "properties",
    "required", "type",
}
# The OpenAPI document has no lists of allowed values; these are from the Go types of k8s.io/api.
VALUES = {
    ("Container", "imagePullPolicy"): ["Always", "IfNotPresent", "Never"],
    ("Container", "restartPolicy"): ["Always", "OnFailure", "Never"],
    ("ContainerPort", "protocol"): ["TCP", "UDP", "SCTP"],
    ("DeploymentStrategy", "type"): ["Recreate", "RollingUpdate"],
    ("HTTPIngressPath", "pathType"): ["Exact", "ImplementationSpecific", "Prefix"],
    ("MetricTarget", "type"): ["AverageValue", "Utilization", "Value"],
    ("NetworkPolicyPort", "protocol"): ["TCP", "UDP", "SCTP"],
    ("NetworkPolicySpec", "policyTypes"): ["Egress", "Ingress"],
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy"): ["AlwaysAllow", "IfHealthyBudget"],
    ("PodSecurityContext", "fsGroupChangePolicy"): ["Always", "OnRootMismatch"],
    ("PodSpec", "restartPolicy"): ["Always", "OnFailure", "Never"],
    ("SeccompProfile", "type"): ["Localhost", "RuntimeDefault", "Unconfined"],
    ("ServicePort", "protocol"): ["TCP", "UDP", "SCTP"],
    ("ServiceSpec", "externalTrafficPolicy"): ["Cluster", "Local"],
    ("ServiceSpec", "type"): ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    ("TopologySpreadConstraint", "whenUnsatisfiable"): ["DoNotSchedule", "ScheduleAnyway"],
}
INT_OR_STRING = {"type": ["integer", "string"]}
# numbers are taken too, as by the API server
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
}


def read(module, path):
    """A file of a module, whose sum is checked."""
    name, version, expected = module
    command = ["go", "mod", "download", "-json", f"{name}@{version}"]
    # it reports an error for a module that needs a newer Go, and has downloaded it all the same
    found = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    if found.get("Sum") != expected:
        raise SystemExit(f"{name}@{version} is not what it should be: {found}")
    with zipfile.ZipFile(found["Zip"]) as archive:
        return archive.read(f"{name}@{version}/{path}").decode()


def tidy(schema):
    """A schema without documentation, closed for members that it does not name."""
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/definitions/", "#/$defs/")}
    out = {key: value for key, value in schema.items() if key in KEPT}
    if "properties" in out:
        out["properties"] = {name: tidy(member) for name, member in out["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    for key in ["items", "additionalProperties", "not"]:
        if isinstance(out.get(key), dict):
            out[key] = tidy(out[key])
    for key in ["allOf", "anyOf", "oneOf"]:
        if key in out:
            # an alternative only adds demands: closing it would refuse the members that others name
            out[key] = [dict(tidy(member), additionalProperties=True) for member in out[key]]
    return out


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/$defs/")
        for member in schema.values():
            yield from references(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from references(member)


def main():
    definitions = json.loads(read(KUBERNETES, "api/openapi-spec/swagger.json"))["definitions"]
    for (owner, member), values in VALUES.items():
        schemas = [schema for name, schema in definitions.items() if name.endswith(f".{owner}") and ".api." in name]
        places = [schema["properties"][member] for schema in schemas if member in schema.get("properties", {})]
        if not places:
            raise SystemExit(f"there is no {owner}.{member}")
        for place in places:
            (place["items"] if place["type"] == "array" else place)["enum"] = values
    kinds, needed = {}, {}
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            version = "/".join(filter(None, [kind["group"], kind["version"]]))
            if kind["kind"] in KINDS.get(version, []):
                # an API server knows an object by these
                schema = dict(definition, required=["apiVersion", "kind", "metadata", *definition.get("required", [])])
                kinds[f"{version}/{kind['kind']}"] = tidy(schema)
    open_ends = list(references(kinds))
    while open_ends:
        name = open_ends.pop()
        if name not in needed:
            needed[name] = SPECIAL.get(name) or tidy(definitions[name])
            open_ends.extend(references(needed[name]))
    for module, path, version in CUSTOM:
        resource = yaml.safe_load(read(module, path))["spec"]
        schema = next(v for v in resource["versions"] if v["name"] == version)["schema"]["openAPIV3Schema"]
        schema = tidy(schema)
        schema["properties"]["metadata"] = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        kinds[f"{resource['group']}/{version}/{resource['names']['kind']}"] = schema
    sources = [f"{name} {version}" for name, version, _ in [KUBERNETES, GATEWAY_API, OPERATOR]]
    # one definition a line, so that a change of a source is readable
    lines = ["{", f'"$comment": {json.dumps("Made by make.py from " + ", ".join(sources))},', '"kinds": {']
    lines += [",\n".join(f"{json.dumps(name)}: {json.dumps(kinds[name], separators=(',', ':'))}" for name in sorted(kinds))]
    lines += ["},", '"$defs": {']
    lines += [",\n".join(f"{json.dumps(name)}: {json.dumps(needed[name], separators=(',', ':'))}" for name in sorted(needed))]
    lines += ["}", "}", ""]
    pathlib.Path(__file__).with_name("schemas.json").write_text("\n".join(lines))


main()
