"""An inventory of the machines that dcop-discover finds."""

DOCUMENTATION = r"""
name: discover
short_description: The machines that dcop-discover finds
version_added: 0.1.0
description:
  - Runs C(dcop-discover --list) and takes its hosts, groups and variables.
  - The file's name must end with C(dcop.yml) or C(dcop.yaml).
  - What machines say of themselves is never a template.
requirements:
  - dcop-discover on the Ansible controller
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [dcop.fleet.discover]
  program:
    description: The program to run; a name without a slash is looked for in the C(PATH).
    type: str
    default: dcop-discover
  fleet:
    description: The machines of this fleet only.
    type: str
  domain:
    description: The machines of this domain, too, by unicast DNS.
    type: str
  timeout:
    description: How long to look for them, in seconds.
    type: float
  config:
    description: Settings instead of C(~/.config/dcop); with a C(fleet.key) in it, machines must be verified.
    type: path
  state_dir:
    description: The state of dcop-deploy instead of C(~/.local/state/dcop).
    type: path
  from:
    description: A roster saved with C(dcop-discover --json), instead of the network.
    type: path
  partial:
    description: Also when machines may be missing.
    type: bool
    default: false
author: dcop maintainers
"""

EXAMPLES = r"""
# classroom.dcop.yml
plugin: dcop.fleet.discover
fleet: room-12
cache: true
"""

import json
import os
import subprocess

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

OPTIONS = ("fleet", "domain", "timeout", "config", "state_dir", "from")
UNSAFE = "__ansible_unsafe"


def plain(value):
    """dcop-discover marks what looks like a template; here, all text will be marked."""
    if isinstance(value, dict):
        return plain(value[UNSAFE]) if set(value) == {UNSAFE} else {k: plain(v) for k, v in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class InventoryModule(BaseInventoryPlugin, Cacheable, Constructable):
    """See DOCUMENTATION."""

    NAME = "dcop.fleet.discover"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(("dcop.yml", "dcop.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        caches = self.get_option("cache")
        found = self._cache.get(key) if caches and cache else None
        if found is None:
            found = self.discover()
            if caches:
                self._cache[key] = found
        self.fill(found)

    def discover(self):
        program = self.get_option("program")
        command = [os.path.expanduser(program) if "/" in program else program, "--list", "--quiet"]
        for name in OPTIONS:
            value = self.get_option(name)
            if value is not None:
                command.append(f"--{name.replace('_', '-')}={value}")
        if self.get_option("partial"):
            command.append("--partial")
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as why:
            raise AnsibleParserError(f"cannot run {command[0]}: {why.strerror}") from why
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise AnsibleParserError(f"{command[0]}: {said or f'exit code {done.returncode}'}")
        try:
            return plain(json.loads(done.stdout))
        except ValueError as why:
            raise AnsibleParserError(f"{command[0]} did not write an inventory: {why}") from why

    def fill(self, found):
        variables = found.get("_meta", {}).get("hostvars", {})
        for group, content in found.items():
            if group == "_meta":
                continue
            group = self.inventory.add_group(group)
            for name, value in content.get("vars", {}).items():
                self.inventory.set_variable(group, name, wrap_var(value))
            for host in content.get("hosts", []):
                self.add_host(group, host, variables.get(host, {}))

    def add_host(self, group, host, variables):
        self.inventory.add_host(host, group=group)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, wrap_var(value))
        strict = self.get_option("strict")
        known = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)
