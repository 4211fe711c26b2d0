//! Settings from a real file, a given environment and the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use switchboard_runtime::auth::Tokens;
use switchboard_runtime::config::{AuthConfig, ConfigError, Listen, Loader, LogConfig, LogFormat, TokenSource, de};
use tempfile::TempDir;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    data_dir: Option<PathBuf>,
    log: LogConfig,
    auth: AuthConfig,
    dispatcher: Dispatcher,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dispatcher {
    listen: Listen,
    #[serde(with = "humantime_serde")]
    cache_ttl: Duration,
    workers: u16,
    strict: bool,
    name: String,
    peers: Vec<String>,
    #[serde(deserialize_with = "de::secret")]
    token: Option<SecretString>,
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self {
            listen: Listen::local(7001),
            cache_ttl: Duration::from_secs(60),
            workers: 2,
            strict: false,
            name: "one".to_owned(),
            peers: Vec::new(),
            token: None,
        }
    }
}

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switchboard.toml");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn load(toml: &str, pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let (_folder, path) = file(toml);
    Loader::new().file(Some(path)).env_from(env(pairs)).load()
}

fn refused(toml: &str, pairs: &[(&str, &str)]) -> String {
    let error = load(toml, pairs).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn without_layers_everything_has_its_default() {
    let settings: Settings = Loader::new().file(None).env_from([]).load().unwrap();
    assert_eq!(settings.dispatcher.listen.to_string(), "127.0.0.1:7001");
    assert_eq!(settings.log, LogConfig::default());
    assert!(settings.data_dir.is_none() && settings.auth.tokens_file.is_none());
}

#[test]
fn the_environment_is_over_the_file_and_the_command_line_over_both() {
    let (_folder, path) = file("data_dir = 'f'\n[dispatcher]\nname = 'f'\nworkers = 3\ncache_ttl = '5m'\n");
    let settings: Settings = Loader::new()
        .file(Some(path))
        .env_from(env(&[("SWITCHBOARD_DISPATCHER__NAME", "e"), ("SWITCHBOARD_DISPATCHER__WORKERS", "4")]))
        .overlay("dispatcher.workers", 5)
        .load()
        .unwrap();
    assert_eq!(settings.data_dir.as_deref(), Some(Path::new("f")));
    assert_eq!(settings.dispatcher.cache_ttl, Duration::from_secs(300));
    assert_eq!((settings.dispatcher.name.as_str(), settings.dispatcher.workers), ("e", 5));
}

#[test]
fn every_kind_of_value_comes_from_the_environment() {
    let settings = load(
        "",
        &[
            ("SWITCHBOARD_DATA_DIR", "/var/lib/switchboard"),
            ("SWITCHBOARD_LOG__FORMAT", "json"),
            ("SWITCHBOARD_AUTH__TOKENS_FILE", "/etc/tokens.json"),
            ("SWITCHBOARD_DISPATCHER__LISTEN", "[::1]:0"),
            ("SWITCHBOARD_DISPATCHER__CACHE_TTL", "1h 30m"),
            ("SWITCHBOARD_DISPATCHER__WORKERS", "16"),
            ("SWITCHBOARD_DISPATCHER__STRICT", "true"),
            ("SWITCHBOARD_DISPATCHER__PEERS", "[a, \"b\"]"),
            ("HOME", "/root"),
            ("SWITCHBOARD_CONFIG", "/etc/switchboard.toml"),
        ],
    )
    .unwrap();
    assert_eq!(settings.data_dir.as_deref(), Some(Path::new("/var/lib/switchboard")));
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.auth.tokens_file.as_deref(), Some(Path::new("/etc/tokens.json")));
    assert_eq!(settings.dispatcher.listen.address(), "[::1]:0".parse().unwrap());
    assert_eq!(settings.dispatcher.cache_ttl, Duration::from_secs(5_400));
    assert!(settings.dispatcher.strict && settings.dispatcher.workers == 16);
    assert_eq!(settings.dispatcher.peers, ["a", "b"]);
}

#[test]
fn text_that_looks_like_something_else_stays_text() {
    for text in ["12345", "007", "1e3", "true", "1.50", "{x}", "a=b"] {
        let settings =
            load("", &[("SWITCHBOARD_DISPATCHER__NAME", text), ("SWITCHBOARD_DISPATCHER__TOKEN", text)]).unwrap();
        assert_eq!(settings.dispatcher.name, text);
        assert_eq!(settings.dispatcher.token.unwrap().expose_secret(), text);
    }
}

#[test]
fn an_unknown_key_names_itself_its_place_and_what_is_allowed() {
    let from_file = refused("[dispatcher]\ncache_tl = '1m'\n", &[]);
    assert!(from_file.starts_with("unknown setting dispatcher.cache_tl (from the file /"), "{from_file}");
    assert!(from_file.contains("switchboard.toml") && from_file.contains("cache_ttl, workers"), "{from_file}");

    let from_env = refused("[dispatcher]\nworkers = 3\n", &[("SWITCHBOARD_DISPATCHER__CACHE_TL", "1m")]);
    assert!(
        from_env.starts_with(
            "unknown setting dispatcher.cache_tl (from the environment variable SWITCHBOARD_DISPATCHER__CACHE_TL); \
             allowed there: listen, "
        ),
        "{from_env}"
    );

    let top = refused("", &[("SWITCHBOARD_DATADIR", "x")]);
    assert!(top.contains("unknown setting datadir") && top.contains("data_dir"), "{top}");
}

