"""What agents need for a run that goes on when other agents are lost.

pyDCOP replicates computations, and its repair chooses which holder of a replica takes one
over.  Three things are missing, and are here:

- Most algorithms cannot take in a computation in mid-run: a moved one begins with its first
  cycle and waits for messages that its neighbors sent to the lost agent.  So all computations
  are paused, made anew with their last values, and started together.  No message of before
  reaches the new ones: an agent says that it has paused only when all that it sent has been
  received, and drops what it has received when it makes its computations anew.
- Agents are told where each computation is now, and who is lost.  Messages of lost agents,
  which may be cut off and at work still, are refused.
- A repair that fails on one agent does not end that agent.

The orchestrator's part is dcop_heal.py of `dcop-deploy solve`.
"""

PAUSE, RESTART, GO = "dcop_pause", "dcop_restart", "dcop_go"
PAUSED, RESTARTED, GONE_ON = "dcop_paused", "dcop_restarted", "dcop_gone_on"
# Seconds for an answer, and for a request: an agent sends, and receives, one message at a time,
# and one that is lost may have left either unfinished.
ANSWER_MAX, REQUEST_MAX = 4, 2
ALGORITHM = 15  # messages of this priority and above are of algorithms


def notice_lost_agents():
    """In an agent's process, before it registers: one that has gone holds nobody up for long."""
    try:
        from pydcop.infrastructure import communication
    except ImportError:
        return  # a pyDCOP with other internals
    communication.dcop_answer_max = ANSWER_MAX
    communication.MPCHttpHandler.timeout = REQUEST_MAX


def messages():
    """The classes of the messages above, by their names."""
    from pydcop.infrastructure.computations import message_type

    return {
        PAUSE: message_type(PAUSE, ["round", "lost"]),
        PAUSED: message_type(PAUSED, ["agent", "round"]),
        RESTART: message_type(RESTART, ["round", "places", "values"]),
        RESTARTED: message_type(RESTARTED, ["agent", "round", "computations"]),
        GO: message_type(GO, ["round"]),
        GONE_ON: message_type(GONE_ON, ["agent", "round"]),
    }


def is_technical(name):
    """pyDCOP's own rule: what begins so is not one of the problem's."""
    return name.startswith("_") or name.startswith("B")


def patch_agents(orchestratedagents):
    """Patch the module of OrchestratedAgent."""
    computation = orchestratedagents.OrchestrationComputation
    create = computation.__init__

    def create_with_handlers(self, *arguments, **options):
        create(self, *arguments, **options)
        made = messages()

        def pause(sender, message, t):
            _forget(self.agent, message.lost)
            for one in _computations(self.agent).values():
                if not one.is_paused:
                    one.pause(True)
            self.send_to_orchestrator(made[PAUSED](self.agent.name, message.round))

        def restart(sender, message, t):
            # It may come twice, as GO: the orchestrator says it again when it hears no answer.
            last, names = vars(self).get("dcop_made", (None, None))
            if last != message.round:
                names = _restart(self.agent, message.places, message.values,
                                 orchestratedagents.build_computation)
                self.dcop_made = message.round, names
            self.send_to_orchestrator(made[RESTARTED](self.agent.name, message.round, names))

        def go(sender, message, t):
            if vars(self).get("dcop_round") != message.round:
                self.dcop_round = message.round
                for one in _computations(self.agent).values():
                    one.pause(False)
                    one.start()
            self.send_to_orchestrator(made[GONE_ON](self.agent.name, message.round))

        self._handlers.update({PAUSE: pause, RESTART: restart, GO: go})
        for name in ("setup_repair", "repair_run"):
            self._handlers[name] = _survive(self._handlers[name])

    computation.__init__ = create_with_handlers
    agent = orchestratedagents.OrchestratedAgent
    handle_message = agent._handle_message

    handle_and_survive = _survive(handle_message)

    def handle_known(self, sender, dest, message, t):
        # A repair ends on one agent before it ends on another, which sends on.
        if not dest.startswith("B"):
            handle_message(self, sender, dest, message, t)
        elif dest in self._computations:
            handle_and_survive(self, sender, dest, message, t)

    agent._handle_message = handle_known
    add = agent.add_computation

    def add_once(self, computation, *rest, **options):
        # A repair that took too long places what the orchestrator has placed meanwhile.
        replication = self.replication_comp
        if replication is None or computation.name not in replication.computations:
            if replication is not None and not is_technical(computation.name):
                _have_footprint(computation)
            add(self, computation, *rest, **options)

    agent.add_computation = add_once


