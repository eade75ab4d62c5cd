"""What a rule about recorded devices is. rules_virtio.py and rules_e1000.py hold the rules.

A rule is a generator over one Device: for every case to which the requirement applies it yields None if all is well,
or a text that says what was wrong and where. So a rule knows how often it was put to the test, and one that never
was does not count as passed.
"""

from collections import namedtuple

Rule = namedtuple("Rule", "name rows applies function")


class Rules(dict):
    """{name: Rule}. @rules("ROW", ..., kind=, transport=) adds one; rows: the requirements that it shows."""

    def __call__(self, *rows, kind=None, transport=None):
        def add(function):
            def applies(device):
                return ((device.kind is not None if kind is None else device.kind in kind)
                        and transport in (None, device.transport))
            self[function.__name__] = Rule(function.__name__, rows, applies, function)
            return function
        return add


def check(rule, devices):
    """(number of cases, [fault]) of all devices to which the rule applies."""
    cases, faults = 0, []
    for device in filter(rule.applies, devices):
        for fault in rule.function(device):
            cases += 1
            if fault:
                faults.append(f"{device.name}: {fault}")
    return cases, faults
