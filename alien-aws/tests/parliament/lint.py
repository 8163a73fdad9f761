"""Lints policies with parliament and its community auditors.

Reads one JSON object a line, {"name", "policy"}, and writes one for each finding: {"name", "issue", "detail"}.
"""

import json
import sys
import warnings
from pathlib import Path

# parliament finds its own files with pkg_resources, which setuptools calls deprecated.
warnings.filterwarnings("ignore")

import parliament  # noqa: E402

auditors = Path(parliament.__file__).parent / "community_auditors"
parliament.override_config(auditors / "config_override.yaml")


def findings(policy):
    found = parliament.analyze_policy_string(
        json.dumps(policy),
        ignore_private_auditors=True,
        include_community_auditors=True,
        config=parliament.config,
    )
    return [parliament.enhance_finding(finding) for finding in found.findings]


for line in sys.stdin:
    asked = json.loads(line)
    for finding in findings(asked["policy"]):
        detail = finding.detail
        if not isinstance(detail, str):
            detail = json.dumps(detail, sort_keys=True, default=str)
        # A finding about each of several actions is told for each.
        actions = finding.location.get("actions") or [""]
        if finding.issue == "PRIVILEGE_ESCALATION":
            actions = [finding.location["type"]]
        for action in actions:
            print(json.dumps({"name": asked["name"], "issue": finding.issue, "detail": f"{detail} {action}".strip()}))
