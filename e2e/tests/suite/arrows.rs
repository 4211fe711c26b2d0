//! Who may know whom. The picture is in ARCHITECTURE.md; this is what holds it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Each crate and the crates of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 10] = [
    ("proto", &[]),
    ("providers", &[]),
    ("runtime", &["proto"]),
    ("config-service", &["proto", "providers", "runtime"]),
    ("dispatcher", &["proto", "providers", "runtime"]),
    ("webhook-gateway", &["proto", "providers", "runtime"]),
    ("vendor-sim", &[]),
    (
        "switchboard",
        &["proto", "providers", "runtime", "config-service", "dispatcher", "webhook-gateway", "vendor-sim"],
    ),
    ("bench", &["proto", "runtime"]),
    ("e2e", &["proto"]),
];

/// What tests may know besides: the simulated vendors, which share no code with what they test.
const TESTS_MAY_KNOW: &[&str] = &["vendor-sim"];

/// What `providers` must never see: the network's server side, SQL, and gRPC.
const NOT_FOR_PROVIDERS: &[&str] = &["tonic", "sqlx", "axum", "prost"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap()
}

fn short(package: &str) -> &str {
    package.strip_prefix("switchboard-").unwrap_or(package)
}

#[test]
fn no_crate_knows_one_that_the_plan_keeps_from_it() {
    let plan: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut forbidden = Vec::new();
    for package in &metadata.packages {
        let name = short(&package.name);
        let Some(allowed) = plan.get(name) else {
            panic!("the plan does not know the crate {name}: add it to ARROWS and to ARCHITECTURE.md");
        };
        for dependency in package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str())) {
            let other = short(&dependency.name);
            let for_tests = dependency.kind == DependencyKind::Development;
            let may_know = allowed.contains(&other) || (for_tests && TESTS_MAY_KNOW.contains(&other));
            if !may_know {
                forbidden.push(format!("{name} -> {other}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden by ARCHITECTURE.md: {}", forbidden.join(", "));
}

#[test]
fn the_vendors_code_sees_neither_grpc_nor_sql_nor_servers() {
    let metadata = metadata();
    for name in ["switchboard-providers", "switchboard-vendor-sim"] {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let is_server = dependency.name == "axum" && name == "switchboard-vendor-sim";
            assert!(
                is_server || !NOT_FOR_PROVIDERS.contains(&dependency.name.as_str()),
                "{name} must not depend on {}",
                dependency.name
            );
        }
    }
}

#[test]
fn versions_of_dependencies_stand_once_at_the_top() {
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        for line in manifest.lines().filter(|line| !line.trim_start().starts_with('#')) {
            assert!(!line.contains("version = \""), "{}: {line:?} belongs into the workspace", package.manifest_path);
        }
    }
}
