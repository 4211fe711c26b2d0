//! What is wrapped around a task: its name, and what becomes of its failure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use tracing::{debug, error};

use super::{Lifecycle, Name};

/// Runs a task whose failure ends the process.
pub(super) async fn critical<F>(lifecycle: Lifecycle, name: Name, future: F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    lifecycle.entered(&name);
    // Nothing that the task shared is looked at again but by tasks that are told to end.
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(Ok(())) => debug!(task = &*name, "a task has ended"),
        Ok(Err(error)) => lifecycle.failed(&name, &format!("{error:#}")),
        Err(panic) => lifecycle.failed(&name, &format!("panicked: {}", panic_message(&*panic))),
    }
    lifecycle.left(&name);
}

/// Runs a piece of work whose panic is its own affair, but not a silent one.
pub(super) async fn detached<F: Future>(name: &'static str, future: F) -> F::Output {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => output,
        Err(panic) => {
            error!(task = name, error = panic_message(&*panic), "a detached task has panicked");
            resume_unwind(panic)
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}
