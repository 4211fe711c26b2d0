//! Where a design runs: a folder, a vendor, a PostgreSQL if one is needed, and the processes of one design at a time.

use std::path::Path;

use anyhow::Context as _;
use secrecy::SecretString;
use tempfile::TempDir;

use super::{Args, Design, Figures};
use crate::{
    host::{self, Child, Group, own_program},
    load::{self, Edge, Traffic},
    output,
    postgres::Postgres,
    switchboard::{self, House, Switchboard},
};

/// The one database of PostgreSQL that is in use.
const DATABASE: &str = "bench";
/// Reference programs let everybody in.
const ANY_TOKEN: &str = "bench";

pub(super) struct Arena {
    // Processes end before the folder goes.
    postgres: Option<Postgres>,
    _vendor: Child,
    vendor_url: String,
    switchboard: Option<Switchboard>,
    folder: TempDir,
}

/// A running design.
struct Running {
    url: String,
    token: SecretString,
    server: u32,
    processes: Group,
    organizations: Vec<String>,
    // What ends when the design has been measured; the folder goes last.
    _children: Vec<Child>,
    _ours: Option<(switchboard::Service, House)>,
    _folder: TempDir,
}

impl Arena {
    /// Starts what all designs share.
    pub(super) async fn open(args: &Args) -> anyhow::Result<Self> {
        let switchboard =
            if args.designs.iter().any(|design| design.is_ours()) { Some(switchboard::program()?) } else { None };
        let folder = host::folder()?;
        let latency = args.vendor_latency.to_string();
        let sink = own_program(&["sink", "--latency", &latency])?;
        let (vendor, address) = Child::start_own("vendor", sink, folder.path()).await?;
        let postgres = if args.designs.iter().any(|design| design.needs_postgres()) {
            Some(Postgres::start(folder.path()).await?)
        } else {
            None
        };
        Ok(Self { postgres, _vendor: vendor, vendor_url: format!("http://{address}"), switchboard, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a design once on an empty database. The inner error says why this build cannot run it.
    pub(super) async fn measure(&self, design: Design, args: &Args) -> anyhow::Result<Result<Figures, String>> {
        let postgres = self.postgres.as_ref().filter(|_| design.needs_postgres());
        let url = match postgres {
            Some(postgres) => Some(postgres.create(DATABASE).await?),
            None => None,
        };
        let measured = match self.start(design, url.as_deref(), args).await {
            Ok(running) => Ok(self.load(running, postgres, args).await?),
            Err(error) => match refusal(&error) {
                Some(why) => Err(why),
                None => return Err(error),
            },
        };
        if let Some(postgres) = postgres {
            postgres.discard(DATABASE).await?;
        }
        Ok(measured)
    }

    async fn load(&self, running: Running, postgres: Option<&Postgres>, args: &Args) -> anyhow::Result<Figures> {
        let database = postgres.map_or_else(Group::default, |postgres| Group::default().family(postgres.pid()));
        let clients = load::clients(&running.url, &running.token, args.connections)?;
        let traffic = Traffic::new(running.organizations.clone(), args.long_percent);
        let (mut server_cost, mut database_cost) = (Vec::new(), Vec::new());
        let outcome = load::generate(&args.shape(), clients, traffic, |edge| {
            server_cost.push(running.processes.cost()?);
            database_cost.push(database.cost()?);
            anyhow::ensure!(edge == Edge::Begin || server_cost.len() == 2, "the end without a beginning");
            Ok(())
        })
        .await?;
        if let Some(why) = &outcome.first_failure {
            output::note(format_args!("warning: {} sends failed, the first with: {why}", outcome.failures));
        }
        Ok(Figures {
            sends_per_s: outcome.sends_per_s,
            p50_ms: outcome.p50_ms,
            p99_ms: outcome.p99_ms,
            server_cpu_us: server_cost[0].per_piece_us(server_cost[1], outcome.sends),
            db_cpu_us: database_cost[0].per_piece_us(database_cost[1], outcome.sends),
            rss_mib: host::rss_mib(running.server)?,
        })
    }

    async fn start(&self, design: Design, postgres_url: Option<&str>, args: &Args) -> anyhow::Result<Running> {
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let sqlite_url = format!("sqlite://{}", folder.path().join("history.db").display());
        let database_url = postgres_url.unwrap_or(&sqlite_url);
        let program = match design {
            Design::Echo => "echo",
            Design::Naive => "naive",
            Design::Batched | Design::BatchedSqlite => "batched",
            Design::BatchedUsual => "batched-usual",
            Design::Ours | Design::OursSqlite => return self.start_ours(folder, database_url, args).await,
        };
        let mut command = own_program(&["reference", program])?;
        if design != Design::Echo {
            command.args(["--database-url", database_url, "--vendor-url", &self.vendor_url]);
        }
        let (child, address) = Child::start_own(design.name(), command, folder.path()).await?;
        Ok(Running {
            url: format!("http://{address}"),
            token: ANY_TOKEN.into(),
            server: child.pid(),
            processes: Group::default().process(child.pid()),
            organizations: (1..=args.organizations).map(switchboard::organization_id).collect(),
            _children: vec![child],
            _ours: None,
            _folder: folder,
        })
    }

    /// Every setting but addresses as it comes. What config-service uses is counted with the dispatcher.
    async fn start_ours(&self, folder: TempDir, database_url: &str, args: &Args) -> anyhow::Result<Running> {
        let program = self.switchboard.as_ref().context("the program switchboard was not asked for")?;
        let house = House::build(&program.0, folder.path(), &self.vendor_url).await?;
        let organizations = switchboard::create(&mut house.admin()?, args.organizations).await?;
        let dispatcher = house.dispatcher("dispatcher", &[("dispatcher.database_url", database_url)]).await?;
        Ok(Running {
            url: dispatcher.url.clone(),
            token: house.token("sender")?,
            server: dispatcher.pid(),
            processes: Group::default().process(dispatcher.pid()).process(house.config_service().pid()),
            organizations,
            _children: Vec::new(),
            _ours: Some((dispatcher, house)),
            _folder: folder,
        })
    }
}

/// What the dispatcher says of a database that it cannot open in this version.
fn refusal(error: &anyhow::Error) -> Option<String> {
    let text = format!("{error:#}");
    let start = text.find("dispatcher.database_url is not an address this version can open")?;
    Some(text[start..].to_owned())
}