def patch_replication(replication):
    """An agent that cannot place its replicas anew has fewer of them, and goes on."""
    computation = replication.UCSReplication
    computation._on_agent_event = _survive(computation._on_agent_event)
    remove = computation.remove_replica

    def remove_after_repair(self, name):
        # A repair decided about one computation and removed its replica, while it asked for
        # the size of all of them to decide about the next.
        removed = vars(self).setdefault("dcop_removed", [])
        removed.append(name)
        repairs = getattr(self.agent, "_repair_computations", {}).values()
        if all(repair.status == "finished" for repair in repairs):
            while removed:
                remove(self, removed.pop())

    computation.remove_replica = remove_after_repair


def _survive(handler):
    def handle(*arguments):
        try:
            return handler(*arguments)
        except Exception:
            import traceback

            traceback.print_exc()

    return handle


def _have_footprint(computation):
    # Replicas have sizes; dpop has none for its computations, and gdba's function fails.
    try:
        computation.footprint()
    except Exception:
        computation.footprint = lambda: 0


def _computations(agent):
    return {name: one for name, one in agent._computations.items() if not is_technical(name)}


def _forget(agent, lost):
    """Refuse messages of lost agents, and end what waits for them."""
    known = vars(agent.communication).setdefault("dcop_lost", set())
    known.update(lost)


def _restart(agent, places, values, build):
    """Make the computations that `places` has for this agent anew, paused; their names.

    `places`: {computation: [agent, address, port]}; `values`: {variable: value}.
    """
    _drop_messages(agent._messaging)
    agent._repair_computations.clear()  # one that has not ended yet places nothing any more
    own = {name for name, (host, _, _) in places.items() if host == agent.name}
    replication = agent.replication_comp
    definitions = {name: one.computation_def for name, one in _computations(agent).items()}
    for name in own - set(definitions):
        definitions[name] = replication.replicas[name]
    for name in definitions:
        agent._computations.pop(name, None)
        replication.computations.pop(name, None)
    for name, (host, address, port) in places.items():
        if host != agent.name:
            agent.discovery.register_agent(host, (address, port), publish=False)
            agent.discovery.register_computation(name, host, publish=False)
    for name in sorted(own):
        definition = definitions[name]
        _begin_with(definition.node, values)
        computation = build(definition)
        computation.pause(True)
        agent.add_computation(computation)
        if name in replication.replicas:
            replication.remove_replica(name)
    return sorted(own)


def _begin_with(node, values):
    """A variable is in the node and in each of its constraints; copies that differ are others."""
    own = getattr(node, "variable", None)
    value = values.get(getattr(own, "name", None))
    if value is None or value not in list(own.domain):
        return
    for constraint in getattr(node, "constraints", ()):
        for variable in constraint.dimensions:
            if variable.name == own.name:
                variable._initial_value = value
    own._initial_value = value


def _drop_messages(messaging):
    import heapq

    queue = messaging._queue
    with queue.mutex:
        queue.queue[:] = [entry for entry in queue.queue
                          if entry[0] < ALGORITHM or is_technical(entry[3].dest_comp)]
        heapq.heapify(queue.queue)
    messaging._failed[:] = [entry for entry in messaging._failed if is_technical(entry[1])]
