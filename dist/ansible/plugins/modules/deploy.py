"""The machine's side of dcop.fleet.deploy: runs the steps of a bundle."""

DOCUMENTATION = r"""
module: deploy
short_description: Deploy pyDCOP to a machine and start its agents
version_added: 0.1.0
description:
  - Does to a machine what C(dcop-deploy) does to it, with the same steps from the same bundle.
  - A machine that has the bundle gets none; with nothing to change, only the checks run.
  - The steps run in a transient unit of systemd on the machine. A lost connection does not stop
    them; a repeat follows a run that is still at work.
  - Needs root on the machine (C(become)), and systemd.
options:
  bundle:
    description: The folder that C(dcop-deploy bundle FOLDER) wrote, on the Ansible controller.
    type: path
    required: true
  agents:
    description:
      - The names of the machine's agents. An empty list stops its agents.
      - Default is the host's C(agt_names) if it has that, else the words of its C(agt_name).
    type: list
    elements: str
  orchestrator:
    description:
      - The orchestrator's C(IP) or C(IP:PORT).
      - Default is the Ansible controller as the machine sees it (SSH), port 9000.
    type: str
  address:
    description:
      - The IPv4 address at which others reach the machine's agents.
      - Default is the host's C(agt_address) if it has that, else the address that Ansible
        connected to (SSH).
    type: str
  apt_proxy:
    description: URL of a proxy for apt, where the steps install packages.
    type: str
  force:
    description: End runs that the machine's agents are at work in.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: The steps' checks run, and nothing else.
  diff_mode:
    support: full
    description: What the steps would write.
author: dcop maintainers
"""

EXAMPLES = r"""
- name: Deploy pyDCOP
  dcop.fleet.deploy:
    bundle: /srv/classroom/bundle
  become: true
"""

RETURN = r"""
steps:
  description: What became of each step.
  type: list
  elements: dict
  returned: when the steps were run or checked
  sample: [{step: unit, status: changed, detail: the unit is installed}]
facts:
  description: What the machine says of itself.
  type: dict
  returned: when it was reached
notes:
  description: What the steps waited for, or a person should know.
  type: list
  elements: str
  returned: always
"""

import os
import secrets
import subprocess
import tempfile
from urllib.parse import quote, unquote

from ansible.module_utils.basic import AnsibleModule

LINE_MAX = 4096
NOISE_MAX = 65536
ORCHESTRATOR_PORT = 9000


def ssh_connection():
    """SSH_CONNECTION of the session that this module runs in: sudo does not pass it on."""
    pid = os.getpid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                parents = [line for line in file if line.startswith("PPid:")]
        except OSError:
            return ""
        for variable in variables:
            if variable.startswith(b"SSH_CONNECTION="):
                return variable.decode("utf-8", "replace").partition("=")[2]
        pid = int(parents[0].split()[1])
    return ""


def ipv4(word):
    word = word[7:] if word.startswith("::ffff:") else word
    return word if word.count(".") == 3 and not word.strip("0123456789.") else None


def make_settings(params, mode, ends):
    """The lines that deployer/job/settings.c writes, for a machine that an inventory names."""
    far, near = (ipv4(ends[0]), ipv4(ends[2])) if len(ends) == 4 else (None, None)
    address = params["address"] or near
    orchestrator = params["orchestrator"] or (far and f"{far}:{ORCHESTRATOR_PORT}")
    if not address:
        raise ValueError("no IPv4 address of it is known, and pyDCOP supports only IPv4: set 'address'")
    if not orchestrator:
        raise ValueError("it does not see an IPv4 address of this controller: set 'orchestrator'")
    pairs = [("mode", mode), ("who", params["who"]), ("digest", params["manifest"]["digest"]),
             ("named", "yes")]
    pairs += [("agents", name) for name in params["agents"]]
    if not params["orchestrator"]:
        pairs.append(("orchestrator_here", "yes"))
    pairs += [("address", address), ("orchestrator", orchestrator)]
    if params["address"]:
        pairs.append(("agent_address", params["address"]))
    if params["apt_proxy"]:
        pairs.append(("apt_proxy", params["apt_proxy"]))
    if params["force"]:
        pairs.append(("force", "yes"))
    pairs.append(("time", params["time"]))
    own = "".join(f"{key} {quote(str(value), safe='._:/,@+-')}\n" for key, value in pairs)
    return own + params["manifest"]["settings"]


class Missing(Exception):
    """The machine needs a file that was not brought along."""

    def __init__(self, what, key=None):
        super().__init__(what)
        self.what = what
        self.key = key


