"""`--heal`: a run that goes on when agents are lost.

Before the start each computation is replicated on K other agents, by pyDCOP.  When agents are
lost, pyDCOP's own repair chooses among the holders of replicas who takes over what they
computed; what it leaves without a place goes to a holder, or to the agent with the fewest
computations.  Then all computations are made anew with their last values and started together:
pydcop_heal.py says why, and has the agents' part.

All methods but the handlers run on the main thread; the handlers, on pyDCOP's, under the run's
lock.
"""

import io
import sys
import time

# Measured with 0.1.2a1 (tests/bench/heal), see dist/doc/solving.md.  The others are refused.
HEALS = ("adsa", "amaxsum", "dba", "dsa", "gdba", "maxsum", "mgm", "mgm2", "mixeddsa")
REPLICATE_MAX = 15  # seconds without a further agent that has placed its replicas
PROBED_MAX = 8  # seconds until it is known who else is lost
REPAIR_MAX = 3  # seconds for pyDCOP's repair; it takes some tenths
# Seconds for all agents to pause, to make their computations anew, and to go on; and without an
# answer until they are told again, because a message may be lost.
BARRIER_MAX, TELL_AGAIN = 15, 5
CAPACITY = 1000000  # of an agent whose capacity the problem leaves open
ROUNDS_MAX = 1000


