//! The list of metrics, the dashboard and the alerts speak of what the processes really say.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use regex::Regex;

use crate::{installation::Installation, program::PATIENCE};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Said only by a process that has certificates.
const WITH_TLS: &str = "switchboard_tls_";
/// Added by Prometheus to whatever it scrapes, and by histograms.
const EVERYWHERE: [&str; 3] = ["job", "instance", "le"];

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// A metric with its type and labels.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// The tables of docs/metrics.md.
fn documented() -> BTreeMap<String, Metric> {
    let row = regex(r"(?m)^\| `(switchboard_[a-z_]+)` \| (counter|gauge|histogram) \| ([^|]*)\| [^|]+ \|$");
    let text = file("docs/metrics.md");
    let word = regex("`([a-z_]+)`");
    let mut metrics = BTreeMap::new();
    for cells in row.captures_iter(&text) {
        let labels = word.captures_iter(&cells[3]).map(|label| label[1].to_owned()).collect();
        let before = metrics.insert(cells[1].to_owned(), Metric { kind: cells[2].to_owned(), labels });
        assert!(before.is_none(), "{} stands twice in docs/metrics.md", &cells[1]);
    }
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, metrics.len(), "a row of docs/metrics.md is not: | `name` | type | `labels` | meaning |");
    metrics
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_metric_in_the_code_is_documented_with_its_type_and_none_besides() {
    let mut texts = Vec::new();
    for room in ["runtime", "config-service", "dispatcher", "webhook-gateway", "switchboard"] {
        sources(&Path::new(ROOT).join(room).join("src"), &mut texts);
    }
    let made = regex(r#"\b(counter|gauge|histogram)!\(\s*"(switchboard_[a-z_]+)""#);
    let mut in_code: BTreeMap<String, String> = BTreeMap::new();
    for text in &texts {
        for found in made.captures_iter(text) {
            in_code.insert(found[2].to_owned(), found[1].to_owned());
        }
    }
    let documented: BTreeMap<_, _> = documented().into_iter().map(|(name, metric)| (name, metric.kind)).collect();
    for (name, kind) in &in_code {
        assert_eq!(Some(kind), documented.get(name), "docs/metrics.md about {name}");
    }
    for name in documented.keys() {
        assert!(in_code.contains_key(name), "docs/metrics.md has {name}, which no code makes");
    }
}

/// The metrics of an expression, and the labels that it selects or groups by.
fn names_in(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let metrics =
        regex(r"\bswitchboard_[a-z_]+\b").find_iter(expression).map(|name| name.as_str().to_owned()).collect();
    let selected = regex(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#);
    let grouped = regex(r"\b(?:by|without|ignoring|on)\s*\(([^)]*)\)");
    let mut labels: BTreeSet<String> = selected.captures_iter(expression).map(|label| label[1].to_owned()).collect();
    for group in grouped.captures_iter(expression) {
        labels.extend(group[1].split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
    }
    (metrics, labels)
}

/// A documented metric by the name that an expression gives it.
fn named<'a>(documented: &'a BTreeMap<String, Metric>, name: &str) -> Option<(&'a str, &'a Metric)> {
    let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|ending| {
        let found = documented.get_key_value(name.strip_suffix(ending)?)?;
        (found.1.kind == "histogram").then_some(found)
    });
    let plain = documented.get_key_value(name).filter(|(_, metric)| metric.kind != "histogram");
    plain.or(of_histogram).map(|(name, metric)| (name.as_str(), metric))
}

/// Checks an expression; returns the metrics it uses.
fn check(documented: &BTreeMap<String, Metric>, place: &str, expression: &str) -> BTreeSet<String> {
    let (metrics, labels) = names_in(expression);
    let mut known: BTreeSet<&str> = EVERYWHERE.into();
    let mut used = BTreeSet::new();
    for name in metrics {
        let Some((name, metric)) = named(documented, &name) else { panic!("{place}: there is no metric {name}") };
        known.extend(metric.labels.iter().map(String::as_str));
        used.insert(name.to_owned());
    }
    for label in labels {
        assert!(known.contains(label.as_str()), "{place}: {label} is no label of {used:?}");
    }
    used
}

/// Every alert with its expression.
fn alerts() -> Vec<(String, String)> {
    let text = file("deploy/observability/alerts.yaml");
    let alert = regex(r"- alert: (\w+)\n\s+expr: (?:>-\n)?((?:.|\n)+?)\n\s+(?:for|labels):");
    let found: Vec<_> = alert.captures_iter(&text).map(|alert| (alert[1].to_owned(), alert[2].to_owned())).collect();
    assert_eq!(found.len(), text.matches("- alert:").count(), "an alert is not written as the others are");
    found
}

/// Every panel's title and expressions.
fn panels() -> Vec<(String, String)> {
    let dashboard: serde_json::Value = serde_json::from_str(&file("deploy/observability/dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push((title.to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            expressions.push((variable["name"].to_string(), query.to_owned()));
        }
    }
    assert!(expressions.len() > 20, "only {} expressions", expressions.len());
    expressions
}

#[test]
fn the_dashboard_shows_and_the_alerts_ask_only_for_metrics_and_labels_that_exist() {
    let documented = documented();
    for (place, expression) in alerts().into_iter().chain(panels()) {
        let used = check(&documented, &place, &expression);
        assert!(!used.is_empty() || expression.starts_with("up{"), "{place} asks for nothing of ours");
    }
}

#[test]
fn every_alert_is_explained_under_its_name_and_no_other_is() {
    let explained: BTreeSet<String> = regex(r"(?m)^### (Switchboard\w+)$")
        .captures_iter(&file("docs/operations.md"))
        .map(|heading| heading[1].to_owned())
        .collect();
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(alerts, explained, "left: the alerts, right: the headings of docs/operations.md");
}

/// What a process says at /metrics.
fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The metrics of a scrape.
fn said(text: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for kind in regex(r"(?m)^# TYPE (switchboard_\w+) (\w+)$").captures_iter(text) {
        metrics.entry(kind[1].to_owned()).or_default().kind = kind[2].to_owned();
    }
    let label = regex(r#"([a-z_]+)=""#);
    for sample in regex(r"(?m)^(switchboard_\w+?)(?:_bucket|_sum|_count)?\{(.*)\} ").captures_iter(text) {
        let name = if metrics.contains_key(&sample[1]) { &sample[1] } else { continue };
        let labels = label.captures_iter(&sample[2]).map(|label| label[1].to_owned()).filter(|label| label != "le");
        metrics.get_mut(name).unwrap().labels.extend(labels);
    }
    metrics
}

#[test]
fn running_processes_say_what_is_documented_and_all_that_the_alerts_ask_for() {
    let installation = Installation::new();
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    let _config_service = installation.start("config-service");
    let _dispatcher = installation.start("dispatcher");
    let _gateway = installation.start("webhook-gateway");
    let _vendors = installation.start_vendors();
    installation.store_default_account();
    installation.until_delivered();

    let documented = documented();
    let mut wanted: BTreeSet<String> =
        alerts().iter().flat_map(|(name, expression)| check(&documented, name, expression)).collect();
    wanted.retain(|name| !name.starts_with(WITH_TLS));
    let addresses = ["DISPATCHER", "CONFIG_SERVICE", "WEBHOOK_GATEWAY"]
        .map(|service| installation.setting(&format!("{service}__METRICS_LISTEN")).to_owned());
    let began = Instant::now();
    // Gauges are looked at every second.
    let said = loop {
        let mut all = BTreeMap::new();
        for address in &addresses {
            for (name, metric) in said(&scrape(address)) {
                let known: &mut Metric = all.entry(name).or_default();
                known.kind = metric.kind;
                known.labels.extend(metric.labels);
            }
        }
        let missing: Vec<_> = wanted.iter().filter(|name| !all.contains_key(*name)).collect();
        if missing.is_empty() {
            break all;
        }
        assert!(began.elapsed() < PATIENCE, "an alert asks for what no process says from its start: {missing:?}");
        thread::sleep(Duration::from_millis(100));
    };
    for (name, metric) in &said {
        assert_eq!(Some(metric), documented.get(name), "docs/metrics.md about {name}");
    }
    for name in ["switchboard_sends_total", "switchboard_send_own_seconds", "switchboard_webhooks_total"] {
        assert!(said.contains_key(name), "{name} after a send and its callback");
    }
}

#[test]
fn every_process_answers_for_its_health() {
    let installation = Installation::new();
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    let none = installation.typed(&["health", "config-service"]);
    assert_eq!(none.code, Some(1), "{}", none.stdout);
    assert!(none.stderr.contains("config_service.metrics_listen"), "{}", none.stderr);
    let gateway = installation.start("webhook-gateway");
    installation.until_done(&["health", "webhook-gateway", "--live"]);
    let waiting = installation.typed(&["health", "webhook-gateway"]);
    assert!(waiting.code == Some(1) && waiting.stderr.contains("not ready"), "{}", waiting.stderr);
    let config_service = installation.start("config-service");
    installation.until_done(&["health", "config-service"]);
    installation.until_done(&["health", "webhook-gateway"]);
    drop((gateway, config_service));
}
