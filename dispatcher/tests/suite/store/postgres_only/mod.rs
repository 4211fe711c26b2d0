//! What only the engine for production has: old history to take over, replicas, partitions, a server that goes away.

mod leader;
mod migrations;
mod months;
mod outage;
mod replicas;
mod writers;
