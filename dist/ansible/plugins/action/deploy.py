"""The controller's side of dcop.fleet.deploy: brings what the machine lacks, and no more."""

import getpass
import json
import os
import socket
import time

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

OPTIONS = ("bundle", "agents", "orchestrator", "address", "apt_proxy", "force")
MANIFEST_VERSION = 1
SSH_TRANSPORTS = ("ssh", "paramiko", "paramiko_ssh", "libssh")


def who():
    """For those who find the machine at work."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}, with Ansible"


def read_manifest(folder):
    path = os.path.join(folder, "manifest.json")
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except (OSError, ValueError) as why:
        raise AnsibleActionFail(f"{path}: {why}; write it with: dcop-deploy bundle {folder}") from why
    if manifest.get("version") != MANIFEST_VERSION:
        raise AnsibleActionFail(f"{path} is of another version of dcop: use the collection that came with dcop-deploy")
    return manifest


def list_agents(names):
    """As Ansible reads a list: a string has commas between its items."""
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    elif not isinstance(names, (list, tuple)):
        names = [names]
    names = [str(name) for name in names]
    for name in names:
        if not name or "\0" in name or "\n" in name:
            raise AnsibleActionFail(f"{name!r} is not the name of an agent; an empty list stops the machine's agents")
    return names


class ActionModule(ActionBase):
    """See plugins/modules/deploy.py."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        args = self._task.args
        unknown = sorted(set(args) - set(OPTIONS))
        if unknown:
            raise AnsibleActionFail(f"deploy does not know: {', '.join(unknown)}; it takes {', '.join(OPTIONS)}")
        if not args.get("bundle"):
            raise AnsibleActionFail("bundle is missing: the folder of `dcop-deploy bundle FOLDER`")
        folder = os.path.expanduser(args["bundle"])
        manifest = read_manifest(folder)
        module_args = {
            "agents": self.agents(task_vars),
            "orchestrator": args.get("orchestrator") or None,
            "address": args.get("address") or self.host_variable(task_vars, "agt_address"),
            "apt_proxy": args.get("apt_proxy") or None,
            "force": boolean(args.get("force") or False),
            "manifest": manifest,
            "ssh": self._connection.transport in SSH_TRANSPORTS,
            "who": who(),
            "time": int(time.time()),
        }
        try:
            result.update(self.ask(folder, manifest, module_args, task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def ask(self, folder, manifest, module_args, task_vars):
        """As often as the machine lacks a file: the bundle, then a layer."""
        while True:
            answer = self._execute_module("dcop.fleet.deploy", module_args=module_args, task_vars=task_vars)
            missing = answer.pop("missing", None)
            key = answer.pop("layer_key", None)
            if missing == "bundle" and "bundle_file" not in module_args:
                module_args["bundle_file"] = self.bring(folder, manifest["bundle"])
            elif missing == "layer" and "layer_file" not in module_args:
                module_args["layer_file"] = self.bring(folder, manifest["layers"][key])
                module_args["layer_key"] = key
            elif missing:
                raise AnsibleActionFail(f"the machine asked for the {missing} {key or ''} after it had got one")
            else:
                return answer

    def bring(self, folder, entry):
        """A file of the bundle to the machine's temporary folder; its path there."""
        tmp = self._connection._shell.tmpdir or self._make_tmp_path()
        path = self._connection._shell.join_path(tmp, entry["file"])
        self._transfer_file(os.path.join(folder, entry["file"]), path)
        self._fixup_perms2((tmp, path))
        return path

    def agents(self, task_vars):
        names = self._task.args.get("agents")
        if names is None:
            names = self.host_variable(task_vars, "agt_names")
        if names is None:
            names = self.host_variable(task_vars, "agt_name")
            names = None if names is None else str(names).split()
        if names is None:
            raise AnsibleActionFail("the host has neither agt_names nor agt_name: set 'agents'")
        return list_agents(names)

    def host_variable(self, task_vars, name):
        """What a machine said of itself is unsafe, and so no template (see the inventory plugin)."""
        value = task_vars.get(name)
        return None if value is None else self._templar.template(value)
