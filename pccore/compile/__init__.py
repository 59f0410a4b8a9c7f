"""From a circuit to a program of a few large tensor operations."""

from pccore.compile.program import Program, compile_circuit
from pccore.compile.state import Pass, Workspace

__all__ = ["Pass", "Program", "Workspace", "compile_circuit"]