class Healing:
    def __init__(self, run, replicas):
        self.run, self.wanted = run, replicas
        self.replicated, self.holders = set(), {}
        self.lost, self.repairs = set(), []
        self.round, self.paused, self.restarted, self.gone_on = 0, set(), set(), set()
        self.chosen = {}  # by pyDCOP's repair: computation: agent

    # --- before the start ------------------------------------------------------------------

    def refusal(self):
        """Why this run cannot be healed, or None."""
        run = self.run
        if not _sends_replicas():
            return ("this pyDCOP cannot heal: its replication (0.1.1) cannot send its messages to other "
                    "machines; deploy upstream's 0.1.2a1 from its source: dcop-deploy -s SOURCE")
        if run.name not in HEALS:
            return "%s cannot be healed; these can: %s" % (run.name, ", ".join(HEALS))
        taken = sorted(name for name in run.computations if name[0] in "_B")
        if taken:
            return ("--heal does not work with names that begin with B or _, which pyDCOP keeps for "
                    "its repair: rename %s" % ", ".join(taken[:8]))
        if len(run.agents) <= self.wanted:
            return ("%d replicas of each computation need %d agents that compute, and there are %d"
                    % (self.wanted, self.wanted + 1, len(run.agents)))
        return None

    def give_capacity(self):
        """An agent without one would get pyDCOP's 100, which fits few replicas."""
        for agent in self.run.dcop.agents.values():
            try:
                agent.capacity
            except AttributeError:
                agent._attr["capacity"] = CAPACITY

    def hear(self):
        import pydcop_heal
        from pydcop.infrastructure import communication, orchestrator

        run, mgt = self.run, self.run.mgt
        self.words, self.made = pydcop_heal, pydcop_heal.messages()
        communication.MPCHttpHandler.timeout = pydcop_heal.REQUEST_MAX
        # pyDCOP writes each repair into files in the current folder, which may be anywhere.
        orchestrator.open = lambda *arguments, **options: io.StringIO()
        handlers = mgt._msg_handlers
        handlers["replicated"] = run.guard(self.on_replicated)
        handlers[pydcop_heal.PAUSED] = run.guard(self.on_paused)
        handlers[pydcop_heal.RESTARTED] = run.guard(self.on_restarted)
        handlers[pydcop_heal.GONE_ON] = run.guard(self.on_gone_on)
        self.repair_done = handlers["repair_done"]
        handlers["repair_done"] = self.on_repair_done
        self.directory = run.orchestrator.directory.directory_computation
        self.publish, self.directory.on_message = self.directory.on_message, self.on_publish
        mgt._orchestrator_dcop_remove = self.remove
        mgt._orchestrator_dcop_forget = self.forget

    def on_replicated(self, message):
        if message.agent in self.run.agents:
            self.replicated.add(message.agent)
        for computation, hosts in message.replica_hosts.items():
            if computation in self.run.hosts:
                self.holders[computation] = set(hosts) & set(self.run.agents)

    def on_paused(self, message):
        if message.round == self.round and message.agent in self.run.agents:
            self.paused.add(message.agent)

    def on_restarted(self, message):
        if message.round == self.round and message.agent in self.run.agents:
            self.restarted.add(message.agent)

    def on_gone_on(self, message):
        if message.round == self.round and message.agent in self.run.agents:
            self.gone_on.add(message.agent)

    def on_repair_done(self, sender, message, t):
        with self.run.lock:
            for computation in message.selected_computations:
                if computation in self.run.hosts:
                    self.chosen.setdefault(computation, message.agent)
            self.run.lock.notify_all()
        self.repair_done(sender, message, t)

    def on_publish(self, sender, message, t):
        """For pyDCOP's directory, whose errors ended the orchestrator; and an agent that fails
        says as its last word that it has gone, with computations."""
        try:
            if self.run.agent_of(sender) in self.run.gone:
                return
            self.publish(sender, message, t)
        except Exception as error:
            print("pyDCOP's directory, on %s of %s: %r" % (message, sender, error), file=sys.stderr)

    def replicate(self):
        """Place the replicas; (status, reason) of a run that ends here, else (None, None)."""
        run = self.run
        run.orchestrator._mgt_method("_orchestrator_start_replication", self.wanted)
        known, since = 0, time.monotonic()
        while True:
            run.look()
            status, reason = run.trouble()
            missing = [agent for agent in run.agents if agent not in self.replicated]
            if status:
                return status, reason
            if not missing:
                break
            if len(self.replicated) != known:
                known, since = len(self.replicated), time.monotonic()
            elif time.monotonic() - since > REPLICATE_MAX:
                return "failed", "%s did not place the replicas within %d s" % (
                    ", ".join(missing[:8]), REPLICATE_MAX)
        lacking = sorted(c for c in run.hosts if len(self.holders.get(c, ())) < self.wanted)
        if lacking:
            return "failed", ("no agent takes a replica of %s: raise the capacity of the agents in the "
                              "problem, or give --heal=1; pyDCOP places replicas on the agents of "
                              "neighboring variables" % ", ".join(lacking[:8]))
        run.tell("replicated", replicas=self.wanted,
                 holders={c: sorted(self.holders[c]) for c in sorted(self.holders)})
        return None, None

    # --- when agents are lost -----------------------------------------------------------------

    def repair(self):
        """Move what lost agents computed; (status, reason) as `replicate`."""
        run, began = self.run, time.monotonic()
        hosts, before, gone = dict(run.hosts), set(self.lost), set()
        for _ in range(ROUNDS_MAX):
            if not set(run.gone) - self.lost:
                break
            status, reason = self.find_lost()
            if status is None:
                gone |= set(run.gone) - self.lost
                status, reason = self.repair_once(set(run.gone) - self.lost)
            if status:  # it has no end; who was lost is told
                self.keep(gone | set(run.gone) - before, [], began)
                return status, reason
        run.tell("repaired", **self.keep(gone, [
            {"computation": c, "from": host, "to": run.hosts[c]}
            for c, host in sorted(hosts.items()) if run.hosts[c] != host], began))
        run.held = False
        return None, None

    def keep(self, gone, moved, began):
        """Keep a repair for the result, and return it."""
        run, now = self.run, time.monotonic()
        repair = {"agents": [{"agent": agent, "reason": run.gone[agent]} for agent in sorted(gone)],
                  "moved": moved, "took": round(now - began, 3)}
        self.repairs.append(dict(repair, time=round(now - run.started, 3)))
        return repair

    def find_lost(self):
        """Probe all agents now: who lost a plug together with another is lost with it."""
        run, since = self.run, time.monotonic()
        run.probe_now()
        while time.monotonic() - since < PROBED_MAX:
            run.look()
            status, reason = run.trouble()
            if status:
                return status, reason
            if all(run.probed.get(a, 0) > since for a in run.agents if a not in run.gone):
                break
        return None, None

    def repair_once(self, lost):
        run = self.run
        self.lost |= lost
        run.orchestrator.dcop_lost |= lost
        here = [agent for agent in run.agents if agent not in run.gone]
        orphans = sorted(c for c, agent in run.hosts.items() if agent in run.gone)
        if not here:
            return "failed", "no agent is left"
        self.chosen = {}
        self.send(here, self.words.PAUSE, self.next_round(), sorted(run.gone))
        if orphans:
            run.orchestrator._mgt_method("_orchestrator_dcop_remove", sorted(lost))
            deadline = time.monotonic() + REPAIR_MAX
            while time.monotonic() < deadline and run.trouble()[0] is None and not (
                    set(orphans) <= set(self.chosen)):
                run.look()
        # pyDCOP's repair starts what it has moved, and pauses it then.
        pause = self.words.PAUSE, self.next_round(), sorted(run.gone)
        status, reason = self.tell_all(here, pause, self.paused, "pause")
        if status or self.is_new_loss():
            return status, reason  # without status: another round
        self.place(orphans, here)
        places = {c: [agent] + list(run.registered[agent]) for c, agent in run.hosts.items()}
        with run.lock:
            values, run.finished = dict(run.values), set()
        restart = self.words.RESTART, self.next_round(), places, values
        status, reason = self.tell_all(here, restart, self.restarted, "make their computations anew")
        if status or self.is_new_loss():
            return status, reason
        run.held = True  # what agents find from here on is told after the repair
        status, reason = self.tell_all(here, (self.words.GO, self.round), self.gone_on, "go on")
        if status or self.is_new_loss():
            return status, reason
        run.orchestrator._mgt_method("_orchestrator_dcop_forget", sorted(lost))
        return None, None

    def next_round(self):
        """Answers to what was sent before do not count."""
        with self.run.lock:
            self.round += 1
            self.paused, self.restarted, self.gone_on = set(), set(), set()
        return self.round

    def is_new_loss(self):
        return bool(set(self.run.gone) - self.lost)

    def those(self, agents):
        return [agent for agent in agents if agent not in self.run.gone]

    def tell_all(self, agents, words, answered, what):
        """Until all have answered, or another one is lost, or the run is to end.  Who does not
        answer in time is lost, too; when nobody does, it is not they who have failed."""
        run, began = self.run, time.monotonic()
        self.send(agents, *words)
        again = began + TELL_AGAIN
        while True:
            late = [agent for agent in self.those(agents) if agent not in answered]
            status, reason = run.trouble()
            if status or not late or self.is_new_loss():
                return status, reason
            now = time.monotonic()
            if now > began + BARRIER_MAX and len(late) == len(self.those(agents)):
                return "failed", "the repair has failed: %s did not %s within %d s" % (
                    ", ".join(late[:8]), what, BARRIER_MAX)
            if now > began + BARRIER_MAX:
                for agent in late:
                    run.lose(agent, "in a repair it did not %s within %d s" % (what, BARRIER_MAX))
            elif now > again:
                self.send(late, *words)
                again = now + TELL_AGAIN
            run.look()

    def place(self, orphans, here):
        """Give each orphan its new agent, and the definition to one without a replica."""
        from pydcop.algorithms import ComputationDef
        from pydcop.infrastructure.orchestrator import DeployMessage

        run = self.run
        load = {agent: 0 for agent in here}
        for agent in run.hosts.values():
            if agent in load:
                load[agent] += 1
        for computation in orphans:
            holders = self.holders.get(computation, set()) & set(here)
            agent = self.chosen.get(computation)
            if agent not in load:
                agent = min(holders or here, key=lambda name: (load[name], name))
                message = DeployMessage(ComputationDef(run.graph.computation(computation), run.algorithm))
                self.send_message(agent, message)
            run.hosts[computation] = agent
            load[agent] += 1

    # --- towards pyDCOP -----------------------------------------------------------------------

    def send(self, agents, word, *about):
        for agent in self.those(agents):
            self.send_message(agent, self.made[word](*about))

    def send_message(self, agent, message):
        self.run.orchestrator._mgt_method("_orchestrator_dcop_send", (agent, message))

    def remove(self, message, t):
        """Begin pyDCOP's repair; on the orchestrator's thread, as its other parts."""
        mgt, directory = self.run.mgt, self.run.orchestrator.directory
        lost = message.content
        for agent in lost:
            mgt._agts_state.pop(agent, None)
            _unsubscribe(directory, agent)
        for agent in mgt._agts_state:
            mgt._agts_state[agent] = "running"
        mgt._comps_state.clear()
        try:
            mgt._agents_removal(lost)
        except Exception as error:
            print("pyDCOP's repair has failed: %r" % error, file=sys.stderr)

    def forget(self, message, t):
        """Tell all where the computations are and who has gone; replicas are placed again."""
        directory = self.run.orchestrator.directory
        try:
            for computation, agent in self.run.hosts.items():
                if directory._computations_data.get(computation) != agent:
                    directory.register_computation(computation, agent, self.run.registered[agent])
            for agent in message.content:
                for computation in list(directory.discovery._replicas_data):
                    directory.discovery.unregister_replica(computation, agent, publish=False)
                directory.unregister_agent(agent)
        except Exception as error:
            print("pyDCOP's directory: %r" % error, file=sys.stderr)


def _sends_replicas():
    """In 0.1.1 the paths in the messages of replication have no representation for HTTP."""
    try:
        from pydcop.replication.path_utils import Path
    except ImportError:
        return True
    return not isinstance(Path, type) or hasattr(Path, "_simple_repr")


def _unsubscribe(directory, agent):
    """Nothing is sent to an agent that is lost."""
    discovery = "_discovery_" + agent
    for table in (directory._subscription_agents, directory._subscription_computations,
                  directory._subscription_replicas):
        for subscribers in table.values():
            subscribers.discard(discovery)
    directory._subscription_all_agents.discard(discovery)
