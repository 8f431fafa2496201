"""What an assignment costs, worked out from the text of a problem without pyDCOP."""

import ast
import math

INFINITY = 10000  # a constraint of this cost or more is violated; pyDCOP uses the same number


class Costs:
    """The constraints and the variables' own costs of one problem.

    Expressions of the problem are executed, as pyDCOP does.
    """

    def __init__(self, problem):
        """`problem` is the loaded YAML.  Raises ValueError for what pyDCOP would refuse, too."""
        self.sign = -1 if problem.get("objective") == "max" else 1
        self.fixed = {name: v.get("initial_value")
                      for name, v in (problem.get("external_variables") or {}).items()}
        variables = problem.get("variables") or {}
        self.names = list(variables)
        self.parts, self.noise = [], 0
        for name, v in variables.items():
            if isinstance(v, dict) and "cost_function" in v:
                self.parts.append(_function(v["cost_function"], [name]))
                self.noise += abs(v.get("noise_level") or 0)
        known = set(self.names) | set(self.fixed)
        for name, c in (problem.get("constraints") or {}).items():
            if c.get("type") == "extensional":
                self.parts.append(_table(c))
            elif "source" in c:
                raise ValueError("constraint %s has a source file" % name)
            else:
                self.parts.append(_function(c["function"], known))

    def of(self, assignment):
        """The cost without violated constraints, and how many those are."""
        values = dict(self.fixed)
        values.update(assignment)
        cost, violations = 0, 0
        for part in self.parts:
            value = part(values)
            if self.sign * value >= INFINITY:
                violations += 1
            else:
                cost += value
        return cost, violations

    def agrees(self, assignment, cost, violations):
        """Is that what the assignment costs?  pyDCOP counts as violated what costs INFINITY
        exactly, and adds its own random noise to the costs of some variables."""
        values = dict(self.fixed)
        values.update(assignment)
        total = sum(part(values) for part in self.parts)
        said = cost + INFINITY * violations
        if not (math.isfinite(total) and math.isfinite(said)):
            return total == said
        return abs(total - said) <= 1e-6 * max(1, abs(total)) + self.noise


def _function(text, known):
    text = str(text).strip()
    tree = ast.parse(text)
    names = sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} & set(known))
    if any(isinstance(n, ast.Return) for n in ast.walk(tree)):
        lines = "".join("    %s\n" % line for line in text.split("\n"))
    else:
        lines = "    return (%s\n    )\n" % text  # it may end with a comment
    place = {}
    exec(compile("def f(%s):\n%s" % (", ".join(names), lines), "<problem>", "exec"), place)
    function = place["f"]
    return lambda values: function(*(values[name] for name in names))


def _table(constraint):
    variables = constraint["variables"]
    if isinstance(variables, str):
        variables = [variables.strip()]
    table = {}
    for cost, assignments in constraint["values"].items():
        for one in str(assignments).split("|"):
            table[tuple(one.split())] = cost
    default = constraint.get("default") or 0
    return lambda values: table.get(tuple(str(values[v]) for v in variables), default)