#[test]
fn a_bad_value_names_the_place_that_won_and_what_is_allowed() {
    let duration = refused("[dispatcher]\ncache_ttl = 'soon'\n", &[]);
    assert!(duration.contains("dispatcher.cache_ttl (from the file"), "{duration}");
    assert!(duration.contains("\"soon\"") && duration.contains("such as 500ms"), "{duration}");

    let number = refused("[dispatcher]\nworkers = 2\n", &[("SWITCHBOARD_DISPATCHER__WORKERS", "-1")]);
    assert!(number.contains("the environment variable SWITCHBOARD_DISPATCHER__WORKERS"), "{number}");
    assert!(number.contains("is -1; allowed: a whole number"), "{number}");

    let listen = refused("[dispatcher]\nlisten = 'localhost'\n", &[]);
    assert!(listen.contains("\"localhost\"") && listen.contains("127.0.0.1:7001"), "{listen}");

    let format = refused("[log]\nformat = 'xml'\n", &[]);
    assert!(format.contains("log.format") && format.contains("\"xml\"") && format.contains("text, json"), "{format}");

    let section = refused("dispatcher = 'x'\n", &[]);
    assert!(section.contains("the setting dispatcher (from the file") && section.contains("section"), "{section}");
}

#[test]
fn the_command_line_is_a_place_too() {
    let error = Loader::new().overlay("dispatcher.listen", "x").load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("dispatcher.listen (from the command line)"), "{error}");
}

#[test]
fn a_named_file_must_exist() {
    let error =
        Loader::new().file(Some("/nowhere/switchboard.toml".into())).load::<Settings>().unwrap_err().to_string();
    assert!(error.contains("/nowhere/switchboard.toml") && error.contains("--config"), "{error}");
}

#[test]
fn broken_toml_is_located_without_quoting_it() {
    let error = refused("[dispatcher]\ntoken = s3cr3t\n", &[]);
    assert!(error.contains("switchboard.toml is not valid TOML") && error.contains("line 2"), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_shown() {
    let number = load("[dispatcher]\ntoken = 12345\n", &[]).unwrap();
    assert_eq!(number.dispatcher.token.as_ref().unwrap().expose_secret(), "12345");
    assert!(!format!("{number:?}").contains("12345"));
    for toml in
        ["[dispatcher]\ntoken = 12.75\n", "[dispatcher]\ntoken = ['12.75']\n", "[dispatcher.token]\na = '12.75'\n"]
    {
        let error = refused(toml, &[]);
        assert!(error.contains("dispatcher.token") && !error.contains("12.75"), "{error}");
    }
}

#[test]
fn ignored_variables_are_not_settings() {
    let settings: Result<Settings, _> = Loader::new()
        .ignoring(["SWITCHBOARD_TEST_POSTGRES"])
        .env_from(env(&[("SWITCHBOARD_TEST_POSTGRES", "postgres://")]))
        .load();
    assert!(settings.is_ok());
}

#[test]
fn a_variable_that_is_not_text_is_named() {
    let value = OsString::from_vec(vec![0xff, 0xfe]);
    let error = Loader::new().env_from([("SWITCHBOARD_DATA_DIR".into(), value)]).load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("SWITCHBOARD_DATA_DIR"), "{error}");
}

#[test]
fn a_missing_setting_says_how_to_set_it() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "redis_url")]
        _redis_url: String,
    }
    let error = Loader::new().load::<Strict>().unwrap_err().to_string();
    assert!(error.contains("redis_url is missing") && error.contains("SWITCHBOARD_REDIS_URL"), "{error}");
}

#[test]
fn a_token_comes_from_the_setting_then_its_file_then_the_tokens_file() {
    let folder = tempfile::tempdir().unwrap();
    let tokens_file = folder.path().join("tokens.json");
    Tokens::generate_file(&tokens_file).unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "from-file\n").unwrap();
    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let mut source = TokenSource { token: Some(SecretString::from(" given ")), token_file: Some(token_file) };
    let resolve = |source: &TokenSource| {
        let token = source.resolve("dispatcher", "dispatcher", Some(&tokens_file)).unwrap();
        token.expose_secret().to_owned()
    };
    assert_eq!(resolve(&source), "given");
    source.token = None;
    assert_eq!(resolve(&source), "from-file");
    source.token_file = None;
    assert_eq!(resolve(&source).len(), 43);
}

#[test]
fn a_token_that_cannot_be_had_says_which_key_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let tokens_file = folder.path().join("tokens.json");
    Tokens::generate_file(&tokens_file).unwrap();
    let refuse = |token: Option<&str>, token_file: Option<PathBuf>, tokens: Option<&Path>| {
        let token = token.map(SecretString::from);
        let source = TokenSource { token, token_file };
        source.resolve("webhook_gateway", "gateway", tokens).unwrap_err().to_string()
    };
    let none = refuse(None, None, None);
    assert!(none.contains("webhook_gateway.token (SWITCHBOARD_WEBHOOK_GATEWAY__TOKEN)"), "{none}");
    assert!(none.contains("auth.tokens_file with an entry \"gateway\""), "{none}");
    let no_entry = refuse(None, None, Some(&tokens_file));
    assert!(no_entry.contains("no entry \"gateway\"") && no_entry.contains("webhook-gateway"), "{no_entry}");
    let no_file = refuse(None, Some("/nowhere/token".into()), None);
    assert!(no_file.contains("webhook_gateway.token_file") && no_file.contains("/nowhere/token"), "{no_file}");
    let empty = refuse(Some(" "), None, None);
    assert!(empty.contains("webhook_gateway.token is empty"), "{empty}");
    let blank = refuse(Some("s3cr3t s3cr3t"), None, None);
    assert!(blank.contains("visible ASCII") && !blank.contains("s3cr3t"), "{blank}");
}
