"""`--scenario`: pyDCOP's scenarios, on real machines.

A scenario is a list of events: a delay in seconds, or actions, of which pyDCOP has one that
does something, remove_agent.  An agent that is removed stops, and the run heals (dcop_heal.py).
"""

import time

EVENTS_MAX = 10000


class BadScenario(Exception):
    pass


def read(text, agents, time_limit):
    """The events: [(id, delay, [agent])], with one of both.  Raises BadScenario."""
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML keeps the last of two values of one key."""

        def construct_mapping(self, node, deep=False):
            keys = set()
            for key, _ in node.value:
                name = self.construct_object(key, deep=True)
                if not isinstance(name, (int, str)):
                    raise BadScenario("line %d: a key is no name" % (key.start_mark.line + 1))
                if name in keys:
                    raise BadScenario("line %d: the key %s is given twice" % (key.start_mark.line + 1, str(name)[:100]))
                keys.add(name)
            return super().construct_mapping(node, deep)

    try:
        loaded = yaml.load(text, Loader)
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise BadScenario(" ".join(str(error).split()))
    listed = loaded.get("events") if isinstance(loaded, dict) else None
    if not isinstance(listed, list) or len(listed) > EVENTS_MAX:
        raise BadScenario("there is no list `events`")
    events, removed = [], []
    for number, event in enumerate(listed, 1):
        events.append(_read_event(event, number, agents, removed))
        removed += events[-1][2]
    if len(removed) >= len(agents):
        raise BadScenario("it leaves no agent")
    delays = sum(delay for _, delay, _ in events)
    if delays >= time_limit:
        raise BadScenario("its delays are %g s and --time-limit is %g s" % (delays, time_limit))
    return events


def _read_event(event, number, agents, removed):
    if not isinstance(event, dict):
        raise BadScenario("event %d is no mapping" % number)
    name = event.get("id", number)
    if isinstance(name, bool) or not isinstance(name, (int, str)):
        raise BadScenario("the id of event %d is no name" % number)
    name = str(name)[:100]
    if set(event) - {"id", "delay", "actions"} or ("delay" in event) == ("actions" in event):
        raise BadScenario("event %s needs `delay` or `actions`, and nothing else but `id`" % name)
    if "delay" in event:
        delay = event["delay"]
        if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not 0 <= delay < 1e6:
            raise BadScenario("the delay of event %s is no number of seconds" % name)
        return name, delay, []
    leaving = []
    for action in event["actions"] if isinstance(event["actions"], list) else [None]:
        if not isinstance(action, dict) or "type" not in action:
            raise BadScenario("event %s has an action without `type`" % name)
        kind = action["type"] if isinstance(action["type"], str) else "what is no name"
        if kind != "remove_agent":
            raise BadScenario("event %s: pyDCOP does nothing for %s; it has remove_agent"
                              % (name, kind[:100]))
        agent = action.get("agent")
        if set(action) != {"type", "agent"} or not isinstance(agent, str):
            raise BadScenario("event %s: remove_agent takes the name of one `agent`" % name)
        if agent not in agents:
            raise BadScenario("event %s removes %s, which computes nothing in this run; these do: %s"
                              % (name, agent, ", ".join(sorted(agents)[:20])))
        if agent in removed + leaving:
            raise BadScenario("event %s removes %s a second time" % (name, agent))
        leaving.append(agent)
    return name, 0, leaving


class Player:
    """Plays the events, from the main thread."""

    def __init__(self, run, events):
        self.run, self.events = run, list(events)
        self.due = None

    def play(self):
        """What is due now, but not while the run is repaired."""
        from pydcop.infrastructure.orchestrator import AgentRemovedMessage

        run = self.run
        self.due = self.due or time.monotonic()
        while self.events and time.monotonic() >= self.due and not run.healing.is_new_loss():
            name, delay, leaving = self.events.pop(0)
            if delay:
                self.due = time.monotonic() + delay
                continue
            leaving = [agent for agent in leaving if agent not in run.gone]
            run.tell("scenario", id=name, agents=leaving)
            for agent in leaving:
                run.orchestrator._mgt_method("_orchestrator_dcop_dismiss", (agent, AgentRemovedMessage()))
                run.lose(agent, "removed by event %s of the scenario" % name)