class Run:
    """One run of the boot command (deployer/job/boot.h) and its events (stepwire.h)."""

    def __init__(self, params, mode):
        self.params = params
        self.mode = mode
        self.nonce = secrets.token_hex(16)
        self.results, self.checks, self.diffs, self.facts, self.notes = [], [], {}, {}, []
        self.end = self.why = None
        self.complaints = ""

    def send(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its last events say why

    def send_file(self, path):
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                self.send(chunk)

    def greet(self, wants_bundle):
        settings = make_settings(self.params, self.mode, self.ends.split())
        if wants_bundle:
            if not self.params["bundle_file"]:
                raise Missing("bundle")
            settings += f"size {self.params['manifest']['bundle']['size']}\n"
        self.send(f"{settings}end {self.nonce}\n".encode())
        if wants_bundle:
            self.send_file(self.params["bundle_file"])

    def on_want(self, what, key):
        if what != "layer":
            return  # packages: the step's own result says what is missing
        layer = self.params["manifest"]["layers"].get(key)
        if not layer:
            why = f"the bundle has no layer for this machine; write it with: dcop-deploy bundle --layer {key} FOLDER"
            self.send(f"no_layer {quote(why)}\nend {self.nonce}\n".encode())
        elif self.params["layer_key"] != key:
            raise Missing("layer", key)
        else:
            self.send(f"layer {layer['size']} {layer['sha256']}\nend {self.nonce}\n".encode())
            self.send_file(self.params["layer_file"])

    def on_event(self, word, fields):
        if word == "check":
            self.checks.append(dict(zip(("step", "status", "detail"), fields)))
        elif word == "result":
            self.results.append(dict(zip(("step", "status", "detail", "lines"), fields)))
        elif word == "fact":
            self.on_fact(*fields[:2])
        elif word == "diff":
            self.diffs[fields[0]] = self.diffs.get(fields[0], "") + fields[1]
        elif word == "note":
            self.notes.append(fields[0])
        elif word == "busy":
            self.why = f"another run is at work there: {fields[0]}"
        elif word == "refused":
            self.why = fields[0]
        elif word == "want":
            self.on_want(fields[0], fields[1] if len(fields) > 1 else None)
        elif word == "end":
            self.end = fields[0]

    def on_fact(self, key, value):
        if key == "agent":
            self.facts.setdefault("agents", []).append(value)
        else:
            self.facts[key] = value

    def read_events(self):
        """What comes before the hello (a chatty shell) is passed over."""
        hello, noise = f"dcop-step 1 {self.nonce}", 0
        while line := self.process.stdout.readline(LINE_MAX + 1):
            word, *fields = [unquote(field) for field in line.decode("utf-8", "replace").rstrip("\n").split("\t")]
            if hello is None:
                self.on_event(word, fields + [""] * (2 - len(fields)))
            elif word == hello:
                hello = None
                self.greet(fields[:1] != ["have"])
            else:
                noise += len(line)
                if noise > NOISE_MAX:
                    break

    def go(self):
        manifest = self.params["manifest"]
        self.ends = ssh_connection() if self.params["ssh"] else ""
        with tempfile.TemporaryFile() as errors:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", manifest["boot"], "dcop", self.nonce, manifest["bundle"]["sha256"], self.ends],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd="/")
            try:
                self.read_events()
            finally:
                try:
                    self.process.stdin.close()
                except BrokenPipeError:
                    pass
                self.process.stdout.close()
                self.process.wait()
                errors.seek(0)
                self.complaints = errors.read(NOISE_MAX).decode("utf-8", "replace")
        return self

    @property
    def failed(self):
        return self.end not in ("ok", "changes")

    @property
    def changes(self):
        if self.results:
            return any(result["status"] == "changed" for result in self.results)
        return any(check["status"] == "change" for check in self.checks)

    def message(self):
        bad = [result for result in self.results if result["status"] == "failed"]
        if bad:
            return f"{bad[0]['step']} failed: {bad[0]['detail']}"
        if self.why or self.end == "skipped":
            return self.why or "the run was stopped"
        last = self.complaints.strip().splitlines()[-1:]
        return f"the machine did not run the steps to their end{': ' + last[0] if last else ''}"

    def answer(self):
        answer = {"changed": self.changes, "steps": self.results or self.checks, "facts": self.facts,
                  "notes": self.notes}
        if self.failed:
            answer["msg"] = self.message()
            answer["stderr"] = self.complaints[-2048:]
        return answer


def act(module):
    """With --diff, what would change is looked at before it does."""
    diff = None
    if module._diff:  # pylint: disable=protected-access
        looked = Run(module.params, "diff").go()
        diff = [{"prepared": f"{step}:\n{text}"} for step, text in looked.diffs.items()]
        if looked.failed or module.check_mode:
            return looked, diff
    return Run(module.params, "check" if module.check_mode else "deploy").go(), diff


def main():
    module = AnsibleModule(
        argument_spec={
            "agents": {"type": "list", "elements": "str", "required": True},
            "orchestrator": {"type": "str"},
            "address": {"type": "str"},
            "apt_proxy": {"type": "str", "no_log": True},  # it may have a password
            "force": {"type": "bool", "default": False},
            # From the action plugin, in place of the folder:
            "manifest": {"type": "dict", "required": True},
            "bundle_file": {"type": "path"},
            "layer_file": {"type": "path"},
            "layer_key": {"type": "str", "no_log": False},
            "ssh": {"type": "bool", "required": True},
            "who": {"type": "str", "required": True},
            "time": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="it needs root on the machine: set become")
    try:
        run, diff = act(module)
    except Missing as missing:
        module.exit_json(changed=False, missing=missing.what, layer_key=missing.key)
    except ValueError as wrong:
        module.fail_json(msg=str(wrong))
    answer = run.answer()
    if diff:
        answer["diff"] = diff
    if run.failed:
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
