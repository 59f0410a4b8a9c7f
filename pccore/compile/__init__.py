"""From a circuit to a program of a few large tensor operations."""

from pccore.compile.program import Program, compile_circuit

__all__ = ["Program", "compile_circuit"]
