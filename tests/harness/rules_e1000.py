"""The rules for a driver of the 82540EM and for the PCI set-up before it, seen from outside."""

from .rules import Rules

rules = Rules()
