//! Black-box tests over real processes, and tests of the workspace itself. All of it is in `tests/`.
