//! What the harness has found, each as a case of its own.
